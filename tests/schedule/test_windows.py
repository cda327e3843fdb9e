"""The windows' data: what ships, what an inventory may put in its place, and what it may not."""

import copy
import json
import tomllib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from ibgatewaylib.schedule import windows

RAW = tomllib.loads(windows.SHIPPED.read_text())
AMERICA = windows.shipped().region("america")


def minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])


def covered(entries: list[dict]) -> set[tuple[str, int]]:
    """The zone's minutes that windows hold, from their first to their last."""
    found = set()
    for entry in entries:
        start, end = minutes(entry["from"]), minutes(entry["to"])
        span = range(start, end if end > start else end + 1440)
        found |= {(entry["zone"], minute % 1440) for minute in span}
    return found


@pytest.mark.parametrize("region", windows.REGIONS)
def test_in_force_is_the_union_of_what_was_published(region):
    tables = [covered(table[region]) for table in RAW["published"]]
    assert len(tables) == 2
    assert covered(RAW["daily"][region]) == tables[0] | tables[1]


@pytest.mark.parametrize(
    ("instant", "end"),
    [
        ("2026-11-24T04:29:59", None),
        ("2026-11-24T04:30:00", "2026-11-24T07:00:00"),
        ("2026-11-24T06:59:59", "2026-11-24T07:00:00"),
        ("2026-11-24T07:00:00", None),
        # Friday's window and the weekend's are one.
        ("2026-11-28T03:45:00", "2026-11-28T08:15:00"),
        ("2026-11-28T08:15:00", None),
    ],
)
def test_when_logins_and_restarts_may_start(instant, end):
    moment = datetime.fromisoformat(instant).replace(tzinfo=UTC)
    until = datetime.fromisoformat(end).replace(tzinfo=UTC) if end else None
    assert AMERICA.window_end(moment) == until
    assert AMERICA.is_in_window(moment) == (until is not None)
    assert AMERICA.next_allowed(moment) == (until or moment)
    assert (AMERICA.open_window(moment) is not None) == (until is not None)
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert AMERICA.window_end(elsewhere) == until


def test_the_open_window_is_named():
    moment = datetime(2026, 11, 24, 5, tzinfo=UTC)
    assert str(AMERICA.open_window(moment)) == "23:45-01:45 America/New_York"
    saturday = datetime(2026, 11, 28, 8, tzinfo=UTC)
    assert str(AMERICA.open_window(saturday)) == "Fri 23:00 to Sat 03:00 America/New_York"


def test_overlapping_windows_end_together():
    # In summer 16:45-17:45 New York and 04:45-06:05 Hong Kong are one.
    asia = windows.shipped().region("asia")
    assert asia.window_end(datetime(2026, 7, 1, 20, 35, tzinfo=UTC)) == datetime(
        2026, 7, 1, 22, 20, tzinfo=UTC
    )


def test_the_weekend_is_quiet_but_not_closed():
    for instant, quiet, closed in (
        (datetime(2026, 11, 28, 3, 44, tzinfo=UTC), False, False),
        (datetime(2026, 11, 28, 3, 45, tzinfo=UTC), True, True),
        (datetime(2026, 11, 28, 20, 0, tzinfo=UTC), True, False),
        (datetime(2026, 11, 29, 6, 59, tzinfo=UTC), True, True),
        (datetime(2026, 11, 29, 7, 0, tzinfo=UTC), False, False),
        (datetime(2026, 11, 25, 5, 0, tzinfo=UTC), True, True),
    ):
        assert (AMERICA.is_quiet(instant), AMERICA.is_in_window(instant)) == (quiet, closed)


def test_an_instant_needs_a_zone():
    with pytest.raises(ValueError, match="needs a time zone"):
        AMERICA.is_in_window(datetime(2026, 1, 1))


def test_old_data_is_told():
    loaded = windows.parse({**RAW, "checked_on": "2026-01-01"})
    assert loaded.age_warning(date(2026, 6, 30)) == ""
    assert loaded.age_warning(date(2026, 7, 1)) == (
        "The reset windows were compared with IBKR's system status page 181 days ago (2026-01-01): compare "
        "them again, then set ibc_reset_windows with today's date as checked_on."
    )
    assert "3 days in the future" in loaded.age_warning(date(2025, 12, 29))


def test_old_data_warns_and_still_compiles(compiled):
    old = windows.parse({**RAW, "checked_on": "2025-01-01"})
    assert "365 days ago" in compiled(windows=old).warnings[0]
    fresh = windows.parse({**RAW, "checked_on": "2025-12-31"})
    assert compiled(windows=fresh).warnings == ()


def test_replaced_data_counts(compiled, refusal, tmp_path):
    data = copy.deepcopy({**RAW, "checked_on": "2026-01-01"})
    del data["published"]
    data["daily"]["america"] = [{"zone": "America/Chicago", "from": "16:00", "to": "16:45"}]
    file = tmp_path / "reset_windows.json"
    file.write_text(json.dumps(data))
    replaced = windows.load(file)
    assert "16:00-16:45 America/Chicago" in refusal(windows=replaced)
    schedule = compiled(windows=replaced, daily_restart="22:00")
    assert schedule.reset_check == ("*-*-* 17:05:00 America/Chicago", "Sat *-*-* 03:20:00 America/New_York")


def changed(path: str, value: object) -> dict:
    data = json.loads(json.dumps(RAW, default=str))
    target = data
    *parents, last = path.split(".")
    for key in parents:
        target = target[int(key) if key.isdigit() else key]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return data


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "ibc_reset_windows must be a mapping with checked_on, daily, weekend: see reset_windows.toml"),
        (changed("checked_on", None), "ibc_reset_windows lacks checked_on"),
        (changed("checked_on", "yesterday"), "checked_on must be a date such as 2026-11-24, not 'yesterday'"),
        (changed("daily.europe", None), "daily lacks europe"),
        (changed("daily.africa", []), "daily has an unknown key africa: use america, europe, asia"),
        (changed("daily.europe", []), "daily.europe must be a list of windows"),
        (changed("daily.europe", "05:45-07:45"), "daily.europe must be a list of windows"),
        (changed("daily.europe.0.zone", "CET"), "daily.europe[0].zone must be the full name of a time zone"),
        (changed("daily.europe.0.from", "25:61"), "daily.europe[0].from must be a time from 00:00 to 23:59"),
        (changed("daily.europe.0.to", 465), 'to must be a time from 00:00 to 23:59, not 465: write "23:45"'),
        (
            changed("daily.europe.0.to", "05:00"),
            "daily.europe[0] lasts 23.2 hours, and a daily window 6 at most",
        ),
        (changed("daily.europe.0.until", "05:00"), "daily.europe[0] has an unknown key until"),
        (changed("weekend.closed", None), "weekend lacks closed"),
        (
            changed("weekend.closed.from", "23:00"),
            "weekend.closed.from must be a day and a time, not '23:00'",
        ),
        (changed("weekend.closed.to", "Sat 27:00"), "weekend.closed.to must be a time from 00:00 to 23:59"),
        (changed("weekend.quiet.to", "Thu 02:00"), "weekend.quiet must end after it begins"),
        (changed("windows", {}), "ibc_reset_windows has an unknown key windows"),
    ],
)
def test_broken_data_is_refused(data, said):
    with pytest.raises(windows.BadWindowsError) as refused:
        windows.parse(data)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("w.toml", "checked_on = ", "is damaged"),
        ("w.json", "{", "is damaged"),
        ("w.json", "[]", "must be a mapping"),
        ("w.json", "\udcff", "is damaged"),
        ("missing.json", None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_broken_file_is_named(tmp_path, name, content, said):
    file = tmp_path / name
    if content is not None:
        file.write_text(content, errors="surrogateescape")
    with pytest.raises(windows.BadWindowsError) as refused:
        windows.load(file)
    assert str(refused.value).startswith(str(file))
    assert said in str(refused.value)
