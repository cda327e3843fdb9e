"""Parts of the Java program alone, without windows: each test compiles a small program around one."""

import shutil
import subprocess

import pytest
from free_ports import free_port
from simulator_source import FOLDER

pytestmark = pytest.mark.workshop

EXPIRY = """
package simulator.state;

public final class Probe {
    public static void main(String[] args) {
        for (String now : args) {
            System.out.println(ServerState.lastExpiry(java.time.Instant.parse(now)));
        }
    }
}
"""

# Opens the port again and again while a client knocks, as it happens when a setting changes.
REOPEN = """
import java.net.Socket;
import simulator.api.ApiServer;

public final class Probe {
    public static void main(String[] args) throws InterruptedException {
        int port = Integer.parseInt(args[0]);
        Thread client = new Thread(() -> {
            while (true) {
                try (Socket socket = new Socket("127.0.0.1", port)) {
                    Thread.sleep(1);
                } catch (Exception refused) {
                    Thread.yield();
                }
            }
        });
        client.setDaemon(true);
        client.start();
        ApiServer server = new ApiServer();
        int closed = 0;
        for (int i = 0; i < 200; i++) {
            server.open(port, i % 2 == 0);
            closed += server.port() == port ? 0 : 1;
            Thread.sleep(2);
        }
        System.out.println(closed);
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


def run_java(folder, source, name, *args):
    """Compiles the source together with what it uses of the program, runs it, and gives its output."""
    file = folder / "Probe.java"
    file.write_text(source)
    javac = [shutil.which("javac"), "-d", folder, "-sourcepath", FOLDER / "src", file]
    subprocess.run(javac, check=True)
    done = subprocess.run(["java", "-cp", folder, name, *args], check=True, capture_output=True, text=True)
    return done.stdout.split()


def test_token_expires_on_sunday_at_one_in_new_york(tmp_path):
    answer = run_java(tmp_path, EXPIRY, "simulator.state.Probe", *CASES)
    assert dict(zip(CASES, answer, strict=True)) == CASES


def test_api_port_can_be_opened_again_at_once(tmp_path):
    assert run_java(tmp_path, REOPEN, "Probe", str(free_port())) == ["0"]
