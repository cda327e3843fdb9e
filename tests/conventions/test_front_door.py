"""site.yml without a host to work on says what to do, before it connects to anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.processes


def front_door(inventory: Path) -> subprocess.CompletedProcess[str]:
    """Run site.yml with an inventory."""
    return subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", f"--inventory={inventory}", "site.yml"],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("hosts", "says"),
    [
        ({}, "The inventory has no host in the group"),
        # Port 1 of this machine, where nothing answers.
        ({"demo": {"ansible_host": "127.0.0.1", "ansible_port": 1}}, "Run scripts/demo to make it"),
    ],
)
def test_without_a_host_it_says_what_to_do(tmp_path: Path, hosts: dict, says: str):
    inventory = tmp_path / "hosts.yml"
    groups = {"gateways": {"hosts": hosts}, "disposable": {"hosts": hosts}} if hosts else {"gateways": {}}
    inventory.write_text(yaml.safe_dump(groups))
    run = front_door(inventory)
    output = " ".join((run.stdout + run.stderr).split())
    assert run.returncode == 2, output
    assert says in output
    assert "ansible-playbook -i inventories/YOURS site.yml" in output
    assert "Provision IB Gateway" not in output
