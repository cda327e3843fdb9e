"""The filters under Ansible's own templating: lazy lists, templates in items, vaulted passwords."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
PASSWORD = "canary \\ # ! = : % ü 密"

PLAYBOOK = """
- name: Resolve
  hosts: localhost
  gather_facts: false
  vars:
    heap: 512
    resolved: "{{{{ ibgateway_instances | ibgateway_resolve({{'version': '10.45.1', 'heap': 768}}) }}}}"
    ibgateway_instances:
      - name: live
        mode: live
        username: "{{{{ 'user' ~ 1 }}}}"
        password: {password}
        api_port: 4001
        heap: "{{{{ heap * 2 }}}}"
  tasks:
    - name: Show the digest of the password and what is public
      ansible.builtin.debug:
        msg:
          digest: "{{{{ resolved[0].password | hash('sha256') }}}}"
          public: "{{{{ resolved | ibgateway_public }}}}"
"""


def run(tmp_path: Path, password: str) -> tuple[int, str]:
    """Run the playbook with the given YAML for the password; return exit code and all output."""
    (tmp_path / "vault-password").write_text("test\n")
    (tmp_path / "ansible.cfg").touch()
    (tmp_path / "play.yml").write_text(PLAYBOOK.format(password=password))
    environment = os.environ | {
        "ANSIBLE_FILTER_PLUGINS": str(ROOT / "plugins" / "filter"),
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [BIN / "ansible-playbook", "-vvv", "-i", "localhost,", "-c", "local"]
    command += ["--vault-password-file", tmp_path / "vault-password", tmp_path / "play.yml"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return result.returncode, result.stdout + result.stderr


def vaulted(tmp_path: Path) -> str:
    """The password as an inline vault value, indented for the playbook."""
    (tmp_path / "vault-password").write_text("test\n")
    command = [BIN / "ansible-vault", "encrypt_string", "--vault-password-file", tmp_path / "vault-password"]
    result = subprocess.run(
        [*command, "--", PASSWORD], capture_output=True, text=True, timeout=60, check=True
    )
    first, *rest = result.stdout.splitlines()
    return "\n".join([first, *(f"          {line.strip()}" for line in rest)])


def test_a_vaulted_password_arrives_intact_and_unseen(tmp_path: Path) -> None:
    code, output = run(tmp_path, vaulted(tmp_path))
    assert code == 0, output
    message = json.loads(output[output.index('{\n    "msg"') :].split("\n}\n")[0] + "\n}")["msg"]
    digest = subprocess.run(
        ["sha256sum"], input=PASSWORD.encode(), capture_output=True, check=True
    ).stdout.split()[0]
    assert message["digest"] == digest.decode()
    assert message["public"][0]["heap"] == 1024
    assert "canary" not in output


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ('"{{ vault_missing }}"', "vault_missing"),
        ("[canary]", "'password' must be a non-empty text"),
    ],
)
def test_a_bad_password_is_refused_without_showing_it(tmp_path: Path, password: str, expected: str) -> None:
    code, output = run(tmp_path, password)
    assert code != 0
    assert expected in output
    assert "canary" not in output
