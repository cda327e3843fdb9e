"""status, schedule, help, completion and the documentation."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from ctl_stand_ins import ROOT, configure, write_events
from ibgatewaylib import ctl_codes, ctl_help, ctl_say, ctl_show

FILES = ROOT / "roles" / "ibc" / "files"
DOCS = (ROOT / "docs" / "ibgatewayctl.md").read_text()

HIDDEN = {"appointment", "upgrade"}
"""Commands for units and playbooks, of which no operator needs to know."""


def test_status(systemd, run):
    systemd.set("active", "running")
    systemd.state("ready", readback={"ReadOnlyApi": {"wanted": "yes", "found": "no", "ok": False}})
    code, out, _ = run("status", "live")
    assert code == 0
    assert "  login by consent, login budget: 3 left" in out
    assert "  next: daily restart Wed 25 Nov 17:15 America/New_York" in out
    assert "  differs: ReadOnlyApi is no, wanted is yes" in out


def test_status_before_the_weekly_login(box, systemd, run, now):
    now("2026-11-29 13:00")
    systemd.ready()
    assert "next: weekly login Sun 29 Nov 09:30 America/New_York" in run("status", "live")[1]
    configure(box, weekly_login="Sun 15:00 Europe/Zurich")
    assert "next: weekly login Sun 29 Nov 09:00 America/New_York" in run("status", "live")[1]
    configure(box, daily_restart="", weekly_login="")
    assert json.loads(run("status", "--json")[1])["instances"][0]["next_appointment"] is None


@pytest.mark.parametrize(("state", "status", "step"), [
    ("stopped", "stopped as asked", "`ibgatewayctl login live`"),
    ("stopped", "paused: the next start resumes without a login", "`ibgatewayctl start live`"),
    ("parked", "IB Key was not answered", "settle the cause, then `ibgatewayctl login live`"),
    ("ready", "ready", ""),
])  # fmt: skip
def test_next_step(state, status, step):
    told = {"instance": "live", "state": state, "status": status, "login": "consent"}
    assert ctl_show.next_step(told) == step


def test_status_deferred(systemd, run):
    systemd.set("activating", "start")
    systemd.state("deferred", "IBKR's servers reset", deferred_until="2026-11-25T07:00:00.000Z")
    assert (
        "deferred until Wed 25 Nov 02:00 America/New_York, then it goes on by itself"
        in run("status", "live")[1]
    )


def test_status_as_json(systemd, run):
    systemd.ready()
    [status] = json.loads(run("status", "--json")[1])["instances"]
    assert status["login"] == "consent"
    assert status["budget"]["left"] == 3
    assert status["next_appointment"] == {"kind": "restart", "at": "2026-11-25T22:15:00Z"}
    for key in ("consent", "deferred_until", "readback", "last_login", "link", "pending"):
        assert key in status


def test_schedule(run):
    code, out, _ = run("schedule", "live", "--zone", "Europe/Zurich")
    assert code == 0
    assert out.startswith("live: live, reset windows of america\n")
    assert "Europe/Zurich" in out
    assert "23:15" in out
    assert "weekly login: your tap" in out


def test_schedule_as_json(run):
    code, out, _ = run("schedule", "--days", "1", "--json")
    [schedule] = json.loads(out)["instances"]
    assert (code, schedule["region"]) == (0, "america")
    assert [entry["kind"] for entry in schedule["entries"]] == ["restart", "closed"]


def test_schedule_that_cannot_be_kept(box, run):
    configure(box, daily_restart="23:50")
    code, _, err = run("schedule")
    assert code == 1
    assert "meets the reset window" in err


def test_schedule_in_no_zone(run):
    code, _, err = run("schedule", "--zone", "Europe/Zurch")
    assert code == 2
    assert "Europe/Zurich" in err


@pytest.mark.parametrize("days", ["0", "x", "1000"])
def test_schedule_for_no_days(run, days):
    with pytest.raises(SystemExit) as stopped:
        run("schedule", "--days", days)
    assert stopped.value.code == 2


def test_errors_are_json_too(run):
    code, out, err = run("budget", "livee", "--json")
    assert (code, json.loads(out)["code"]) == (4, 4)
    assert "did you mean live?" in err


def test_log_as_json(box, tmp_path):
    import sys

    stand_in = tmp_path / "bin" / "journalctl"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\necho "$@"\n')
    stand_in.chmod(0o755)
    code = f"import sys; sys.path.insert(0, {str(FILES)!r})\nfrom pathlib import Path\n"
    code += (
        f"from ibgatewaylib.ctl import main\nmain(['log', 'live', '--json'], Path({str(box.etc.parent)!r}))"
    )
    env = {"PATH": f"{stand_in.parent}:{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "--output=json" in done.stdout


def test_events_of_the_appointments_are_shown(box, run):
    write_events(box, ("2026-11-29 14:30", "consent_needed", {"reason": "weekly_login"}))
    assert "consent_needed  reason=weekly_login" in run("events", "live")[1]


def commands() -> list[str]:
    [actions] = [
        action for action in ctl_help.build_parser()._actions if hasattr(action, "choices") and action.choices
    ]
    return list(actions.choices)


def test_every_command_teaches(capsys):
    for command in commands():
        with pytest.raises(SystemExit):
            ctl_help.build_parser().parse_args([command, "--help"])
        text = capsys.readouterr().out
        assert "--json" in text
        assert all(len(line) <= 100 for line in text.splitlines())
        if command not in HIDDEN:
            assert f"Examples:\n  ibgatewayctl {command}" in text


def test_top_help(capsys):
    with pytest.raises(SystemExit):
        ctl_help.build_parser().parse_args(["--help"])
    text = capsys.readouterr().out
    # Python before 3.13 puts the help of a long name on a line of its own.
    listed = re.findall(r"^    ([a-z-]+)(?: |$)", text, re.MULTILINE)
    assert listed == [command for command in commands() if command not in HIDDEN]
    assert all(f"{code:3}  {meaning}" in text for code, meaning in ctl_codes.MEANINGS.items())


def test_docs_name_every_command_option_and_exit_code():
    for command in commands():
        assert f"ibgatewayctl {command}" in DOCS, command
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", DOCS, re.MULTILINE)] == list(ctl_codes.MEANINGS)


def test_completion_knows_every_command_and_option(tmp_path):
    (tmp_path / "live").mkdir()
    (tmp_path / "paper").mkdir()
    parser = ctl_help.build_parser()
    [actions] = [action for action in parser._actions if hasattr(action, "choices") and action.choices]
    questions = [["ibgatewayctl", ""], ["ibgatewayctl", "login", ""]]
    questions += [["ibgatewayctl", command, "-"] for command in actions.choices if command not in HIDDEN]
    script = f"source {FILES}/ibgatewayctl.bash-completion\n"
    for words in questions:
        quoted = " ".join(f"'{word}'" for word in words)
        script += (
            f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _ibgatewayctl; echo "${{COMPREPLY[*]}}"\n'
        )
    env = {"PATH": os.environ["PATH"], "IBGATEWAY_ETC": str(tmp_path)}
    done = subprocess.run(["bash", "-eu", "-c", script], capture_output=True, text=True, check=True, env=env)
    top, names, *options = done.stdout.splitlines()
    assert set(top.split()) - {"--help"} == set(commands()) - HIDDEN
    assert sorted(names.split()) == ["live", "paper"]
    for words, answer in zip(questions[2:], options, strict=True):
        known = [option for action in actions.choices[words[1]]._actions for option in action.option_strings]
        longest = {option for option in known if option.startswith("--")}
        assert longest <= set(answer.split()), words


def test_teller_away_from_a_terminal(capsys):
    say = ctl_say.Teller()
    for seconds in range(5):
        say.progress(f"live: waiting for IB Key, {seconds}s")
    say.progress("live: ready")
    say.end()
    assert capsys.readouterr().out == "live: waiting for IB Key, 0s\nlive: ready\n"


def test_times_are_rounded_up():
    assert ctl_show.local_time("2026-11-25T20:59:01.000Z", "America/New_York").startswith("Wed 25 Nov 16:00")
    assert ctl_show.local_time("2026-11-25T21:00:00.000Z", "America/New_York").startswith("Wed 25 Nov 16:00")


@pytest.mark.parametrize("name", ["act", "vnc", "ibgatewayctl"])
def test_entry_points(name):
    done = subprocess.run([FILES / name], capture_output=True, text=True)
    assert "usage" in done.stderr
    assert os.access(Path(FILES / name), os.X_OK)
