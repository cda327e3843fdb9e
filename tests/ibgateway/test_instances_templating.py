"""The filters under Ansible's own templating: lazy lists, templates in items, vaulted passwords."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PASSWORD = "canary \\ # ! = : % ü 密"


PLAYBOOK = """
- name: Resolve
  hosts: all
  gather_facts: false
  vars:
    heap: 512
    resolved: "{{ ibgateway_instances | ibgateway_resolve({'version': '10.45.1', 'heap': 768}) }}"
  tasks:
    - name: Show the digest of the password and what is public
      ansible.builtin.debug:
        msg:
          digest: "{{ resolved[0].password | hash('sha256') }}"
          public: "{{ resolved | ibgateway_public }}"
"""
# Inline in the inventory, as a user has them.
HOST = """
    {name}:
      ibgateway_instances:
        - name: live
          mode: live
          username: "{{{{ 'user' ~ 1 }}}}"
          password: {password}
          api_port: 4001
          heap: "{{{{ heap * 2 }}}}"
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str]:
    """Run the playbook on hosts with different YAML for the password; return exit code and all output."""
    folder = tmp_path_factory.mktemp("templating")
    (folder / "vault-password").write_text("test\n")
    (folder / "ansible.cfg").touch()
    (folder / "play.yml").write_text(PLAYBOOK)
    passwords = {"good": vaulted("test"), "missing": '"{{ vault_missing }}"', "odd": "[canary]"}
    hosts = "".join(HOST.format(name=name, password=given) for name, given in passwords.items())
    (folder / "hosts.yml").write_text(f"all:\n  hosts:{hosts}")
    environment = os.environ | {
        "ANSIBLE_FILTER_PLUGINS": str(ROOT / "plugins" / "filter"),
        "ANSIBLE_CONFIG": str(folder / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [BIN / "ansible-playbook", "-vvv", "-i", folder / "hosts.yml", "-c", "local"]
    command += ["--vault-password-file", folder / "vault-password", folder / "play.yml"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, result.stdout + result.stderr


def vaulted(secret: str) -> str:
    """The password as an inline vault value, as encrypt_string has it, indented for the host."""
    lines = (
        VaultLib().encrypt(PASSWORD, VaultSecret(secret.encode()), vault_id="default").decode().splitlines()
    )
    return "\n".join(["!vault |", *(f"            {line}" for line in lines)])


@pytest.mark.processes
def test_a_vaulted_password_arrives_intact_and_unseen(told: tuple[int, str]) -> None:
    _, output = told
    shown = output[output.index("ok: [good] => ") :].removeprefix("ok: [good] => ")
    message = json.loads(shown.split("\n}\n")[0] + "\n}")["msg"]
    digest = subprocess.run(
        ["sha256sum"], input=PASSWORD.encode(), capture_output=True, check=True
    ).stdout.split()[0]
    assert message["digest"] == digest.decode()
    assert message["public"][0]["heap"] == 1024
    assert "canary" not in output


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("missing", "vault_missing"),
        ("odd", "'password' must be a non-empty text"),
    ],
)
def test_a_bad_password_is_refused_without_showing_it(
    told: tuple[int, str], host: str, expected: str
) -> None:
    code, output = told
    assert code != 0
    _, refusal = output.split(f"\nfatal: [{host}]: FAILED! => ")
    assert expected in refusal.split("\n}\n")[0]
    assert "canary" not in output
