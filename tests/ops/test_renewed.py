"""rollback.yml, and how the preview of upgrade.yml ends, as they are, with a stand-in for `ibgatewayctl`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from stand_in import LOCAL, call, kept

from scripts.lib import ops_rollback, ops_upgrade

ROOT = Path(__file__).resolve().parents[2]
STEP = "IB Gateway 10.45.1 → 10.37.1"
VERSIONS = {"gateway_version": "10.45.1", "ibc_version": "3.25.0"}
OLD = VERSIONS | {"gateway_version": "10.37.1"}
# live goes back by a restart in the run, paper waits for its own; files beside the program say how far it is.
STAND_IN = """\
#!/usr/bin/env python3
import json, sys
from pathlib import Path
new, old = {new!r}, {old!r}
back = Path(__file__).with_name("back")
verb = sys.argv[1]
if verb == "status":
    def state(name, mode, versions, pending):
        return {{"instance": name, "mode": mode, "state": "ready", "status": "ready", "login": "auto",
                "pending": pending, "unit": {{"active_state": "active"}}, **versions}}
    pending = [{step!r}] if Path(__file__).with_name("switched").exists() else []
    live = state("live", "live", old, []) if back.exists() else state("live", "live", new, pending)
    print(json.dumps({{"instances": [live, state("paper", "paper", new, pending)]}}))
elif sys.argv[1:3] == ["upgrade", "rollback"]:
    Path(__file__).with_name("switched").touch()
    text = sys.argv[3] + ": {step} at its next start"
    print(json.dumps({{"code": 0, "changed": True, "text": text, "from": new, "to": old}}))
elif verb == "restart":
    assert sys.argv[2:] == ["live", "--cheapest", "--no-follow", "--force"], sys.argv
    back.touch()
elif sys.argv[1:3] == ["upgrade", "wait"]:
    print(sys.argv[3] + ": {step}, and ready")
else:
    sys.exit(f"what is {{sys.argv[1:]}}?")
"""


@pytest.fixture
def host(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Role ibc and the playbook, which find the stand-in where they look for ibgatewayctl."""
    program = project / "ibgatewayctl"
    program.write_text(STAND_IN.format(new=VERSIONS, old=OLD, step=STEP))
    program.chmod(0o755)
    for part in ("tasks", "vars", "defaults", "meta"):
        shutil.copytree(ROOT / "roles/ibc" / part, project / "roles/ibc" / part)
    shutil.copy(ROOT / "playbooks/rollback.yml", project / "playbooks")
    for file in [*(project / "roles/ibc/tasks").iterdir(), project / "playbooks/rollback.yml"]:
        text = file.read_text().replace("/usr/local/bin/ibgatewayctl", str(program))
        # Of the two tasks that run in the background, the first one's results are not read.
        text = re.sub(r"  async: 3600\n  poll: \d+\n", "", text, count=1)
        text = re.sub(r"poll: \d+", "poll: 1", text)
        file.write_text(text.replace("become: true", "become: false"))
    monkeypatch.setenv("ANSIBLE_FILTER_PLUGINS", str(ROOT / "plugins/filter"))
    monkeypatch.setenv("ANSIBLE_ROLES_PATH", str(project / "roles"))
    monkeypatch.setenv("ANSIBLE_ASYNC_DIR", str(project / "async"))
    instances = [
        {"name": name, "mode": name, "username": name, "password": "canary", "api_port": port, **more}
        for name, port, more in (("live", 4001, {}), ("paper", 4002, {"restart": "planned"}))
    ]
    inventory = {"gateways": {"hosts": {"a": yaml.safe_load(LOCAL) | {"ibgateway_instances": instances}}}}
    Path("hosts.yml").write_text(yaml.safe_dump(inventory))
    return project


@pytest.mark.usefixtures("host")
def test_a_rollback_tells_what_is_back_and_what_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert call(ops_rollback, "live", "paper", "--now", "--force") == 0
    shown = capsys.readouterr().out
    end = shown[shown.index("a  ok, ") :].splitlines()
    assert end[1] == f"a: live: {STEP}, and ready"
    assert end[2].startswith(f"a: paper: restart pending ({STEP}): by itself at the daily restart, ")
    assert end[3].startswith("a: Name these versions in the inventory")
    document = kept(shown)
    found = {row["instance"]: row for row in document["hosts"]["a"]["instances"]}
    assert [found[name]["outcome"] for name in ("live", "paper")] == ["done", "waits"]
    assert (found["live"]["from"], found["live"]["to"]) == (VERSIONS, OLD)
    assert found["paper"]["at"].endswith("Z")
    assert "canary" not in Path(document["log"]).read_text() + json.dumps(document)


def test_a_preview_tells_what_would_wait_and_switches_nothing(
    host: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (upgrade, _) = yaml.safe_load((ROOT / "playbooks/upgrade.yml").read_text())
    (told,) = (task for task in upgrade["tasks"] if task["name"] == "Tell what would change")
    assert told["when"] == "ansible_check_mode"
    wanted = [
        {"name": name, "mode": name, "restart": "planned", "daily_restart": "17:15", "version": version,
         "ibc_version": "3.25.0", "timezone": "America/New_York"}
        for name, version in (("live", "10.37.1"), ("paper", "10.45.1"))
    ]  # fmt: skip
    given = {"_ibc_public": wanted, "_upgrade_names": ["live", "paper"]}
    play = {
        "hosts": "gateways",
        "gather_facts": False,
        "vars": {},
        "tasks": [told | {"vars": told["vars"] | given}],
    }
    Path("playbooks/upgrade.yml").write_text(yaml.safe_dump([play]))
    assert call(ops_upgrade, "--preview") == 3
    shown = capsys.readouterr().out
    assert f"a: nothing to install\n  live: restart pending ({STEP}): by itself at the daily restart" in shown
    assert "\n  paper: IB Gateway 10.45.1, IBC 3.25.0, as before\nLog: " in shown
    assert not (host / "switched").exists()
