"""The one place that runs playbooks, with real ansible-runner and ansible-playbook on this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_in import sealed

from scripts.lib import runner

pytestmark = pytest.mark.processes
BIN = Path(sys.executable).parent
LOCAL = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"
SECONDS = 60


@pytest.fixture
def scratch() -> Iterator[Path]:
    """For temporary files; with a short name, for Ansible keeps a socket there."""
    folder = Path(tempfile.mkdtemp(prefix="o"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing of the developer's: tools on the path, scratch and runs of its own."""
    monkeypatch.setenv("PATH", str(BIN), prepend=":")
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in list(os.environ):
        if name.startswith("ANSIBLE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def hosts(**variables: str) -> str:
    """Write an inventory of gateways; a value is a host's variables in YAML."""
    lines = [f"    {name}: {given}\n" for name, given in variables.items()]
    Path("hosts.yml").write_text("gateways:\n  hosts:\n" + "".join(lines))
    return "hosts.yml"


def play(*tasks: str, settings: str = "") -> Path:
    body = "".join(f"    - {task.strip()}\n" for task in tasks)
    Path("play.yml").write_text(
        f"- name: Play\n  hosts: gateways\n  gather_facts: false\n{settings}  tasks:\n{body}"
    )
    return Path("play.yml")


def run(playbook: Path, inventory: str = "hosts.yml", **more: Any) -> runner.Result:
    return runner.run(playbook, verb="test", inventory=[inventory], runs=Path("runs"), **more)


COPY = "{name: Change something, ansible.builtin.copy: {content: \"new\\n\", dest: '{{ playbook_dir }}/{{ inventory_hostname }}.txt', mode: '0600'}}"  # noqa: E501
# Where it does not matter what: no module, which would be a process of Python's on each host.
CHANGE = "{name: Change something, ansible.builtin.raw: 'true'}"
FAIL = "{name: Insist, ansible.builtin.assert: {that: inventory_hostname != 'bad', fail_msg: 'It is bad.', quiet: true}}"  # noqa: E501


def test_what_became_of_each_host() -> None:
    gone = "{ansible_host: 127.0.0.1, ansible_port: 1, ansible_ssh_common_args: '-o BatchMode=yes'}"
    inventory = hosts(good=LOCAL, bad=LOCAL, gone=gone)
    seen = []
    result = run(play(CHANGE, FAIL), inventory, on_event=seen.append)
    good, bad, lost = (result.hosts[name] for name in ("good", "bad", "gone"))
    assert (good.ok, good.changed, good.failed, good.unreachable) == (2, 1, 0, False)
    assert [(task.name, task.status) for task in good.tasks] == [("Change something", "changed")]
    assert (bad.failed, bad.reason) == (1, "Insist: It is bad.")
    assert lost.unreachable
    assert "Connection refused" in lost.reason
    assert result.code == 4
    assert {event.host for event in seen} >= {"good", "bad", "gone"}
    log = result.log.read_text()
    assert "TASK [Change something]" in log
    assert "PLAY RECAP" in log
    assert "\x1b" not in log


def test_check_changes_nothing_and_tells_the_difference() -> None:
    inventory = hosts(one=LOCAL, two=LOCAL, three=LOCAL)
    Path("two.txt").write_text("old\n")
    Path("three.txt").write_text("new\n")
    Path("three.txt").chmod(0o600)
    result = run(play(COPY), inventory, check=True, diff=True)
    assert not Path("one.txt").exists()
    assert Path("two.txt").read_text() == "old\n"
    (task,) = result.hosts["one"].tasks
    assert task.paths == (str(Path("one.txt").absolute()),)
    assert task.diff.splitlines()[-1].startswith("+new")
    (task,) = result.hosts["two"].tasks
    assert task.paths == (str(Path("two.txt").absolute()),)
    assert task.diff.splitlines()[-2:] == ["-old", "+new"]
    assert [result.hosts[name].changed for name in ("one", "two", "three")] == [1, 1, 0]
    assert result.code == 0


def test_messages_outputs_and_facts_come_back_and_ssh_is_as_configured() -> None:
    hosts(one=LOCAL)
    result = run(
        play(
            "{name: Say, ansible.builtin.debug: {msg: [first, second]}}",
            "{name: Ask, ansible.builtin.command: {argv: [echo, answer]}, changed_when: false}",
            "{name: Keep, ansible.builtin.set_fact: {_kept: [{a: 1}]}}",
            "{name: Whether ssh's host keys are checked, ansible.builtin.debug: "
            "{msg: \"{{ lookup('config', 'HOST_KEY_CHECKING') }}\"}}",
        )
    )
    one = result.hosts["one"]
    assert (one.said, one.outputs, one.facts) == (
        {"Say": ["first", "second"], "Whether ssh's host keys are checked": ["true"]},
        {"Ask": "answer"},
        {"_kept": [{"a": 1}]},
    )
    assert one.changed == 0


def test_what_a_playbook_rescues_is_no_failure() -> None:
    hosts(one=LOCAL, bad=LOCAL)
    result = run(
        play(
            "name: Try\n      block:\n"
            "        - {name: Break, ansible.builtin.raw: 'false'}\n"
            "      rescue:\n"
            "        - {name: Undo, ansible.builtin.debug: {msg: undone}}\n",
            FAIL,
        )
    )
    one, bad = result.hosts["one"], result.hosts["bad"]
    assert (one.failed, one.well, one.said) == (0, True, {"Undo": ["undone"]})
    assert [(task.name, task.status) for task in one.tasks] == [("Break", "rescued")]
    assert not bad.well
    assert result.code == 4


def tree(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())


def test_no_secret_stays_in_what_a_run_leaves(
    place: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    hosts(one=LOCAL)
    monkeypatch.setenv("SOME_TOKEN", "canary-environment")
    Path("password").write_text("canary-vault-password\n")
    folder = Path("group_vars/gateways")
    folder.mkdir(parents=True)
    (folder / "vault.yml").write_text(sealed("vault_secret: canary-vault\n", "canary-vault-password"))
    secrets = "{{ vault_secret }}{{ given }}{{ also }}{{ lookup('env', 'SOME_TOKEN') }}"
    inside = "find $AWX_ISOLATED_DATA_DIR -name command; tr '\\\\0' ' ' < /proc/$PPID/cmdline"
    result = run(
        play(
            f'{{name: Use, ansible.builtin.command: {{argv: [cat], stdin: "{secrets}"}}, no_log: true}}',
            '{name: Loop, ansible.builtin.command: {argv: [cat], stdin: "{{ item.x }}"}, no_log: true, '
            f'loop: [{{x: "{secrets}"}}]}}',
            f'{{name: Keep, ansible.builtin.copy: {{content: "{secrets}", dest: "{place}/out.txt", '
            'mode: "0600"}, no_log: true}',
            "{name: Look, ansible.builtin.debug: {msg: \"{{ lookup('pipe', look) }}\"}, "
            f'vars: {{look: "{inside}"}}}}',
            f'{{name: Fail, ansible.builtin.command: {{argv: ["false"], stdin: "{secrets}"}}, no_log: true}}',
        ),
        extravars={"given": "canary-extravars"},
        extra=["also=canary-extra"],
        vault_password_files=["password"],
        check=False,
        diff=True,
    )
    assert result.hosts["one"].failed == 1, "it came as far as the failing task"
    assert result.hosts["one"].changed == 3
    left = tree(place / "runs")
    assert "TASK [Fail]" in left
    assert "canary" not in left
    assert "canary" not in repr(result)
    shown = capfd.readouterr()
    assert "canary" not in shown.out + shown.err
    # While it ran: no copy of the environment, and nothing to see in `ps`.
    (seen,) = result.hosts["one"].said["Look"]
    assert "ansible-playbook" in seen
    assert "--extra-vars @" in seen
    assert "/command" not in seen
    assert list(scratch.iterdir()) == []


def test_nobody_else_may_look_and_only_the_newest_runs_stay(place: Path) -> None:
    hosts(one=LOCAL, bad=LOCAL)
    for number in range(runner.KEEP + 3):
        (place / "runs" / f"20250101T0000{number:02}Z-old").mkdir(parents=True)
    result = run(play(FAIL), limit="one")
    assert (result.code, list(result.hosts)) == (0, ["one"])
    assert result.log.parent.stat().st_mode & 0o777 == 0o700
    left = sorted(folder.name for folder in (place / "runs").iterdir())
    assert len(left) == runner.KEEP
    assert left[-1] == result.log.parent.name
    assert left[0] == "20250101T000004Z-old"


def test_the_vault_password_is_answered_once_asked() -> None:
    hosts(one=LOCAL)
    Path("password").write_text("letmein")
    Path("secret.yml").write_text(sealed("word: hidden\n", "letmein"))
    result = run(
        play("{name: Say, ansible.builtin.debug: {msg: '{{ word | length }}'}}"),
        extra=["@secret.yml"],
        passwords={r"Vault password[^:\n]*:\s*$": "letmein"},
    )
    assert result.hosts["one"].said == {"Say": ["6"]}
    assert "letmein" not in result.log.read_text()


@pytest.mark.parametrize(
    ("inventory", "limit", "sentence"),
    [
        ("hosts.yml", "nowhere", "Specified inventory, host pattern and/or --limit leaves us with no hosts"),
        ("broken.yml", "", "cannot be read: YAML parsing failed"),
    ],
)  # fmt: skip
def test_an_inventory_that_cannot_be_used_is_one_sentence(inventory: str, limit: str, sentence: str) -> None:
    hosts(one=LOCAL)
    Path("broken.yml").write_text("gateways: [\n")
    result = run(play(CHANGE), inventory, limit=limit)
    (refusal,) = result.refusals
    assert sentence in refusal
    assert result.code == 1


def test_a_refusal_of_the_controllers_own_checks_is_told_as_such() -> None:
    hosts(one=LOCAL)
    Path("play.yml").write_text(
        "- name: Look\n  hosts: localhost\n  connection: local\n  gather_facts: false\n  tasks:\n"
        "    - name: Refuse\n      ansible.builtin.assert: {that: false, fail_msg: Run it.}\n"
    )
    result = run(Path("play.yml"))
    assert (result.refusals, result.hosts, result.code) == (["Run it."], {}, 1)


def test_a_playbook_that_does_not_parse_is_told() -> None:
    hosts(one=LOCAL)
    result = run(play("{name: Odd, no.such.module: {}}"))
    assert result.code == 1
    assert "no.such.module" in result.refusals[0]


DRIVER = """\
import sys
from pathlib import Path
from scripts.lib import runner
result = runner.run(Path("play.yml"), verb="test", inventory=["hosts.yml"], runs=Path("runs"))
print(result.interrupted, result.refusals, flush=True)
sys.exit(result.code)
"""


def running(words: str) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if words in command:
            found.append(command)
    return found


def until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {SECONDS} s: {what}"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_all_that_it_started(number: int, place: Path, scratch: Path) -> None:
    hosts(one=LOCAL, two=LOCAL)
    lasting = f"sleep 4{os.getpid()}"
    play(f"{{name: Last, ansible.builtin.command: {lasting}}}")
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER],
        env=os.environ | {"PYTHONPATH": str(runner.ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with driver:
        try:
            until(lambda: len(running(lasting)) >= 2, "both hosts are at work")
            driver.send_signal(number)
            out, _ = driver.communicate(timeout=SECONDS)
        finally:
            driver.kill()
    assert (out.strip(), driver.returncode) == ("True []", 130)
    assert running(lasting) == []
    assert running(str(place)) == []
    # A module that was killed may leave its own folder; what the run made for itself is gone.
    assert list(scratch.glob("ops-*")) == []
