"""When the weekly token ends: every Sunday at 01:00 in New York, in summer and winter."""

import shutil
import subprocess

import pytest
from simulator_source import FOLDER

pytestmark = pytest.mark.jdk

PROBE = """
package simulator.state;

public final class Probe {
    public static void main(String[] args) {
        for (String now : args) {
            System.out.println(ServerState.lastExpiry(java.time.Instant.parse(now)));
        }
    }
}
"""

CASES = {
    # now: the last expiry before it, both UTC
    "2026-07-15T12:00:00Z": "2026-07-12T05:00:00Z",
    "2026-07-19T04:59:59Z": "2026-07-12T05:00:00Z",
    "2026-07-19T05:00:00Z": "2026-07-19T05:00:00Z",
    "2026-12-13T05:59:59Z": "2026-12-06T06:00:00Z",
    "2026-12-13T06:00:00Z": "2026-12-13T06:00:00Z",
    # The day the clocks go back has 01:00 twice; the first one counts.
    "2026-11-01T05:00:00Z": "2026-11-01T05:00:00Z",
    # The day they go forward still has its 01:00 in winter time.
    "2026-03-08T06:00:00Z": "2026-03-08T06:00:00Z",
}


def test_last_expiry(jdk, tmp_path):
    (tmp_path / "Probe.java").write_text(PROBE)
    sources = [tmp_path / "Probe.java", FOLDER / "src" / "simulator" / "state" / "ServerState.java"]
    javac = [shutil.which("javac"), "-d", tmp_path, "-sourcepath", FOLDER / "src", *sources]
    subprocess.run(javac, check=True)
    words = ["java", "-cp", tmp_path, "simulator.state.Probe", *CASES]
    answer = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    assert dict(zip(CASES, answer, strict=True)) == CASES
