"""The watcher starts three kinds of units and nothing else, never waits, and knows what came of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alerting_tools import FakeClock
from ibgateway_alerting.watch import actions as module
from ibgateway_alerting.watch.actions import (
    CONSENT,
    RESET,
    SOFT_RESTART,
    Actions,
    Result,
    UnitNotAllowedError,
)
from ibgatewaylib import act, ctl_acts, events


class Host:
    """A systemctl that notes what it is asked for, and does to act.json what a test says."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.root = root
        self.clock = clock
        self.asked = root / "asked"
        self.program = root / "systemctl"
        self.behave("exit 0")
        self.actions = Actions(root / "run", clock, (str(self.program), "--no-block", "start"))
        (root / "run" / "live").mkdir(parents=True)

    def behave(self, line: str) -> None:
        self.program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >>{self.asked}\n{line}\n')
        self.program.chmod(0o755)

    def leave(self, verb: str, code: int = 0, text: str = "done", age: float = 0.0) -> None:
        result = {"verb": verb, "time": events.timestamp(self.clock() - age), "code": code, "text": text}
        (self.root / "run" / "live" / "act.json").write_text(json.dumps(result))

    def until(self, reached, seconds: float = 10.0) -> list[Result]:
        """Tick with the real time's passing until there is what a test waits for; the fake clock stands."""
        found: list[Result] = []
        deadline = time.monotonic() + seconds
        while not reached(found):
            assert time.monotonic() < deadline, "it did not happen"
            found += self.actions.tick(self.clock())
            time.sleep(0.005)
        return found

    def calls(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []


@pytest.fixture
def host(tmp_path: Path, clock: FakeClock) -> Iterator[Host]:
    made = Host(tmp_path, clock)
    yield made
    for run in made.actions._running:
        if run.process is not None:
            run.process.communicate()


def test_only_the_three_units_are_started(host):
    for unit in (
        "ibgateway@live.service", "ibgateway-pause@live.service", "ibgateway-budget-reset@live.service",
        "ibgateway-consent@live.timer", "ibgateway-consent@../x.service", "ibgateway-consent@live.service\n",
        "ibgateway-consent@LIVE.service", "ibgateway-consent@.service", "ibgateway-consent@a b.service",
        "x ibgateway-consent@live.service", "ibgateway-consent@live.service ssh.service", "ssh.service", "",
        "--force", "ibgateway-consent@-live.service", "ibgateway-consent@liv\u00e9.service",
        "ibgateway-consent@" + "a" * 32 + ".service",
    ):  # fmt: skip
        with pytest.raises(UnitNotAllowedError):
            host.actions.start(unit)
    assert host.actions.tick(host.clock()) == []
    assert host.calls() == []


def test_what_is_asked_for_starts_at_the_next_tick_and_not_before(host):
    assert host.actions.start(CONSENT.format("live"))
    assert host.calls() == []
    host.actions.tick(host.clock())
    host.until(lambda _: host.calls())
    assert host.calls() == ["--no-block start ibgateway-consent@live.service"]


def test_what_belongs_to_a_lost_transaction_is_not_started(host):
    host.actions.start(CONSENT.format("live"))
    host.actions.forget()
    host.actions.start(SOFT_RESTART.format("live"))
    host.actions.tick(host.clock())
    host.until(lambda _: host.calls())
    assert host.calls() == ["--no-block start ibgateway-restart-soft@live.service"]


def test_a_unit_is_not_started_twice_while_it_is_under_way(host):
    unit = CONSENT.format("live")
    assert host.actions.start(unit)
    assert not host.actions.start(unit)
    host.actions.tick(host.clock())
    assert not host.actions.start(unit)
    host.leave("consent", text="consent given: live starts")
    assert [found.ok for found in host.until(bool)] == [True]
    assert not host.actions.pending(unit)
    assert host.actions.start(unit)
    assert len(host.calls()) == 1


def test_the_acts_own_sentence_is_the_result(host):
    host.actions.start(CONSENT.format("live"))
    host.actions.tick(host.clock())
    host.clock.advance(0.4)
    host.leave("consent", code=75, text="the login budget of live is used up")
    (result,) = host.until(bool)
    expected = (CONSENT.format("live"), "live", False, "the login budget of live is used up", host.clock())
    assert (result.unit, result.instance, result.ok, result.text, result.time) == expected


@pytest.mark.parametrize(
    ("verb", "age"), [("consent", 1.0), ("soft-restart", 0.0), ("pause", 0.0)], ids=["old", "other", "pause"]
)
def test_another_runs_result_is_not_taken_for_this_one(host, verb, age):
    host.leave(verb, code=1, text="of another run", age=age)
    host.actions.start(CONSENT.format("live"))
    host.until(lambda _: host.calls())
    host.until(lambda _: host.actions._running[0].process is None)
    assert host.actions.tick(host.clock()) == []
    host.clock.advance(1)
    host.leave("consent", text="of this run")
    assert [found.text for found in host.until(bool)] == ["of this run"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"verb": "consent"}', '{"verb": "consent", "time": 7}'])
def test_a_damaged_result_is_no_result(host, content):
    (host.root / "run" / "live" / "act.json").write_text(content)
    host.actions.start(CONSENT.format("live"))
    host.until(lambda _: host.actions._running and host.actions._running[0].process is None)
    assert host.actions.tick(host.clock()) == []
    host.clock.advance(module.ENDS_WITHIN)
    (result,) = host.actions.tick(host.clock())
    assert result.ok is None
    assert "journalctl -u ibgateway-consent@live.service" in result.text


def test_a_refusal_of_systemd_is_told(host):
    host.behave("echo 'Failed to start x.service: Access denied' >&2; exit 4")
    host.actions.start(CONSENT.format("live"))
    (result,) = host.until(bool)
    assert result.ok is False
    assert (
        result.text
        == "ibgateway-consent@live.service was not started: Failed to start x.service: Access denied"
    )


def test_a_missing_systemctl_is_told(host):
    host.program.unlink()
    host.actions.start(CONSENT.format("live"))
    (result,) = host.actions.tick(host.clock())
    assert result.ok is False
    assert "nothing was done" in result.text


def test_a_systemctl_that_hangs_is_killed_and_delays_nothing(host):
    host.behave("exec sleep 600")
    host.actions.start(CONSENT.format("live"))
    began = time.monotonic()
    assert host.actions.tick(host.clock()) == []
    assert time.monotonic() - began < 60
    process = host.actions._running[0].process
    host.clock.advance(module.ANSWERS_WITHIN)
    (result,) = host.actions.tick(host.clock())
    assert (result.ok, process.poll() is not None) == (False, True)


def test_the_reset_check_leaves_events_and_no_result(host):
    host.actions.start(RESET.format("live"))
    (result,) = host.until(bool)
    assert result.ok is True
    assert host.calls() == ["--no-block start ibgateway-reset@live.service"]


def test_no_shell_and_no_stray_processes(host, monkeypatch):
    started = []
    real = module.subprocess.Popen

    def note(command, **options):
        started.append((command, options))
        return real(command, **options)

    monkeypatch.setattr(module.subprocess, "Popen", note)
    host.leave("consent")
    host.actions.start(CONSENT.format("live"))
    host.until(bool)
    ((command, options),) = started
    assert command[-1] == "ibgateway-consent@live.service"
    assert not options.get("shell")
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_the_names_are_those_of_the_role_ibc():
    assert module.RESULT == act.RESULT
    for word, verb in module._VERBS.items():
        assert ctl_acts.UNITS[verb] == f"ibgateway-{word}@{{}}.service"
        assert verb in act.VERBS
