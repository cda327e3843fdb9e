"""Playbooks of a few lines on this machine, in place of the project's."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.parsing.vault import VaultLib, VaultSecret

LOCAL = "{ansible_connection: local, ansible_python_interpreter: '{{ ansible_playbook_python }}'}"


def sealed(text: str, password: str) -> str:
    """Encrypt as `ansible-vault encrypt` does, without a process for it."""
    return VaultLib().encrypt(text, VaultSecret(password.encode()), vault_id="default").decode()


def call(verb: ModuleType, *words: str) -> int:
    """Run a verb on the hosts of hosts.yml; returns its exit code."""
    parser = argparse.ArgumentParser()
    verb.arguments(parser)
    return verb.run(parser.parse_args(["-i", "hosts.yml", *words]))


def kept(shown: str) -> dict[str, Any]:
    """The document that a run has left beside the log which it named at its end."""
    (log,) = re.findall(r"(?m)^Log: (.*)$", shown)
    return json.loads((Path(log).parent / "result.json").read_text())
