"""`scripts/ops plan` and its fellows: what a person and a program get to see, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stand_in import LOCAL, call, kept, sealed

from scripts.lib import ops, ops_apply, ops_plan, ops_playbook, ops_restart, ops_status, ops_verify
from scripts.lib.refused import Refused
from scripts.lib.runner import HostResult, Result, Task

GOLDEN = Path(__file__).parent / "golden"
DIFF = (
    "--- /etc/ibgateway/live/ibc.ini (now)\n+++ /etc/ibgateway/live/ibc.ini (then)\n@@ -1 +1 @@\n-A=1\n+A=2\n"
)
PENDING = {"instance": "live", "reasons": ["ibc.ini changed"], "text": "restart pending (ibc.ini changed): …"}


def changed(name: str, *paths: str, item: str = "", diff: str = "", said: tuple[str, ...] = ()) -> Task:
    return Task(name, "changed", item, paths, diff, said)


def host(
    *tasks: Task, restarts: list | None = None, failed: int = 0, unreachable: bool = False
) -> HostResult:
    return HostResult(
        ok=9,
        changed=sum(task.status == "changed" for task in tasks),
        failed=failed,
        unreachable=unreachable,
        tasks=list(tasks),
        facts={"_ibc_restarts": restarts} if restarts is not None else {},
    )


WRITE = "Write the instances' configuration"
HOSTS = {
    "vps1": host(
        changed("Say which packages are missing", said=("apt would install xvfb",)),
        changed(WRITE, "/etc/ibgateway/live/ibc.ini", diff=DIFF),
        changed(WRITE, "/etc/ibgateway/paper/ibc.ini"),
        changed(WRITE, "/etc/ibgateway/paper/instance.toml"),
        changed("Say which display each instance has", item="live"),
        changed("Stop the timers", item="ibgateway-login@paper.timer"),
        changed("Write the firewall's table", "/etc/ibgateway/firewall.nft"),
        changed("Keep user names and passwords, encrypted"),
        restarts=[PENDING],
    ),
    "vps2": host(restarts=[]),
    "vps3": host(changed("Make the directories", "/etc/ibgateway/live"), restarts=[]),
    "vps4": host(Task("Look at the host", "unreachable", reason="ssh: timed out"), unreachable=True),
    "vps5": host(changed("Write it", "/etc/x"), Task("Check it", "failed", reason="It is wrong."), failed=1),
}


def result(tmp_path: Path, **hosts: HostResult) -> Result:
    return Result(hosts, 0, tmp_path / "log")


def test_the_plan_for_a_person_is_as_it_was(tmp_path: Path) -> None:
    text = "\n".join(ops_plan.lines(result(tmp_path, **HOSTS)))
    text += "\n-- with --diff\n" + "\n".join(ops_plan.lines(result(tmp_path, vps1=HOSTS["vps1"]), diff=True))
    assert text + "\n" == (GOLDEN / "plan.txt").read_text()


def test_the_plan_for_programs_names_each_change_and_its_instance() -> None:
    found = ops_plan.document(HOSTS["vps1"])
    assert found["restarts"] == [PENDING]
    assert [(change["instance"], change["task"]) for change in found["changes"]] == [
        ("", "Say which packages are missing"),
        ("", "Write the firewall's table"),
        ("", "Keep user names and passwords, encrypted"),
        ("live", WRITE),
        ("live", "Say which display each instance has"),
        ("paper", WRITE),
        ("paper", WRITE),
        ("paper", "Stop the timers"),
    ]
    assert [change["diff"] for change in found["changes"] if change["diff"]] == [DIFF]


# From here on, with real playbooks on this machine.


def test_plan_apply_plan(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(ops_plan) == 3
    shown = capsys.readouterr().out
    assert "a: 1 change\n" in shown
    assert "    live: restart pending\n" in shown
    assert "  Warning: no clock\n" in shown
    assert not (project / "a").exists()
    assert call(ops_apply) == 0
    shown = capsys.readouterr().out
    end = shown.split("a  ok, 1 changed\nb  ok, 1 changed\n")[1].splitlines()
    assert end[:4] == ["a: live: ready", "a: Warning: no clock", "b: live: ready", "b: Warning: no clock"]
    assert end[4].startswith("Log: runs/")
    assert call(ops_plan, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 0
    assert document["hosts"]["a"]["changes"] == []
    assert document["hosts"]["a"]["restarts"] == [{"instance": "live", "text": "restart pending"}]
    assert json.loads((Path(document["log"]).parent / "result.json").read_text()) == document


def test_plan_shows_the_difference_when_asked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "a").write_text("old\n")
    (project / "password").write_text("letmein")
    (project / "secret.yml").write_text(sealed("word: new\n", "letmein"))
    words = ["--diff", "--limit", "a", "--vault-password-file", "password", "-e", "@secret.yml"]
    assert call(ops_plan, *words) == 3
    shown = capsys.readouterr().out
    assert "        -old\n        +new\n" in shown
    assert "b:" not in shown


def test_a_host_that_fails_is_named_and_the_others_are_done(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(ops_apply, "-e", "bad=b") == 4
    shown = capsys.readouterr().out
    assert "a  ok, 1 changed\nb  FAILED: Insist: Assertion failed\n" in shown
    assert "Log: " in shown


def test_the_vault_password_is_asked_for_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "secret.yml").write_text(sealed("word: canary\n", "letmein"))
    asked = []
    monkeypatch.setattr("getpass.getpass", lambda prompt: asked.append(prompt) or "letmein")
    assert call(ops_apply, "--ask-vault-pass", "-e", "@secret.yml") == 0
    assert asked == ["Vault password: "]
    assert (project / "a").read_text() == "canary"


def test_an_inventory_that_is_not_there_is_refused_before_anything_runs(project: Path) -> None:
    with pytest.raises(Refused, match="the inventory nowhere is not there"):
        call(ops_apply, "-i", "nowhere")
    with pytest.raises(Refused, match="the vault password file nofile is not there"):
        call(ops_apply, "--vault-password-file", "nofile")
    assert not (project / "runs").exists()


def test_an_inventory_without_gateways_is_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "hosts.yml").write_text("others: {hosts: {x: }}\n")
    assert call(ops_apply) == 1
    shown = capsys.readouterr()
    assert shown.err == "ERROR: the inventory hosts.yml has no host in the group gateways\n"


STATUS = """\
- hosts: gateways
  gather_facts: false
  tasks:
    - name: Ask the instances for their state
      ansible.builtin.raw: echo '{"instances":[{"instance":"live"}]}'
      changed_when: false
    - {name: Show, ansible.builtin.debug: {msg: "HOST  STATE"}, run_once: true}
    - name: End
      ansible.builtin.assert: {that: ready | default(true), fail_msg: "Not ready: a/live.", quiet: true}
      run_once: true
"""


def test_status_is_the_table_and_tells_what_is_not_ready(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "playbooks/status.yml").write_text(STATUS)
    assert call(ops_status) == 0
    shown = capsys.readouterr().out
    assert "HOST  STATE\n" in shown
    # What --json prints, as the plan's test shows.
    assert kept(shown)["hosts"]["b"]["instances"] == [{"instance": "live"}]
    assert call(ops_status, "-e", '{"ready": false}') == 1
    assert "\nNot ready: a/live.\nLog: " in capsys.readouterr().out


def test_a_silent_host_is_named_and_counts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "playbooks/verify.yml").write_text(STATUS)
    (project / "hosts.yml").write_text(
        f"gateways:\n  hosts:\n    a: {LOCAL}\n"
        "    gone: {ansible_host: 127.0.0.1, ansible_port: 1, ansible_ssh_common_args: -o BatchMode=yes}\n"
    )
    assert call(ops_verify) == 4
    assert "gone  UNREACHABLE: " in capsys.readouterr().out


def test_restart_passes_names_on_and_a_full_one_must_be_meant(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "playbooks/restart.yml").write_text(
        "- hosts: gateways\n  gather_facts: false\n  tasks:\n    - name: Say\n      ansible.builtin.debug: "
        "{msg: \"{{ instance | default('all') }} {{ ibgateway_restart_full | default(false) }} "
        "{{ ibgateway_restart_confirm | default('') }}\"}\n"
    )
    assert call(ops_restart, "--limit", "a", "--full", "--yes", "live", "paper") == 0
    assert "live,paper True yes\n" in capsys.readouterr().out
    with pytest.raises(Refused, match="add --yes if it is meant"):
        call(ops_restart, "--full", "live")
    given = []
    monkeypatch.setattr(
        ops_playbook, "run", lambda *_, extravars, **__: given.append(extravars) or result(project)
    )
    assert call(ops_restart, "live", "paper") == 0
    assert given == [{"instance": "live,paper"}]


@pytest.mark.parametrize("verb", ops.VERBS)
def test_help_teaches(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ops.main([verb, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert f"scripts/ops {verb}" in shown


@pytest.mark.parametrize("verb", [verb for verb in ops.VERBS if verb != "schedule"])
def test_help_tells_examples_and_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        ops.main([verb, "--help"])
    shown = capsys.readouterr().out
    assert f"  scripts/ops {verb} -i inventories/mine" in shown
    assert "Exit codes: 0 " in shown


def test_a_word_that_is_no_verb_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        ops.main(["plna"])
    assert ended.value.code == 2
    assert "plan" in capsys.readouterr().err
