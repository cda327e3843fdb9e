"""scripts/test: what it runs, and how it counts."""

import pytest

from scripts.lib import results, stages
from testbed.lib.progress import UserError

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite>
<testcase classname="a" name="holds"/>
<testcase classname="a" name="fails"><failure/></testcase>
<testcase classname="a" name="breaks"><error/></testcase>
<testcase classname="a" name="elsewhere"><skipped/></testcase>
</testsuite></testsuites>
"""


def test_a_report_is_counted(tmp_path):
    (tmp_path / "r.xml").write_text(JUNIT)
    row = results.read_junit(tmp_path / "r.xml", "unit", 1.0, 1)
    assert (row.passed, row.skipped, row.failures) == (1, 1, ["a::fails", "a::breaks"])


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
    assert [stage for stage, _ in stages.plan([])] == ["lint", "unit", "molecule"]


def test_scenarios_follow_molecule():
    assert stages.plan(["lint", "molecule", "faults", "default"]) == [
        ("lint", []),
        ("molecule", ["faults", "default"]),
    ]


def test_an_unknown_stage_is_refused(capsys):
    assert stages.main(["lynt"]) == 2
    assert "there is no stage 'lynt': choose from lint, unit, molecule." in capsys.readouterr().err


def test_an_unknown_scenario_is_refused_before_anything_is_made():
    with pytest.raises(UserError, match="there is no scenario 'nope': choose from default"):
        stages.molecule(["nope"])


def test_default_is_the_first_scenario(tmp_path):
    for name in ("alpha", "default", "zeta"):
        (tmp_path / "molecule" / name).mkdir(parents=True)
        (tmp_path / "molecule" / name / "molecule.yml").touch()
    (tmp_path / "molecule" / "shared").mkdir()
    assert stages.scenarios(tmp_path) == ["default", "alpha", "zeta"]


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
