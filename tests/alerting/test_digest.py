"""The digest: a week in numbers, in words, and as a picture that is put into the outbox."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from zoneinfo import ZoneInfo

import pytest
from alerting_tools import channel
from ibgateway_alerting.digest import main as program
from ibgateway_alerting.digest import week, words
from ibgateway_alerting.digest.week import InstanceWeek
from ibgateway_alerting.model import HOST, Incident
from ibgateway_alerting.store import Store
from ibgatewaylib.events import timestamp
from ibgatewaylib.schedule import windows
from ibgatewaylib.timeline import DOWN, LOGIN, PARKED, READY, RESTART, STOPPED, UNKNOWN, Span

GOLDEN = Path(__file__).parent / "golden"
END = datetime(2026, 11, 29, 17, 0, tzinfo=UTC).timestamp()
"""Sunday 18:00 in Zurich."""
HOUR, DAY = 3600.0, 86400.0
SUNDAY = datetime(2026, 11, 22, 14, 30, tzinfo=UTC).timestamp()


def at(day: int, clock: str) -> float:
    """An instant of November 2026, in UTC."""
    return datetime.fromisoformat(f"2026-11-{day:02d}T{clock}+00:00").timestamp()


def login(moment: float, answered: float | None = 14.0) -> list[tuple[float, str, dict]]:
    """A full login, from its start to ready or to the push that was missed."""
    begun = [
        (moment, "starting", {"resumes": False}),
        (moment + 8, "login_submitted", {"attempt": 1}),
        (moment + 12, "two_factor_waiting", {"seconds": 180}),
    ]
    if answered is None:
        return [*begun, (moment + 192, "two_factor_missed", {}), (moment + 193, "parked", {"reason": "x"})]
    pushed = moment + 12
    return [
        *begun,
        (pushed + answered, "two_factor_answered", {}),
        (pushed + answered + 9, "ready", {}),
    ]


def restart(moment: float, takes: float = 55.0) -> list[tuple[float, str, dict]]:
    """A daily restart by the token."""
    return [
        (moment, "restart_planned", {"kind": "soft"}),
        (moment + 5, "starting", {"resumes": True}),
        (moment + 9, "token_restart", {}),
        (moment + takes, "ready", {}),
    ]


def cycle(moment: float) -> list[tuple[float, str, dict]]:
    """Paper's daily stop and start."""
    return [
        (moment, "stopping", {}),
        (moment + 20, "stopped", {}),
        (moment + 180, "starting", {"resumes": False}),
        (moment + 190, "login_submitted", {}),
        (moment + 230, "ready", {}),
    ]


LIVE = [
    *login(SUNDAY - 7 * DAY),
    *login(SUNDAY, answered=21.0),
    *(event for day in range(23, 29) for event in restart(at(day, "22:15"))),
    (at(25, "03:12"), "crashed", {"exit_code": 1}),
    (at(25, "03:12:04"), "starting", {"resumes": True}),
    (at(25, "03:12:09"), "token_restart", {}),
    (at(25, "03:19"), "ready", {}),
    (at(26, "13:00"), "session_taken", {}),
    (at(26, "13:00:03"), "parked", {"reason": "session_taken"}),
    *login(at(26, "17:40"), answered=33.0),
    (at(29, "14:30"), "consent_needed", {"reason": "weekly_login"}),
    *login(at(29, "14:52"), answered=None),
    *login(at(29, "15:05"), answered=14.0),
]
"""Not in order, as after a clock that was set."""
PAPER = [
    *login(SUNDAY - 9 * DAY),
    *(event for day in range(21, 30) for event in cycle(at(day, "16:30"))),
    (at(27, "09:00"), "stopped", {}),
    (at(27, "15:00"), "starting", {"resumes": False}),
    (at(27, "15:00:40"), "ready", {}),
]
INCIDENTS = [
    Incident("live", "crashed", "critical", at(25, "03:12"), told=1.0, resolved=at(25, "03:19")),
    Incident("live", "session_taken", "action", at(26, "13:00"), told=1.0, resolved=at(26, "17:41")),
    Incident("live", "link_lost", "warning", at(24, "11:00"), told=1.0, resolved=at(24, "11:09")),
    Incident("live", "login", "action", at(29, "14:30"), told=1.0, resolved=at(29, "15:06")),
    Incident("live", "farm_down", "warning", at(23, "11:00"), told=None, resolved=at(23, "11:01")),
    Incident(HOST, "disk_full", "critical", at(28, "20:00"), told=1.0),
]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch):
    """The program sets up this process's log; these tests read it as pytest does."""
    monkeypatch.setattr(program, "log_to_journal", lambda: None)


@pytest.fixture
def host(make_settings, store, tmp_path):
    """A host with a week behind it."""
    chosen = make_settings(channels=(channel(), channel("mail", kind="apprise", after_minutes=15)))
    for name, events in (("live", LIVE), ("paper", PAPER)):
        lines = [
            json.dumps({"time": timestamp(moment), "instance": name, "type": kind, "detail": detail})
            for moment, kind, detail in events
        ]
        # Rotated, and with a damaged line.
        folder = tmp_path / "var" / name
        (folder / "events.jsonl.1").write_text("\n".join(lines[:9]) + "\n")
        (folder / "events.jsonl").write_text("\n".join(["{half", *lines[9:]]) + "\n")
    with store.transaction():
        for one in INCIDENTS:
            store.save_incident(Incident(**{**vars(one), "detail": {}}))
    return chosen


# --- numbers ---


def test_the_spans_leave_no_gap(host, store):
    for one in week.of(host, store, END).instances:
        assert (one.spans[0].start, one.spans[-1].end) == (END - week.WEEK, END)
        for before, after in itertools.pairwise(one.spans):
            assert before.end == after.start
            assert before.state != after.state


def test_the_numbers_of_a_week(host, store):
    live, paper = week.of(host, store, END).instances
    assert (live.token_restarts, live.logins, live.pushes, live.missed) == (7, 2, 3, 1)
    assert live.approvals == (33.0, 14.0)
    assert live.approve == 23.5
    assert (paper.logins, paper.token_restarts, paper.pushes) == (7, 0, 0)
    assert round(live.seconds(DOWN)) == 7 * 60 + 3
    assert round(live.seconds(PARKED) / HOUR, 1) == 4.8
    assert round(paper.seconds(STOPPED) / HOUR) == 6
    assert live.uptime == pytest.approx(live.seconds(READY) / week.WEEK)
    assert paper.uptime == pytest.approx(paper.seconds(READY) / (week.WEEK - paper.seconds(STOPPED)))


def test_the_next_appointments(host, store):
    live, paper = week.of(host, store, END).instances
    assert live.appointments["login"] == END + 7 * DAY - 2.5 * HOUR
    assert set(paper.appointments) == {"restart"}


def test_the_windows_of_the_region_that_hosts_the_account(host, store):
    shipped = windows.shipped()
    start, end = int(END - week.WEEK), int(END)
    assert week.of(host, store, END).instances[0].windows == tuple(
        shipped.region("america").closures(start, end)
    )
    with store.transaction():
        store.remember("view:live", {"region": "europe"})
    live, paper = week.of(host, store, END).instances
    assert live.windows == tuple(shipped.region("europe").closures(start, end))
    assert paper.windows == tuple(shipped.region("america").closures(start, end))


def test_only_what_was_told_and_had_begun_is_an_incident(host, store):
    kinds = [one.kind for one in week.of(host, store, END).incidents]
    assert kinds == ["crashed", "session_taken", "link_lost", "disk_full"]
    assert [one.kind for one in week.of(host, store, at(28, "19:00")).incidents] == kinds[:3]


def test_an_instance_that_cannot_be_read_spoils_nothing(host, store, tmp_path):
    (tmp_path / "etc" / "paper" / "instance.toml").write_text("name = ")
    live, paper = week.of(host, store, END).instances
    assert live.uptime
    assert (paper.uptime, "run the playbook" in paper.problem) == (None, True)


def test_a_new_host_has_a_week_of_nothing(make_settings, store):
    found = week.of(make_settings(), store, END)
    assert [one.uptime for one in found.instances] == [None, None]
    assert [span.state for one in found.instances for span in one.spans] == [UNKNOWN, UNKNOWN]
    assert "nothing is known ready, 0 taps" in words.message(found, make_settings()).title


# --- words ---


def test_the_words_in_full(host, store):
    message = words.message(week.of(host, store, END), host)
    text = f"{message.title}\n\n{message.body}\n"
    file = GOLDEN / "digest.week.txt"
    if os.environ.get("WRITE_GOLDEN"):
        file.write_text(text)
    assert text == file.read_text()
    assert message.severity == "info"


def test_many_incidents_are_counted(host, store):
    with store.transaction():
        for number in range(4):
            store.save_incident(
                Incident("paper", "crashed", "critical", END - 100 * number - 50, told=1.0, resolved=END)
            )
    assert "- and 3 more: sudo ibgatewayctl incidents" in words.message(week.of(host, store, END), host).body


@pytest.mark.parametrize(
    ("part", "said"),
    [(1, "100 %"), (0.999999, "99.99 %"), (0.9995, "99.95 %"), (0.98765, "98.8 %"), (0, "0.0 %")],
)
def test_never_100_percent_when_it_was_less(part, said):
    assert words.percent(part) == said


# --- the picture ---


@pytest.fixture
def picture() -> ModuleType:
    """What draws; not imported above, where its libraries would cost every process that collects tests."""
    return importlib.import_module("ibgateway_alerting.digest.picture")


def size(file: Path) -> tuple[int, int]:
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:24])


def colours(file: Path) -> dict[tuple[int, int, int], int]:
    """How many pixels have each colour."""
    from matplotlib.image import imread

    counted: dict[tuple[int, int, int], int] = {}
    for row in (imread(file)[:, :, :3] * 255).round().astype(int).tolist():
        for pixel in map(tuple, row):
            counted[pixel] = counted.get(pixel, 0) + 1
    return counted


def rgb(text: str) -> tuple[int, int, int]:
    return tuple(int(text[place : place + 2], 16) for place in (1, 3, 5))


def test_the_picture_shows_every_state_of_the_week(host, store, tmp_path, picture):
    found = week.of(host, store, END)
    file = tmp_path / "week.png"
    picture.draw(found, "vps1", host.zone, file)
    width, height = size(file)
    assert width == 1200
    assert 350 <= height <= 600
    assert file.stat().st_size < 200_000
    seen = colours(file)
    for state in (READY, RESTART, LOGIN, STOPPED):
        assert seen.get(rgb(picture.LOOKS[state][0]), 0) > 30, state
    # A minute of restart is drawn wide enough to be seen: six of them, and paper's seven.
    assert seen[rgb(picture.LOOKS[RESTART][0])] > 13 * 40
    assert seen.get(rgb(picture.WINDOW), 0) > 500


@pytest.mark.parametrize("count", [0, 1, 4])
def test_the_picture_grows_with_the_instances(tmp_path, count, picture):
    rows = tuple(
        InstanceWeek(f"live{number}", spans=(Span(END - DAY * 7, END, READY),)) for number in range(count)
    )
    file = tmp_path / "week.png"
    picture.draw(week.Week(END - DAY * 7, END, rows, ()), "vps1", ZoneInfo("UTC"), file)
    assert size(file) == (1200, round((2.05 + 1.15 * max(1, count)) * 100))


@pytest.mark.parametrize(("zone", "day", "hours"), [("Europe/Zurich", 25, 25), ("America/New_York", 1, 25)])
def test_days_begin_at_the_readers_midnight_also_when_the_clock_changes(zone, day, hours, picture):
    month = 10 if zone.startswith("Europe") else 11
    start = datetime(2026, month, day, tzinfo=ZoneInfo(zone)).timestamp() - 3 * DAY
    days = picture.midnights(start, start + 7 * DAY, ZoneInfo(zone))
    assert [round((b - a) / HOUR) for a, b in itertools.pairwise(days)].count(hours) == 1
    assert all(datetime.fromtimestamp(one, ZoneInfo(zone)).hour == 0 for one in days)


# --- the program ---


def write_config(chosen, path: Path) -> Path:
    lines = [
        f"{key} = {json.dumps(str(value) if isinstance(value, Path) else value)}"
        for key, value in vars(chosen).items()
        if key != "channels"
    ]
    for one in chosen.channels:
        lines += ["[[channels]]", *(f"{key} = {json.dumps(value)}" for key, value in vars(one).items())]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture
def config(host, tmp_path) -> Path:
    return write_config(host, tmp_path / "config.toml")


def test_the_digest_is_queued_with_its_picture(config, host, capsys):
    assert program.main(config, [], lambda: END) == 0
    assert capsys.readouterr().out == "digest queued for phone\n"
    store = Store(host.database)
    (queued,) = store.waiting("phone")
    assert store.waiting("mail") == []
    store.close()
    file = Path(queued.message.attachment)
    assert (queued.incident, queued.mode) == (None, "send")
    assert size(file)[0] == 1200
    assert file.parent == host.database.parent / "pictures"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [one.name for one in file.parent.iterdir()] == ["week-2026-11-29-180000.png"]


def test_old_pictures_go(config, host):
    folder = host.database.parent / "pictures"
    folder.mkdir()
    for name, age in (
        ("week-2026-01-01.png", 61),
        ("draft.new", 61),
        ("week-2026-11-01.png", 59),
        ("note.txt", 99),
    ):
        (folder / name).touch()
        os.utime(folder / name, (END - age * DAY, END - age * DAY))
    assert program.main(config, [], lambda: END) == 0
    assert sorted(file.name for file in folder.iterdir()) == [
        "note.txt", "week-2026-11-01.png", "week-2026-11-29-180000.png",
    ]  # fmt: skip


def test_by_hand_it_draws_and_prints_and_sends_nothing(config, host, tmp_path, capsys):
    out = tmp_path / "out.png"
    assert program.main(config, ["--now", "2026-11-29T17:00Z", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("[info] vps1: The week: live ")
    assert f"picture: {out}" in said
    assert size(out)[0] == 1200
    store = Store(host.database)
    assert store.backlog() == {}
    store.close()
    assert not (host.database.parent / "pictures").exists()


def test_without_a_picture_the_words_go_out(config, host, monkeypatch, caplog, picture):
    def fail(*_: object) -> None:
        raise MemoryError("no")

    monkeypatch.setattr(picture, "draw", fail)
    assert program.main(config, [], lambda: END) == 0
    store = Store(host.database)
    assert store.waiting("phone")[0].message.attachment == ""
    store.close()
    assert "the week cannot be drawn" in caplog.text


def test_a_folder_that_cannot_be_written_is_one_sentence(config, tmp_path, caplog):
    assert program.main(config, ["--out", str(tmp_path / "gone" / "out.png")], lambda: END) == 1
    assert len(caplog.records) == 1


@pytest.mark.parametrize("arguments", [["--now", "yesterday"], ["--week"], ["extra"]])
def test_wrong_arguments(config, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        program.main(config, arguments)
    assert ended.value.code == 2
    assert "usage: ibgateway-digest" in capsys.readouterr().err


def test_a_wrong_configuration(tmp_path, caplog):
    (tmp_path / "config.toml").write_text("host = 7")
    assert program.main(tmp_path / "config.toml", []) == 78
    assert "run the playbook" in caplog.text
