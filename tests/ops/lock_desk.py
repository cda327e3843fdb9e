"""An inventory with a publisher, on which `scripts/ops lock` runs."""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from publisher import IBC_VERSION, VERSION, Publisher

from scripts.lib import ops_lock
from scripts.lib.artifacts.download import Patience

DAY = date(2026, 11, 24)
INSTALLER = "/stable/installer.sh"
GATEWAY_NAME = f"ibgateway-{VERSION}-standalone-linux-x64.sh"
IBC_NAME = f"IBCLinux-{IBC_VERSION}.zip"


class Desk:
    """An inventory, and the verb run on it."""

    def __init__(self, folder: Path, server: Publisher, capsys: pytest.CaptureFixture[str]) -> None:
        self.server, self._capsys = server, capsys
        self.inventory = folder / "inventories" / "mine"
        self.lock = self.inventory / "group_vars/gateways/artifacts.lock.yml"
        self.mirror = folder / "inventories" / "artifacts"
        self.downloads = folder / "downloads"
        self.inventory.mkdir(parents=True)
        self.downloads.mkdir()
        (self.inventory / "hosts.yml").write_text("gateways: {hosts: {vps1: }}\n")
        self.publishers = server.settings(folder)
        self.pauses: list[float] = []

    def run(self, *arguments: str, day: date = DAY, attempts: int = 3, stall: float = 20) -> int:
        parser = argparse.ArgumentParser()
        ops_lock.arguments(parser)
        given = parser.parse_args(
            ["-i", str(self.inventory), "--publishers", str(self.publishers), *arguments]
        )
        return ops_lock.run(given, day, Patience(stall, attempts, self.pauses.append))

    def json(self, *arguments: str, **more: Any) -> tuple[int, dict[str, dict[str, Any]]]:
        """Return the exit code, and what was told of each product's versions."""
        self._capsys.readouterr()
        code = self.run("--json", *arguments, **more)
        found = json.loads(self._capsys.readouterr().out)["artifacts"]
        return code, {f"{entry['product']} {entry['version']}": entry for entry in found}

    def said(self) -> str:
        shown = self._capsys.readouterr()
        return shown.out + shown.err

    def locked(self) -> dict[str, Any]:
        return yaml.safe_load(self.lock.read_text())

    def files(self) -> list[str]:
        return sorted(path.name for path in self.mirror.iterdir()) if self.mirror.exists() else []


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
