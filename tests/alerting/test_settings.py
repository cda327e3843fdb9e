"""The configuration of watcher, notifier and digest, as the role writes it and as it may be damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from ibgateway_alerting import settings
from ibgateway_alerting.settings import Channel, SettingsError

GOOD = """\
host = "vps1"
etc_root = "/etc/ibgateway"
state_root = "/var/lib/ibgateway"
run_root = "/run/ibgateway"
database = "/var/lib/ibgateway-alerting/alerting.sqlite"
runbook = "/usr/local/share/doc/ibgateway/runbook.md"
instances = ["live", "paper"]
timezone = "Europe/Zurich"
metrics_port = 9464
remind_before_minutes = 15
remind_friday = false
digest = "Sun 18:00"
reminder_hours = 4
deadman_minutes = 5
[[channels]]
name = "phone"
kind = "telegram"
severity = "info"
after_minutes = 0
who = "Anna"
users = [123456]
[[channels]]
name = "mail"
kind = "apprise"
severity = "action"
after_minutes = 20
who = ""
users = []
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_a_good_file_is_read_as_it_is(file: Path):
    file.write_text(GOOD)
    found = settings.load(file)
    assert (found.host, found.instances, found.metrics_port) == ("vps1", ("live", "paper"), 9464)
    assert found.database == Path("/var/lib/ibgateway-alerting/alerting.sqlite")
    assert (found.remind_before_minutes, found.remind_friday, found.digest) == (15, False, "Sun 18:00")
    assert (found.reminder_hours, found.deadman_minutes) == (4, 5)
    assert found.zone.key == "Europe/Zurich"
    assert found.channels == (
        Channel("phone", "telegram", "info", 0, "Anna", (123456,)),
        Channel("mail", "apprise", "action", 20, "", ()),
    )


def test_without_channels_there_are_none(file: Path):
    file.write_text(GOOD.partition("[[channels]]")[0])
    assert settings.load(file).channels == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('host = "vps1"\n', "", "host is missing"),
        ('host = "vps1"', 'host = ""', "host must be a text"),
        ('host = "vps1"', 'host = "a\\nb"', "host must be a text"),
        ('host = "vps1"', 'host = "vps1"\nhots = 1', "hots is unknown"),
        ('"/run/ibgateway"', '"run"', "run_root must be an absolute path"),
        ('["live", "paper"]', "[]", "instances is empty"),
        ('["live", "paper"]', '["../etc"]', "instances: '../etc' is no name"),
        ('["live", "paper"]', '["live", "live"]', "instances: a name comes twice"),
        ('["live", "paper"]', "[1]", "instances must be a list of str"),
        ("Europe/Zurich", "CET", "timezone must be the full name of a time zone"),
        ("9464", "65536", "metrics_port must be a whole number from 0 to 65535"),
        ("9464", "true", "metrics_port must be a whole number"),
        ("remind_friday = false", 'remind_friday = "no"', "remind_friday must be true or false"),
        ("reminder_hours = 4", "reminder_hours = 0", "reminder_hours must be a whole number from 1"),
        ('kind = "telegram"', 'kind = "fax"', "kind must be one of telegram, apprise"),
        ('severity = "info"', 'severity = "loud"', "severity must be one of info, warning, action, critical"),
        ("after_minutes = 20", "after_minutes = -1", "after_minutes must be a whole number from 0"),
        ("users = [123456]", "users = [true]", "users must be a list of int"),
        ('name = "mail"', 'name = "phone"', "channels: a name comes twice"),
        ('who = "Anna"\n', "", "channels: who is missing"),
        ("[[channels]]", "[channels", "is unusable"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_remedy(file: Path, before: str, after: str, said: str):
    assert before in GOOD
    file.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(SettingsError) as refused:
        settings.load(file)
    text = str(refused.value)
    assert said in text
    assert text.startswith(str(file))
    assert text.endswith(settings.REMEDY)
    assert "\n" not in text


def test_a_missing_file_names_the_remedy(file: Path):
    with pytest.raises(SettingsError, match="run the playbook with --tags alerting"):
        settings.load(file)
