"""The execution environment can be made from its file, and holds what the controller has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "execution-environment.yml"


def pins() -> dict[str, str]:
    """What the file pins, by package."""
    needs = yaml.safe_load(FILE.read_text())["dependencies"]
    lines = [needs["ansible_core"]["package_pip"], needs["ansible_runner"]["package_pip"], *needs["python"]]
    return dict(line.split("==") for line in lines)


def test_its_versions_are_those_of_the_controllers_lock():
    locked = re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements/controller.txt").read_text(), re.M)
    # Of two locked ansible-core the later, for Python 3.12 and newer.
    assert pins() == {name: version for name, version in locked if name in pins()}


def test_ansible_builder_makes_a_build_context_of_it(tmp_path: Path):
    builder = Path(sys.executable).with_name("ansible-builder")
    command = [
        builder,
        "create",
        f"--file={FILE}",
        f"--context={tmp_path}",
        "--output-filename=Containerfile",
    ]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    text = (tmp_path / "Containerfile").read_text()
    for name, version in pins().items():
        assert f"{name}=={version}" in text + (tmp_path / "_build/requirements.txt").read_text()
