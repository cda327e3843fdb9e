"""Count what passed and failed, and say it once at the end."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

# Characters of a failure's message that the summary shows: enough where only the summary was kept.
_BEGINNING, _END = 300, 700


@dataclass
class Result:
    """One row of the summary.

    Attributes:
        name: what ran.
        seconds: how long it took.
        passed: checks that held.
        skipped: checks that did not apply.
        failures: names of those that failed, and why where that is known.
    """

    name: str
    seconds: float
    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)


def read_junit(path: Path, name: str, seconds: float, exit_code: int) -> Result:
    """Read the report of a pytest run.

    Args:
        path: its junit xml.
        name: what ran.
        seconds: how long it took.
        exit_code: of pytest; 5 means that it found no tests.

    Returns:
        The row; a run that failed without saying where, or wrote no report, counts as one failure.
    """
    result = Result(name, seconds)
    if path.exists():
        for case in ET.parse(path).getroot().iter("testcase"):  # noqa: S314 - see above
            trouble = next((found for kind in ("failure", "error") for found in case.findall(kind)), None)
            if trouble is not None:
                why = _why(trouble)
                result.failures.append(f"{case.get('classname')}::{case.get('name')}{why and ': '}{why}")
            elif case.find("skipped") is not None:
                result.skipped += 1
            else:
                result.passed += 1
    if exit_code != 0 and not result.failures:
        result.failures.append(f"{name} ended with exit code {exit_code}")
    return result


def _why(trouble: ET.Element) -> str:
    """Return both ends of a failure's message, in one line: a playbook tells at its end why it failed."""
    # pytest cuts the attribute short, and marks the message's lines in the report.
    marked = [line[1:] for line in (trouble.text or "").splitlines() if line.startswith("E ")]
    text = " ".join(" ".join(marked or [trouble.get("message") or ""]).split())
    return text if len(text) <= _BEGINNING + _END else f"{text[:_BEGINNING]} [...] {text[-_END:]}"


def summary(results: list[Result]) -> str:
    """Lay the rows out, failures by name, the count as the last line.

    Args:
        results: all rows.

    Returns:
        The text.
    """
    width = max((len(result.name) for result in results), default=0)
    lines = ["", "Summary"]
    for result in results:
        skipped = f", {result.skipped} skipped" if result.skipped else ""
        lines.append(
            f"  {result.name:{width}}  {(len(result.failures) and 'FAILED') or 'ok':6}  "
            f"{result.passed} passed, {len(result.failures)} failed{skipped}  ({result.seconds:.1f} s)"
        )
    lines += [f"  FAILED: {name}" for result in results for name in result.failures]
    passed = sum(result.passed for result in results)
    failed = sum(len(result.failures) for result in results)
    skipped = sum(result.skipped for result in results)
    lines.append(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return "\n".join(lines)
