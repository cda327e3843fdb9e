"""IBC's other form: from the wheel to a ZIP in upstream's layout, and back, by planned restarts alone."""

from __future__ import annotations

from collections.abc import Callable

from conftest import BY_TOKEN, restart_by_token
from harness.costs import counts, since
from harness.instance import Instance
from harness.site import Run

WHEEL, ZIP = "3.25.0", "3.24.1"
RELEASE = "/opt/ibc/releases"


def test_from_the_wheel_to_the_zip(site: Callable[..., Run], live: Instance, paper: Instance):
    host, before, others = live.host, counts(live), paper.status()["java_pid"]

    run = site(playbook="playbooks/upgrade.yml", instance="live", ibc_version=ZIP)

    assert run.code == 0, run.output
    assert f"IBC {WHEEL} → {ZIP}" in live.status()["pending"]
    restart_by_token(live)
    assert live.status()["ibc_version"] == ZIP
    java = host.check_output("tr '\\0' ' ' < /proc/%s/cmdline", str(live.status()["java_pid"]))
    assert f"{RELEASE}/{ZIP}/IBC.jar" in java
    assert since(live, before) == BY_TOKEN
    assert paper.status()["java_pid"] == others


def test_both_forms_give_the_same_layout(live: Instance):
    host = live.host
    same = f"cmp {RELEASE}/{WHEEL}/{{0}} {RELEASE}/{ZIP}/{{0}}"
    for name in ("IBC.jar", "config.ini", "scripts/ibcstart.sh"):
        host.check_output(same.format(name))
    for form in (WHEEL, ZIP):
        assert host.file(f"{RELEASE}/{form}/scripts/ibcstart.sh").mode == 0o755
        assert host.file(f"{RELEASE}/{form}/IBC.jar").mode == 0o644


def test_and_back_again(site: Callable[..., Run], live: Instance):
    before = counts(live)

    run = site(playbook="playbooks/rollback.yml", instance="live")

    assert run.code == 0, run.output
    assert f"IBC {ZIP} → {WHEEL}" in run.output
    restart_by_token(live)
    assert live.status()["ibc_version"] == WHEEL
    assert since(live, before) == BY_TOKEN
    again = site()
    assert (again.code, again.changed) == (0, 0), again.output
