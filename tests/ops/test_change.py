"""Upgrade, rollback, backup, restore and bundle: what reaches the playbooks, what is said at the end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from stand_in import LOCAL, call, kept

from scripts.lib import (
    ops_backup,
    ops_bundle,
    ops_playbook,
    ops_restore,
    ops_rollback,
    ops_upgrade,
    renewed,
    run_view,
    runner,
)
from scripts.lib.refused import Refused

ROOT = Path(__file__).resolve().parents[2]
WAITS = "live: restart pending (IB Gateway 10.37.1 → 10.45.1): by itself at the daily restart"
LEFT = "live: left IB Gateway 10.45.1 (it crashed) for IB Gateway 10.37.1"
ROWS = [
    {"instance": "live", "outcome": "waits", "at": "2026-11-24T22:15:00Z", "text": WAITS},
    {"instance": "paper", "outcome": "unchanged", "at": None, "text": "paper: IB Gateway 10.45.1, as before"},
]


def play(name: str, *tasks: dict[str, Any]) -> None:
    """Write a playbook that first says which of its variables it was given."""
    given = {"name": "Given", "ansible.builtin.debug": {"msg": "{{ lookup('vars', 'ops', default='') }}"}}
    names = (
        "instance version ibc_version ibgateway_restart ibgateway_force wait_seconds backup_directory "
        "backup restore_force bundle_directory"
    )
    given["vars"] = {
        "ops": "{% for name in '"
        + names
        + "'.split() if name in vars %}{{ name }}={{ vars[name] }} {% endfor %}"
    }
    text = [{"hosts": "gateways", "gather_facts": False, "tasks": [given, *tasks]}]
    Path("playbooks", name).write_text(yaml.safe_dump(text, sort_keys=False))


def debug(name: str, *lines: str) -> dict[str, Any]:
    return {"name": name, "ansible.builtin.debug": {"msg": list(lines)}}


def fact(name: str, value: Any) -> dict[str, Any]:
    return {"name": "Keep it", "ansible.builtin.set_fact": {name: value}}


def prints(name: str, value: Any) -> dict[str, Any]:
    # No module, which would be a process of Python's on the host.
    command = f"echo {shlex.quote(json.dumps(value))}"
    return {"name": name, "ansible.builtin.raw": command, "changed_when": False}


def insist(fail_msg: str, name: str = "Insist") -> dict[str, Any]:
    that = {"that": "inventory_hostname != bad | default('')", "fail_msg": fail_msg, "quiet": True}
    return {"name": name, "ansible.builtin.assert": that}


def given(document: dict[str, Any], host: str = "a") -> dict[str, str]:
    words = " ".join(document["hosts"][host]["said"].get("Given", []))
    return dict(word.split("=") for word in words.split())


WRITE = {
    "name": "Install",
    "write": {"content": "x", "dest": "{{ playbook_dir }}/{{ inventory_hostname }}"},
}


@pytest.mark.usefixtures("project")
def test_upgrade_tells_of_each_instance_and_passes_everything_on(capsys: pytest.CaptureFixture[str]) -> None:
    row = [{"instance": "live", "outcome": "left", "at": None, "text": LEFT}]
    rows = f"{{{{ {row!r} if inventory_hostname == bad | default('') else {ROWS!r} }}}}"
    play("upgrade.yml", WRITE, fact(renewed.FACT, rows), insist(LEFT))
    words = ["live", "paper", "--version", "10.45.1", "--ibc-version", "3.25.0", "--now", "--wait", "60"]
    assert call(ops_upgrade, *words, "--force", "-e", "bad=b") == 4
    shown = capsys.readouterr().out
    end = shown[shown.index("a  ok, ") :].splitlines()
    # Why b failed is said once.
    assert end[:4] == [
        "a  ok, 1 changed",
        f"b  FAILED: Insist: {LEFT}",
        f"a: {WAITS}",
        "a: paper: IB Gateway 10.45.1, as before",
    ]
    assert end[4].startswith("Log: ")
    document = kept(shown)
    assert given(document) == {
        "instance": "live,paper",
        "version": "10.45.1",
        "ibc_version": "3.25.0",
        "ibgateway_restart": "now",
        "ibgateway_force": "True",
        "wait_seconds": "60",
    }
    assert document["hosts"]["a"]["instances"] == ROWS
    assert document["hosts"]["b"]["instances"] == row


@pytest.mark.usefixtures("project")
def test_a_preview_of_an_upgrade_changes_nothing_and_counts_what_waits(
    capsys: pytest.CaptureFixture[str],
) -> None:
    play("upgrade.yml", WRITE, fact(renewed.FACT, ROWS))
    assert call(ops_upgrade, "--preview", "--limit", "a") == 3
    shown = capsys.readouterr().out
    place = Path("playbooks/a").absolute()
    assert f"a: 1 change\n  the host\n    Install: {place}\n  {WAITS}\n  paper: " in shown
    assert not place.exists()
    assert given(kept(shown)) == {}


@pytest.mark.parametrize(("rows", "code"), [(ROWS, 3), (ROWS[1:], 0)], ids=["waits", "nothing left"])
def test_a_preview_counts_what_only_the_next_start_changes(
    rows: list[Any],
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    installed = runner.HostResult(ok=9, facts={renewed.FACT: rows})
    result = runner.Result({"a": installed}, 0, tmp_path / "log")
    monkeypatch.setattr(ops_playbook, "run", lambda *_, **__: result)
    assert call(ops_upgrade, "--preview", "--json") == code
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["hosts"]["a"]["changed"]) == (code, 0)
    assert document["hosts"]["a"]["instances"] == rows


@pytest.mark.parametrize("seconds", ["0", "-5", "soon"])
def test_a_wait_that_is_no_number_of_seconds_is_usage(
    seconds: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        call(ops_upgrade, f"--wait={seconds}")
    assert ended.value.code == 2
    assert "is not a number of seconds" in capsys.readouterr().err


@pytest.mark.usefixtures("project")
def test_rollback_needs_a_name_and_says_what_to_do_with_the_inventory(
    capsys: pytest.CaptureFixture[str],
) -> None:
    advice = "Name these versions in the inventory."
    play("rollback.yml", fact(renewed.FACT, ROWS[:1]), debug(ops_rollback.SAYS, "live: back", advice))
    with pytest.raises(Refused, match="say which instance goes back"):
        call(ops_rollback, "--now")
    assert not Path("runs").exists()
    assert call(ops_rollback, "live", "--now", "--limit", "a") == 0
    shown = capsys.readouterr().out
    assert f"\na  ok, nothing changed\na: {WAITS}\na: {advice}\nLog: " in shown
    document = kept(shown)
    assert given(document) == {"instance": "live", "ibgateway_restart": "now"}
    assert document["hosts"]["a"]["instances"] == ROWS[:1]


@pytest.mark.usefixtures("project")
def test_backup_tells_file_size_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    made = {"file": "/srv/a.tar.gz", "size": 10598, "sha256": "3bff", "instances": ["live"]}
    told = "/srv/a.tar.gz: live, 23 files, 10.35 KB, sha256 3bff"
    play("backup.yml", insist("No room."), fact(ops_backup.FACT, made), debug(ops_backup.TELLS, told))
    assert call(ops_backup, "--directory", "there", "-e", "bad=b") == 4
    shown = capsys.readouterr().out
    end = f"\na  ok, nothing changed\nb  FAILED: Insist: No room.\na: {told}\nLog: "
    assert end in shown
    document = kept(shown)
    assert given(document) == {"backup_directory": str(Path("there").absolute())}
    assert document["hosts"]["a"]["backup"] == made
    assert document["hosts"]["b"]["backup"] is None


@pytest.mark.usefixtures("project")
def test_restore_tells_where_the_older_data_is(capsys: pytest.CaptureFixture[str]) -> None:
    there = "What was there before: /var/lib/ibgateway/live.before-restore-1"
    made = {"restored": ["live"], "kept": ["/var/lib/ibgateway/live.before-restore-1"]}
    play(
        "restore.yml",
        {
            "name": ops_restore.CHECKS,
            "ansible.builtin.assert": {"that": "ansible_play_hosts_all | length == 1", "quiet": True},
        },
        prints(ops_restore.RESTORES, made),
        debug(ops_restore.TELLS, "live: as on a", there),
    )
    with pytest.raises(Refused, match=r"the backup b\.tar\.gz is not there"):
        call(ops_restore, "b.tar.gz", "--limit", "a")
    assert not Path("runs").exists()
    Path("b.tar.gz").touch()
    assert call(ops_restore, "b.tar.gz", "live", "--force", "--limit", "a") == 0
    shown = capsys.readouterr().out
    assert f"\na  ok, nothing changed\na: live: as on a\na: {there}\nLog: " in shown
    document = kept(shown)
    archive = str(Path("b.tar.gz").absolute())
    assert given(document) == {"backup": archive, "instance": "live", "restore_force": "True"}
    assert document["hosts"]["a"]["restore"] == made
    # Two hosts are a refusal of the command.
    assert call(ops_restore, "b.tar.gz") == 1
    refused = capsys.readouterr()
    assert refused.err == "ERROR: a backup goes to one host, and there are a, b: add --limit HOST\n"
    assert kept(refused.out)["hosts"]["a"]["restore"] is None


def test_one_host_alone_that_refuses_a_backup_did_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "b.tar.gz").touch()
    failed = runner.Task(ops_restore.CHECKS, "failed", reason="It is of a newer release.")
    result = runner.Result({"a": runner.HostResult(failed=1, tasks=[failed])}, 2, tmp_path / "log")
    monkeypatch.setattr(ops_playbook, "run", lambda *_, **__: result)
    assert call(ops_restore, str(tmp_path / "b.tar.gz"), "--limit", "a") == 4
    shown = capsys.readouterr()
    assert f"a  FAILED: {ops_restore.CHECKS}: It is of a newer release." in shown.out
    assert shown.err == ""


@pytest.mark.usefixtures("project")
def test_bundle_tells_the_path(capsys: pytest.CaptureFixture[str]) -> None:
    made = {"file": "/var/tmp/b.tar.gz", "members": ["doctor.txt"], "missing": {}, "redacted": {}}
    play(
        "support_bundle.yml",
        prints(ops_bundle.MAKES, made),
        fact(ops_bundle.FACT, "/srv/a.tar.gz"),
        insist("It did not arrive."),
        debug(ops_bundle.TELLS, "/srv/a.tar.gz: 1 files"),
    )
    assert call(ops_bundle, "--directory", "there", "-e", "bad=b") == 4
    shown = capsys.readouterr().out
    assert "\na: /srv/a.tar.gz: 1 files\nLog: " in shown
    document = kept(shown)
    assert given(document) == {"bundle_directory": str(Path("there").absolute())}
    assert document["hosts"]["a"]["bundle"] == made | {"file": "/srv/a.tar.gz"}
    assert document["hosts"]["b"]["bundle"] is None


def test_an_interrupted_rollback_is_not_simply_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = runner.Result({}, 254, tmp_path / "log", interrupted=True)
    monkeypatch.setattr(ops_playbook, "run", lambda *_, **__: result)
    assert call(ops_rollback, "live") == 130
    said = capsys.readouterr().err
    assert "another rollback takes it forward again" in said
    assert "goes on from there" not in said
    assert call(ops_upgrade) == 130
    assert "goes on from there" in capsys.readouterr().err


# What the verbs read of the playbooks, and what the playbooks promise of a fleet.


def names(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield str(node.get("name"))
        for value in node.values():
            yield from names(value)
    elif isinstance(node, list):
        for value in node:
            yield from names(value)


@pytest.mark.parametrize(
    ("playbook", "tasks"),
    [
        ("rollback.yml", [ops_rollback.SAYS]),
        ("backup.yml", [ops_backup.TELLS]),
        ("restore.yml", [ops_restore.CHECKS, ops_restore.RESTORES, ops_restore.TELLS]),
        ("support_bundle.yml", [ops_bundle.MAKES, ops_bundle.TELLS]),
    ],
)
def test_the_playbooks_have_the_tasks_that_the_verbs_read(playbook: str, tasks: list[str]) -> None:
    found = set(names(yaml.safe_load((ROOT / "playbooks" / playbook).read_text())))
    assert set(tasks) <= found


@pytest.mark.parametrize(
    ("file", "fact"),
    [
        ("roles/ibc/tasks/renewed.yml", renewed.FACT),
        ("roles/ibc/tasks/would_renew.yml", renewed.FACT),
        ("playbooks/backup.yml", ops_backup.FACT),
        ("playbooks/support_bundle.yml", ops_bundle.FACT),
    ],
)
def test_the_playbooks_keep_the_facts_that_the_verbs_read(file: str, fact: str) -> None:
    assert "set_fact:\n" in (text := (ROOT / file).read_text())
    assert any(line.strip().startswith(f"{fact}:") for line in text.splitlines())


def test_a_first_host_that_fails_keeps_the_others_as_they_are(project: Path) -> None:
    hosts = "".join(f"    {name}: {LOCAL}\n" for name in "abc")
    Path("hosts.yml").write_text(f"gateways:\n  hosts:\n{hosts}")
    (upgrade, verify) = yaml.safe_load((ROOT / "playbooks/upgrade.yml").read_text())
    settings = {key: upgrade[key] for key in ("hosts", "gather_facts", "serial", "max_fail_percentage")}
    Path("playbooks/play.yml").write_text(
        yaml.safe_dump(
            [
                settings | {"tasks": [insist("Bad."), debug("Do", "done")]},
                {"hosts": "gateways", "gather_facts": False, "tasks": [debug("Verify", "well")]},
            ]
        )
    )
    assert "verify.yml" in verify["ansible.builtin.import_playbook"]

    def run(**variables: Any) -> dict[str, list[str]]:
        result = runner.run("playbooks/play.yml", verb="test", inventory=["hosts.yml"], extravars=variables)
        assert result.code == 4, run_view.summary(result)
        return {name: list(host.said) for name, host in result.hosts.items()}

    assert run(bad="a") == {"a": []}
    # The rest goes at once, and one that fails does not end it for the others.
    assert run(bad="b") == {"a": ["Do", "Verify"], "b": [], "c": ["Do", "Verify"]}
    assert run(bad="b", fleet_serial=1) == {"a": ["Do"], "b": []}
    assert run(bad="b", fleet_max_fail_percentage=0) == {"a": ["Do"], "b": [], "c": []}
