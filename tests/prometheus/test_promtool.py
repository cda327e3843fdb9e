"""Prometheus's own tool accepts the alerts and the dashboard of docs/; the alerts say what they should."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.workshop

DOCS = Path(__file__).resolve().parents[2] / "docs"
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text())
# What Grafana puts in for "All".
VARIABLES = {one["name"]: one["allValue"] for one in DASHBOARD["templating"]["list"] if "allValue" in one}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)


def test_it_accepts_the_alerts():
    done = promtool("check", "rules", DOCS / "prometheus-rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alerts_say_of_a_made_up_hour_what_they_should():
    done = promtool("test", "rules", Path(__file__).with_name("made_up_hour.yml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_accepts_what_the_dashboard_asks(tmp_path):
    asked = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    for name, everything in VARIABLES.items():
        asked = [re.sub(rf"\${name}\b", lambda _, put=everything: put, text) for text in asked]
    assert len(asked) >= 10
    assert not any("$" in text for text in asked)
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(asked)]
    # JSON is YAML, too.
    file = tmp_path / "dashboard.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
