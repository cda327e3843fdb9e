"""What the tests of scripts/ops share: the project's own modules on the path, a publisher, a project."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "roles" / "ibc" / "files"), str(ROOT / "plugins" / "filter")]

import publisher  # noqa: E402 - found by the path above
from lock_desk import Desk  # noqa: E402
from publisher import Publisher  # noqa: E402
from stand_in import LOCAL  # noqa: E402

from scripts.lib import ops_playbook, runner  # noqa: E402


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave what has a project to run to the stage `processes`."""
    for item in items:
        if "project" in getattr(item, "fixturenames", ()):
            item.add_marker("processes")


@pytest.fixture
def server() -> Iterator[Publisher]:
    """A publisher with one IB Gateway and one IBC."""
    with publisher.running() as found:
        found.offer_gateway(publisher.VERSION, publisher.installer())
        found.offer_ibc(publisher.IBC_VERSION, publisher.ibc_zip())
        yield found


@pytest.fixture
def desk(tmp_path: Path, server: Publisher, capsys: pytest.CaptureFixture[str]) -> Desk:
    """An inventory whose artifacts come from that publisher."""
    return Desk(tmp_path, server, capsys)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of a few lines in place of ours, and two hosts that are this machine."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    monkeypatch.setenv("ANSIBLE_ACTION_PLUGINS", str(Path(__file__).parent / "actions"))
    monkeypatch.setattr(ops_playbook, "ROOT", tmp_path)
    monkeypatch.setattr(runner, "RUNS", tmp_path / "runs")
    monkeypatch.setitem(runner.run.__kwdefaults__, "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "playbooks").mkdir()
    Path("hosts.yml").write_text(f"gateways:\n  hosts:\n    a: {LOCAL}\n    b: {LOCAL}\n")
    Path("site.yml").write_text(
        "- hosts: gateways\n  gather_facts: false\n  tasks:\n"
        "    - name: Write\n      write: {content: '{{ word | default(1) }}', "
        "dest: '{{ playbook_dir }}/{{ inventory_hostname }}'}\n"
        "    - name: Find\n      ansible.builtin.set_fact: {_ibc_restarts: "
        "[{instance: live, text: restart pending}]}\n      when: inventory_hostname == 'a'\n"
        "    - {name: Tell the state of the instances, ansible.builtin.debug: {msg: 'live: ready'}}\n"
        "    - {name: Warn of the clock, ansible.builtin.debug: {msg: 'Warning: no clock'}}\n"
        "    - name: Insist\n      ansible.builtin.assert: {that: inventory_hostname != bad | default('')}\n"
    )
    return tmp_path
