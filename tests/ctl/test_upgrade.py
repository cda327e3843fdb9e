"""Another release: noted, tried at the next start, confirmed, or left again."""

from __future__ import annotations

import json
import os

import pytest
from ctl_stand_ins import UNIT, write_events
from ibgatewaylib import ctl, releases, settings_copy, upgrade
from ibgatewaylib import instance as instances
from ibgatewaylib.ctl_host import CtlError, Host

OLD = {"gateway_version": "10.37.1", "ibc_version": "3.25.0"}
NEW = {"gateway_version": "10.45.1", "ibc_version": "3.25.0"}
NEWER = {"gateway_version": "10.46.1", "ibc_version": "3.25.0"}


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """Three releases of Gateway and one of IBC."""
    found = {key: tmp_path / "opt" / key for key in releases.PLACES}
    for key, versions in (
        ("gateway_version", ("10.37.1", "10.45.1", "10.46.1")),
        ("ibc_version", ("3.25.0",)),
    ):
        for version in versions:
            (found[key] / version).mkdir(parents=True)
            (found[key] / version / ".installed").touch()
            os.utime(found[key] / version / ".installed", (0, float(version.replace(".", ""))))
    for function in (releases.require_installed, releases.switch, releases.prune):
        monkeypatch.setattr(function, "__defaults__", (found,))
    return found


@pytest.fixture
def host(box, systemd, now, operator) -> Host:
    systemd.ready()
    return Host(box.etc.parent)


def here(box) -> dict[str, str]:
    return releases.of(instances.load(box.etc))


def record(box) -> dict:
    return releases.read(instances.load(box.etc))


def runs(systemd, versions: dict[str, str], state: str = "ready", **more: object) -> None:
    """What the launcher wrote of a run that began a minute from now."""
    systemd.state(state, started="2026-11-25T15:01:00.000Z", **versions, **more)


def trial(box, *events: tuple[str, dict]) -> None:
    write_events(box, ("2026-11-25 15:01", "starting", NEW))
    for kind, detail in events:
        write_events(box, ("2026-11-25 15:02", kind, detail))


# --- from here to there -----------------------------------------------------------------------------------


def test_a_change_is_noted_and_switched(box, host):
    assert upgrade.begin(host, "live", NEW)
    assert here(box) == NEW
    assert instances.load(box.etc).program_dir.name == "10.45.1"
    assert record(box)["pending"] == {"from": OLD, "to": NEW, "since": "2026-11-25T15:00:00.000Z"}
    assert not upgrade.begin(host, "live", NEW)


def test_what_is_not_installed_is_refused(box, host):
    with pytest.raises(CtlError, match=r"10\.99 is not installed"):
        upgrade.begin(host, "live", {**NEW, "gateway_version": "10.99"})
    with pytest.raises(CtlError, match="not installed"):
        upgrade.begin(host, "live", {**NEW, "gateway_version": "../../etc"})
    assert here(box) == OLD


def test_a_second_change_before_the_first_start_comes_from_the_first(box, host):
    upgrade.begin(host, "live", NEW)
    upgrade.begin(host, "live", NEWER)
    assert (record(box)["pending"]["from"], record(box)["pending"]["to"]) == (OLD, NEWER)
    upgrade.begin(host, "live", OLD)
    assert record(box)["pending"] is None


def test_interrupted_between_note_and_switch_it_goes_on(box, host, systemd):
    upgrade.note(host, "live", NEW, again=False)
    runs(systemd, OLD)
    assert upgrade.judge(host, "live")[0] == upgrade.NOTHING
    assert here(box) == OLD
    upgrade.begin(host, "live", NEW)
    assert (here(box), record(box)["pending"]["from"]) == (NEW, OLD)


# --- the verdict ------------------------------------------------------------------------------------------


def test_before_its_start_it_only_waits(host, systemd):
    upgrade.begin(host, "live", NEW)
    systemd.state("ready", started="2026-11-25T14:00:00.000Z", **OLD)
    verdict, sentence = upgrade.judge(host, "live")
    assert verdict == upgrade.WAITS
    assert "10.37.1 → 10.45.1 is pending" in sentence


def test_ready_confirms_it_and_is_told(box, host, systemd):
    upgrade.begin(host, "live", NEW)
    runs(systemd, NEW)
    trial(box, ("ready", {}))
    assert upgrade.judge(host, "live")[0] == upgrade.GOOD
    assert record(box) == {"pending": None, "previous": OLD, "left": None}
    assert box.events()[-1]["type"] == "upgraded"
    assert upgrade.judge(host, "live")[0] == upgrade.NOTHING


@pytest.mark.parametrize(
    ("events", "state", "active", "end", "verdict"),
    [
        # still on its way
        ([], "starting", "activating", None, upgrade.WAITS),
        ([], "two_factor", "activating", None, upgrade.WAITS),
        ([("crashed", {})], "starting", "activating", None, upgrade.WAITS),
        # parked for what any release would have parked for
        ([], "parked", "failed", "consent", upgrade.WAITS),
        ([], "parked", "failed", "credentials_rejected", upgrade.WAITS),
        ([], "parked", "failed", "two_factor_missed", upgrade.WAITS),
        # the release itself
        ([("crashed", {})] * 2, "deferred", "activating", None, upgrade.BAD),
        ([("stuck", {"where": "resuming"})], "parked", "failed", "consent", upgrade.BAD),
        ([("crashed", {})] * 3, "parked", "failed", "budget", upgrade.BAD),
        ([], "parked", "failed", "unknown_dialog", upgrade.BAD),
        ([], "parked", "failed", "stuck_login_window", upgrade.BAD),
        ([], "failed", "failed", "java", upgrade.BAD),
    ],
)
def test_what_speaks_against_a_release(box, host, systemd, events, state, active, end, verdict):
    upgrade.begin(host, "live", NEW)
    systemd.set(active)
    runs(systemd, NEW, state, **({"end": {"code": 77, "reason": end}} if end else {}))
    trial(box, *events)
    assert upgrade.judge(host, "live")[0] == verdict


def test_a_token_that_ibkr_ended_is_not_the_releases_fault(box, host, systemd):
    write_events(box, ("2026-11-15 14:30", "starting", OLD), ("2026-11-15 14:30", "login_submitted", {}))
    write_events(box, ("2026-11-15 14:31", "ready", {}))
    upgrade.begin(host, "live", NEW)
    systemd.set("failed")
    runs(systemd, NEW, "parked", end={"code": 77, "reason": "consent"})
    trial(box, ("stuck", {"where": "resuming"}))
    assert upgrade.judge(host, "live")[0] == upgrade.WAITS


def test_too_late_is_a_failure_but_a_tap_may_take_its_time(host, systemd):
    upgrade.begin(host, "live", NEW)
    systemd.set("activating")
    runs(systemd, NEW, "two_factor")
    assert upgrade.judge(host, "live", in_time=False)[0] == upgrade.WAITS
    runs(systemd, NEW, "deferred")
    assert upgrade.judge(host, "live", in_time=False)[0] == upgrade.WAITS
    runs(systemd, NEW, "starting")
    assert upgrade.judge(host, "live", in_time=False)[0] == upgrade.BAD


def test_a_pause_after_a_failure_is_no_reason_to_wait_longer(box, host, systemd):
    upgrade.begin(host, "live", NEW)
    systemd.set("activating")
    runs(systemd, NEW, "deferred")
    trial(box, ("crashed", {}))
    assert upgrade.judge(host, "live")[0] == upgrade.WAITS
    assert upgrade.judge(host, "live", in_time=False)[0] == upgrade.BAD


# --- and back ---------------------------------------------------------------------------------------------


@pytest.fixture
def failed(box, host, systemd):
    """A release that parked at its first start."""
    upgrade.begin(host, "live", NEW)
    systemd.set("failed")
    runs(systemd, NEW, "parked", status="an unknown window", end={"code": 77, "reason": "unknown_dialog"})
    trial(box, ("unknown_dialog", {"title": "New terms"}))


def test_it_goes_back_restarts_tells_and_keeps_evidence(box, host, systemd, failed):
    systemd.calls.clear()
    verdict, sentence = upgrade.judge(host, "live")
    assert verdict == upgrade.BAD
    assert here(box) == OLD
    assert systemd.calls == [f"stop {UNIT}", f"reset-failed {UNIT}", f"start {UNIT}"]
    event = box.events()[-1]
    assert (event["type"], event["detail"]["to"]) == ("upgrade_failed", NEW)
    assert "an unknown window" in event["detail"]["text"]
    (folder,) = (box.state / "evidence").iterdir()
    kept = {file.name for file in folder.iterdir()}
    assert kept == {"journal.txt", "why.txt", "events.jsonl", "state.json"}
    assert str(folder) in sentence
    assert record(box)["left"]["versions"] == NEW
    assert upgrade.judge(host, "live")[0] == upgrade.NOTHING


def test_what_it_left_is_not_taken_up_again_by_itself(host, failed):
    upgrade.judge(host, "live")
    with pytest.raises(CtlError, match=r"has left IB Gateway 10\.45\.1"):
        upgrade.note(host, "live", NEW, again=False)
    assert upgrade.note(host, "live", NEW, again=True)


def test_going_back_may_be_interrupted_anywhere(box, host, systemd, failed, monkeypatch):
    for place in ("_keep_evidence", "manage"):
        with monkeypatch.context() as broken:
            broken.setattr(upgrade, place, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                upgrade.judge(host, "live")
    # What the interrupted one has stopped is not taken for stopped by its operator.
    systemd.state("stopped")
    systemd.calls.clear()
    assert upgrade.judge(host, "live")[0] == upgrade.BAD
    assert here(box) == OLD
    assert systemd.calls[-1] == f"start {UNIT}"


def test_what_the_operator_stopped_stays_stopped(box, host, systemd):
    upgrade.begin(host, "live", NEW)
    systemd.set("inactive")
    runs(systemd, NEW, "stopped")
    trial(box, ("crashed", {}), ("crashed", {}))
    systemd.calls.clear()
    assert upgrade.judge(host, "live")[0] == upgrade.BAD
    assert systemd.calls == []


def test_the_saved_session_comes_back_with_the_old_release(box, host, systemd):
    token = box.settings / "abc" / "autorestart"
    token.parent.mkdir()
    token.write_text("token")
    upgrade.begin(host, "live", NEW)
    settings_copy.make(instances.load(box.etc), settings_copy.due(instances.load(box.etc)))
    token.rename(token.with_name("autorestart.unused"))
    systemd.set("failed")
    runs(systemd, NEW, "parked", end={"code": 77, "reason": "consent"})
    trial(box, ("stuck", {"where": "resuming"}))
    assert "with its saved session" in upgrade.judge(host, "live")[1]
    assert token.read_text() == "token"


# --- by hand ----------------------------------------------------------------------------------------------


def test_rollback_needs_something_to_go_back_to(host):
    with pytest.raises(CtlError, match="no release to go back to"):
        upgrade.roll_back(host, "live")


def test_rollback_after_a_good_upgrade_is_a_change_like_another(box, host, systemd):
    upgrade.begin(host, "live", NEW)
    runs(systemd, NEW)
    trial(box, ("ready", {}))
    upgrade.judge(host, "live")
    assert "10.45.1 → 10.37.1" in upgrade.roll_back(host, "live")
    assert here(box) == OLD
    assert (record(box)["pending"]["from"], record(box)["left"]["versions"]) == (NEW, NEW)
    runs(systemd, OLD)
    write_events(box, ("2026-11-25 15:03", "starting", OLD), ("2026-11-25 15:03", "ready", {}))
    assert upgrade.judge(host, "live")[0] == upgrade.GOOD
    with pytest.raises(CtlError, match="rolled back by hand"):
        upgrade.note(host, "live", NEW, again=False)


def test_rollback_of_what_has_not_started_yet(box, host):
    upgrade.begin(host, "live", NEW)
    upgrade.roll_back(host, "live")
    assert here(box) == OLD
    assert record(box)["pending"] is None


def test_releases_in_use_stay(host, places):
    upgrade.begin(host, "live", NEWER)
    assert releases.prune(host, 1) == ["IB Gateway 10.45.1"]
    assert sorted(path.name for path in places["gateway_version"].iterdir()) == ["10.37.1", "10.46.1"]
    assert releases.prune(host, 1) == []


# --- the copy of the settings, and the command ------------------------------------------------------------


def test_the_copy_is_made_once_and_two_are_kept(box, host, now):
    (box.settings / "jts.ini").write_text("old")
    places = []
    for minute, versions in enumerate((NEW, NEWER, OLD)):
        now(f"2026-11-25 15:0{minute}")
        releases.write(instances.load(box.etc), {"pending": None})
        upgrade.begin(host, "live", versions)
        instance = instances.load(box.etc)
        places.append(settings_copy.due(instance))
        settings_copy.make(instance, places[-1])
        assert settings_copy.due(instance) is None
    assert [place.name for place in places] == [
        "20261125150000-10.37.1", "20261125150100-10.45.1", "20261125150200-10.46.1",
    ]  # fmt: skip
    assert settings_copy.kept(instance) == places[1:]
    assert (places[2] / "jts.ini").read_text() == "old"


def test_the_command_as_the_playbooks_use_it(box, host, capsys):
    arguments = ["--gateway-version", "10.45.1", "--ibc-version", "3.25.0", "--json"]
    for changed, old in ((True, OLD), (False, NEW)):
        assert ctl.main(["upgrade", "begin", "live", *arguments], box.etc.parent) == 0
        answer = json.loads(capsys.readouterr().out)
        assert (answer["changed"], answer["from"], answer["to"]) == (changed, old, NEW)
    assert ctl.main(["upgrade", "rollback", "live", "--json"], box.etc.parent) == 0
    answer = json.loads(capsys.readouterr().out)
    assert "10.45.1 → 10.37.1" in answer["text"]
    assert (answer["from"], answer["to"]) == (NEW, OLD)
    assert ctl.main(["upgrade", "prune", "--json"], box.etc.parent) == 0
    assert "to" not in json.loads(capsys.readouterr().out)


# --- waiting for the verdict ------------------------------------------------------------------------------


@pytest.fixture
def ticks(monkeypatch):
    """Each pause of the one who waits is a minute; what happens then is in the list."""
    happens: list = []
    clock = [0.0]

    def sleep(_: float) -> None:
        clock[0] += 60
        if happens:
            happens.pop(0)()

    monkeypatch.setattr(upgrade.time, "sleep", sleep)
    monkeypatch.setattr(upgrade.time, "monotonic", lambda: clock[0])
    return happens


def test_waiting_counts_from_the_start_on_and_ends_with_the_verdict(box, host, systemd, ticks):
    upgrade.begin(host, "live", NEW)
    systemd.set("activating")
    ticks += [lambda: None, lambda: (runs(systemd, NEW, "starting"), trial(box))]
    said: list[str] = []
    assert upgrade.wait(host, "live", 90, said.append) == 1
    assert "not ready in time" in said[0]
    assert here(box) == OLD


@pytest.mark.parametrize(("state", "active"), [("two_factor", "activating"), ("parked", "failed")])
def test_waiting_ends_where_it_is_up_to_the_operator(box, host, systemd, ticks, state, active):
    upgrade.begin(host, "live", NEW)
    systemd.set(active)
    runs(systemd, NEW, state, end={"code": 77, "reason": "consent"})
    trial(box)
    said: list[str] = []
    assert upgrade.wait(host, "live", 90, said.append) == 5
    assert "judged when it gets ready" in said[0]
    assert here(box) == NEW


def test_waiting_for_a_start_that_nobody_asked_for_ends(host, systemd, ticks):
    upgrade.begin(host, "live", NEW)
    runs(systemd, OLD, "ready")
    assert upgrade.wait(host, "live", 90, lambda _: None) == 5
