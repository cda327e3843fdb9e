"""What a test of the channels leaves for `ibgatewayctl test-alert`."""

from __future__ import annotations

import json

import pytest
from ibgateway_alerting.notify import trial
from ibgateway_alerting.notify.channels import Configured
from ibgateway_alerting.notify.errors import RefusedError
from ibgatewaylib import ctl_test_alert


class Wire:
    """A channel that takes everything, or nothing."""

    def __init__(self, name: str, problem: str = "") -> None:
        self.name, self._problem = name, problem
        self.sent: list[str] = []

    async def send(self, message) -> None:
        if self._problem:
            raise RefusedError(self._problem)
        self.sent.append(message.title)


def configured(*channels: Wire, **problems: str) -> Configured:
    return Configured(list(channels), problems)


def test_the_results_are_kept_for_whoever_asked(settings, store, capsys):
    channels = configured(Wire("phone"), Wire("hook", "HTTP status 403"), odd="its url is wrong")
    assert trial.run(channels, settings, as_json=True) == 1
    report = store.recall(ctl_test_alert.REPORT)
    assert report["results"] == json.loads(capsys.readouterr().out)
    assert ctl_test_alert.lines(report["results"]).splitlines() == [
        "phone  sent",
        "hook   FAILED: HTTP status 403",
        "odd    FAILED: its url is wrong",
    ]
    assert trial.REPORT == ctl_test_alert.REPORT


def test_without_channels_nothing_but_that_is_kept(settings, store):
    assert trial.run(configured(), settings, as_json=False) == 1
    assert store.recall(trial.REPORT)["results"] == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_database_that_is_not_there_does_not_stop_the_test(
    make_settings, tmp_path, capsys, caplog, as_json
):
    settings = make_settings(database=tmp_path / "nowhere" / "alerting.sqlite")
    phone = Wire("phone")
    assert trial.run(configured(phone), settings, as_json=as_json) == 0
    assert phone.sent == ["[info] vps1: This is a test"]
    assert "phone" in capsys.readouterr().out
    assert "the results are not kept" in caplog.text
