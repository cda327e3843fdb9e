"""Host care: what is asked of the host, what each switch leaves out, what the drop-ins mean."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.plugins.loader import filter_loader

sys.path.insert(0, str(Path(__file__).parent))
from rendering import HOST, render, templar

UPGRADES, NEEDRESTART = (
    "/etc/apt/apt.conf.d/60ibgateway-upgrades",
    "/etc/needrestart/conf.d/60-ibgateway.conf",
)
JOURNAL = "/etc/systemd/journald.conf.d/60-ibgateway.conf"


def evaluate(expression: str, **changes: Any) -> Any:
    known = templar(**changes)
    return known.template(known.available_variables[expression])


def care_paths(**changes: Any) -> list[str]:
    paths = [entry["path"] for entry in evaluate("_ibgateway_wanted", **changes)]
    return [
        path for path in paths if path.startswith(("/etc/apt", "/etc/needrestart", "/etc/systemd/journald"))
    ]


def test_what_is_wanted_is_asked_of_the_host_in_its_one_look() -> None:
    folders = ["/etc/needrestart", "/etc/needrestart/conf.d", "/etc/systemd/journald.conf.d"]
    assert care_paths() == [*folders, UPGRADES, NEEDRESTART, JOURNAL]


@pytest.mark.parametrize(
    ("switch", "gone"),
    [
        ({"ibgateway_care_upgrades": False}, [UPGRADES, NEEDRESTART]),
        ({"ibgateway_care_journal": 0}, [JOURNAL]),
    ],
)
def test_each_part_can_be_switched_off(switch: dict[str, Any], gone: list[str]) -> None:
    assert set(care_paths(**switch)).isdisjoint(gone)
    files = evaluate("_ibgateway_care_files", **switch)
    assert [file["path"] for file in files if not file["wanted"]] == gone


@pytest.mark.parametrize(
    ("kept", "wanted", "installs"),
    [(False, True, True), (True, True, False), (False, False, False)],
)
def test_chrony_comes_only_where_nothing_keeps_the_clock(kept: bool, wanted: bool, installs: bool) -> None:
    found = evaluate("_ibgateway_keep_time", host={"time_kept": kept}, ibgateway_care_time=wanted)
    assert found is installs


def warnings(memory: int, keeps_time: bool, **host: Any) -> list[str]:
    templar()  # makes the filters known
    function = filter_loader.get("ibgateway_host_warnings").j2_function
    return function(HOST | host, memory, keeps_time)


def test_a_good_host_is_not_warned_about() -> None:
    assert warnings(1368, False) == []


def test_a_clock_that_nobody_keeps_is_told_unless_this_run_sees_to_it() -> None:
    assert "nothing keeps this host's clock right" in warnings(1368, False, time_kept=False)[0]
    assert warnings(1368, True, time_kept=False) == []


@pytest.mark.parametrize(
    ("memory", "swap", "told"), [(1950, 0, True), (1694, 0, False), (1695, 0, True), (1950, 1, False)]
)
def test_swap_is_advised_where_memory_is_tight(memory: int, swap: int, told: bool) -> None:
    found = warnings(memory, True, swap_mib=swap)
    assert bool(found) is told
    if told:
        assert f"of 1950 MiB of memory the instances and the system need {memory}" in found[0]


def test_needrestart_leaves_gateway_and_its_display_alone(tmp_path: Path) -> None:
    perl = shutil.which("perl")
    assert perl, "Debian and Ubuntu always have perl"
    drop_in = tmp_path / "60-ibgateway.conf"
    drop_in.write_text(render("needrestart.conf.j2"))
    # As needrestart does: the drop-in is evaluated after the package's own table.
    program = """
        our %nrconf = (override_rc => {qr(^dbus) => 0});
        my $file = shift; do $file; die $@ if $@;
        for my $unit (@ARGV) {
            my @fits = grep { $unit =~ /$_/ } keys %{$nrconf{override_rc}};
            print "$unit=", @fits ? $nrconf{override_rc}->{$fits[0]} : "restart", "\\n";
        }
    """
    units = [
        "ibgateway@live.service",
        "ibgateway-display@live.service",
        "ibgateway-watch.service",
        "dbus.service",
    ]
    answer = subprocess.run(
        [perl, "-we", program, drop_in, *units], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == [
        "ibgateway@live.service=0",
        "ibgateway-display@live.service=0",
        "ibgateway-watch.service=restart",
        "dbus.service=0",
    ]
    assert answer.stderr == ""


def test_apt_reads_that_it_shall_not_reboot(tmp_path: Path) -> None:
    apt = shutil.which("apt-config")
    if apt is None:
        pytest.skip("no apt on this machine; the scenario `default` asks it on a host")
    (tmp_path / "upgrades").write_text(render("apt_upgrades.conf.j2"))
    command = [apt, f"--config-file={tmp_path / 'upgrades'}", "dump", "--format=%f=%v%n"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "Unattended-Upgrade::Automatic-Reboot=false" in answer.stdout.splitlines()


def test_the_journal_is_bounded_on_disk_and_in_memory() -> None:
    lines = render("journald.conf.j2", ibgateway_care_journal=123).splitlines()
    assert lines[-3:] == ["[Journal]", "SystemMaxUse=123M", "RuntimeMaxUse=123M"]
