"""scripts/test: what it runs, and how it counts."""

import threading
import time
from pathlib import Path

import pytest
from free_ports import free_port

from scripts.lib import results, stages

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite>
<testcase classname="a" name="holds"/>
<testcase classname="a" name="fails"><failure message="assert [cut]">
>   assert one == 2
E   assert
E     1 == 2

x.py:1: AssertionError</failure></testcase>
<testcase classname="a" name="breaks"><error/></testcase>
<testcase classname="a" name="elsewhere"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_counted(tmp_path):
    (tmp_path / "r.xml").write_text(JUNIT)
    row = results.read_junit(tmp_path / "r.xml", "unit", 1.0, 1)
    assert (row.passed, row.skipped, row.failures) == (1, 1, ["a::fails: assert 1 == 2", "a::breaks"])


def test_a_long_message_is_told_from_both_ends(tmp_path):
    (tmp_path / "r.xml").write_text(JUNIT.replace("E   assert\n", f"E   begins {'x' * 2000} ends\n"))
    (told, _) = results.read_junit(tmp_path / "r.xml", "unit", 1.0, 1).failures
    assert told.startswith("a::fails: begins xxx")
    assert told.endswith("xxx ends 1 == 2")
    assert len(told) < 1100


@pytest.mark.parametrize("code", [2, 5])
def test_a_run_without_a_report_is_a_failure(tmp_path, code):
    row = results.read_junit(tmp_path / "none.xml", "unit", 1.0, code)
    assert row.failures == [f"unit ended with exit code {code}"]


def test_the_last_line_counts(tmp_path):
    rows = [results.Result("lint", 1.0, passed=6), results.Result("unit", 2.0, passed=3, failures=["a::b"])]
    lines = results.summary(rows).splitlines()
    assert lines[-1] == "9 passed, 1 failed"
    assert "  FAILED: a::b" in lines
    assert (
        results.summary([results.Result("x", 0, passed=1, skipped=2)]).splitlines()[-1]
        == "1 passed, 0 failed, 2 skipped"
    )


def test_all_stages_run_without_words():
    assert [stage for stage, _ in stages.plan([])] == ["lint", "unit", "processes", "real-ibc", "molecule"]


def test_scenarios_follow_molecule():
    assert stages.plan(["lint", "molecule", "faults", "default"]) == [
        ("lint", []),
        ("molecule", ["faults", "default"]),
    ]


def test_an_unknown_stage_is_refused(capsys):
    assert stages.main(["lynt"]) == 2
    assert (
        "there is no stage 'lynt': choose from lint, unit, processes, real-ibc, molecule."
        in capsys.readouterr().err
    )


def test_an_unknown_scenario_is_refused_before_anything_is_made(capsys, monkeypatch):
    monkeypatch.setattr(stages, "Needs", None)
    assert stages.main(["lint", "molecule", "nope"]) == 2
    assert "there is no scenario 'nope': choose from default" in capsys.readouterr().err


class Made:
    """What stages need is there, or could not be made."""

    def __init__(self, *failures: str) -> None:
        self.failures = list(failures)

    def of(self, stage: str) -> results.Result:
        return results.Result(f"{stage}: needs", 0.0, passed=1, failures=self.failures)


def test_a_stage_whose_needs_are_not_met_does_not_run():
    for stage in (stages.real_ibc, stages.molecule):
        (row,) = stage(Made("testbed/engine up"))
        assert row.failures == ["testbed/engine up"]


@pytest.fixture
def scenarios(monkeypatch):
    """Scenarios that take no time, but for what a test puts into `runs`; and the order they began in."""
    begun = []

    def scenario(name, stop=None, kept=None):
        begun.append(name)
        runs.get(name, lambda *_: None)(stop, *([kept] if kept else []))
        return [results.Result(f"molecule {name}", 0.0, passed=1)]

    runs = {}
    monkeypatch.setattr(stages, "_scenario", scenario)
    monkeypatch.setattr(stages, "scenarios", lambda: ["default", "a", "b", "c"])
    monkeypatch.setattr(stages, "begins_converged", lambda name: name != "b")
    return begun, runs


def test_scenarios_run_at_once_but_some_begin_with_what_the_first_one_keeps(scenarios):
    begun, runs = scenarios
    both, others = threading.Barrier(2, timeout=10), threading.Barrier(4, timeout=10)

    def default(_, kept):
        both.wait()
        time.sleep(0.01)
        begun.append("kept")
        kept()
        others.wait()

    runs["default"] = default
    runs["b"] = lambda _: (both.wait(), others.wait())
    runs["a"] = runs["c"] = lambda _: others.wait()
    rows = stages.molecule(Made())
    assert sorted(begun[:2]) == ["b", "default"]
    assert (begun[2], sorted(begun[3:])) == ("kept", ["a", "c"])
    assert [row.name for row in rows] == [
        "molecule: needs",
        *(f"molecule {name}" for name in ("default", "a", "b", "c")),
    ]


def test_they_begin_without_it_when_the_first_one_has_failed_before(scenarios):
    begun, runs = scenarios
    runs["default"] = lambda *_: (time.sleep(0.01), begun.append("default has ended"))
    assert len(stages.molecule(Made())) == 5
    ended = begun.index("default has ended")
    assert {"a", "c"} <= set(begun[ended:])


def test_a_scenario_has_kept_its_snapshot_when_its_tests_begin(monkeypatch, tmp_path):
    told = []

    def run_step(*_, hear, **__):
        for step in ("converge", "side_effect", "verify", "destroy"):
            told.append(step)
            hear(f"INFO     [default > {step}] Executing\n")
        return 1

    monkeypatch.setattr(stages, "REPORTS", tmp_path)
    monkeypatch.setattr(stages, "run_step", run_step)
    stages._scenario("default", kept=lambda: told.append("kept"))
    assert told == ["converge", "side_effect", "verify", "kept", "destroy"]
    stages._scenario("default")


def test_an_interrupt_ends_the_scenarios_that_run(scenarios):
    _, runs = scenarios
    heard = []

    def interrupted(*_):
        raise KeyboardInterrupt

    runs["a"] = interrupted
    runs["b"] = runs["c"] = lambda stop: heard.append(stop.wait(10))
    with pytest.raises(KeyboardInterrupt):
        stages.molecule(Made())
    assert heard
    assert all(heard)


def test_default_is_the_first_scenario(tmp_path):
    for name in ("alpha", "default", "zeta"):
        (tmp_path / "molecule" / name).mkdir(parents=True)
        (tmp_path / "molecule" / name / "molecule.yml").touch()
    (tmp_path / "molecule" / "shared").mkdir()
    assert stages.scenarios(tmp_path) == ["default", "alpha", "zeta"]


def test_a_scenario_that_makes_its_own_hosts_need_not_wait():
    assert not stages.begins_converged("interrupted")
    assert stages.begins_converged("upgrade")


def test_the_scenarios_that_take_longest_come_next():
    assert stages.scenarios()[: 1 + len(stages.LONGEST)] == ["default", *stages.LONGEST]


def test_programs_are_linted_by_their_first_line(tmp_path):
    for name, text in {
        "tool": "#!/usr/bin/env python3\n",
        "script": "#!/usr/bin/env bash\n",
        "module.py": "#!/usr/bin/env python3\n",
        "lib.sh": "x=1\n",
        "README": "text\n",
    }.items():
        (tmp_path / name).write_text(text)
    assert stages.scripts_by_language(tmp_path) == {"python": ["tool"], "shell": ["lib.sh", "script"]}


def test_an_interrupt_is_summed_up_and_told(monkeypatch, capsys):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "lint", interrupted)
    assert stages.main(["lint", "unit"]) == 130
    assert capsys.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


@pytest.fixture
def workshop(monkeypatch, tmp_path):
    """A container that writes this report; its exit code."""

    def made(report: str, code: int) -> None:
        def run_tests(title, path, log):
            path.write_text(report)
            return code

        monkeypatch.setattr(stages, "REPORTS", tmp_path)
        monkeypatch.setattr(stages.workshop, "run_tests", run_tests)

    return made


def test_real_ibcs_tests_are_counted(workshop):
    workshop('<testsuite><testcase classname="a" name="b"/></testsuite>', 0)
    needs, tests = stages.real_ibc(Made())
    assert (needs.passed, tests.passed, tests.failures) == (1, 1, [])


def test_a_test_of_real_ibc_that_is_skipped_is_a_failure(workshop):
    workshop('<testsuite><testcase classname="a" name="b"><skipped/></testcase></testsuite>', 0)
    assert stages.real_ibc(Made())[1].failures == ["1 tests of real IBC skipped what is here for certain"]


def test_real_ibcs_tests_change_nothing_in_the_project(tmp_path):
    words = stages.workshop.command("image", "box", tmp_path / "report.xml")
    assert f"--volume={stages.ROOT}:/project:ro" in words
    assert "--network=none" in words
    assert "--junitxml=/results/report.xml" in words


def test_ports_of_the_tests_are_none_that_the_kernel_gives_away():
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = [free_port() for _ in range(20)]
    assert len(set(ports)) == 20
    assert max(ports) < first
