"""Runs real IBC with the simulated Gateway, and reads what both say."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time

from free_ports import free_port
from simulator_source import gateway_sim

# Short enough to be quick, long enough for a slow machine to show the order of things.
QUICK = ("startup.delay=0.1", "login.delay=0.2", "push.delay=0.5", "loading.delay=0.4", "shutdown.delay=0.2")


class IbcRun:
    """One settings folder, and IBC's own start script running on it."""

    def __init__(self, folder, programs, ibc, display):
        self.folder = folder
        self.programs = programs
        self.ibc = ibc
        self.display = display
        self.settings = folder / "settings"
        self.settings.mkdir(parents=True)
        self.api_port = free_port()
        self.command_port = free_port()
        # Twelve hours away, so that no daily restart comes into a test. Asked once: minutes change meanwhile.
        self.quiet_time = time.strftime("%I:%M %p", time.localtime(time.time() + 12 * 3600))
        self.simulator = gateway_sim.Simulator(self.settings)
        self.log_file = folder / "ibc.log"

    def scenario(self, *assignments):
        self.simulator.change_scenario(gateway_sim.parse_assignments([*QUICK, *assignments]), fresh=True)

    def start(self, mode, ibc_settings):
        values = {
            "IbLoginId": "simuser",
            "IbPassword": "secret",
            "OverrideTwsApiPort": self.api_port,
            "CommandServerPort": self.command_port,
            "BindAddress": "127.0.0.1",
            "AutoRestartTime": self.quiet_time,
            "LogStructureScope": "unknown",
            "LogStructureWhen": "open",
            "AcceptNonBrokerageAccountWarning": "yes",
        } | ibc_settings
        ini = self.folder / "config.ini"
        ini.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="latin-1")
        env = {
            "PATH": os.environ["PATH"],
            "DISPLAY": self.display,
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
        }
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    "bash", self.ibc / "scripts" / "ibcstart.sh", "10.37.1", "--gateway",
                    f"--tws-path={self.programs}", f"--tws-settings-path={self.settings}",
                    f"--ibc-path={self.ibc}", f"--ibc-ini={ini}", f"--mode={mode}", "--on2fatimeout=exit",
                ],
                env=env | {"IBC_VRSN": "3.25.0"}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def wait_log(self, pattern, timeout=30, count=1):
        deadline = time.monotonic() + timeout
        while len(re.findall(pattern, self.log(), re.MULTILINE)) < count:
            assert time.monotonic() < deadline, f"no {count} x {pattern!r} in:\n{self.log()[-6000:]}"
            time.sleep(0.1)

    def wait(self, *states, timeout=30):
        try:
            return self.simulator.wait(list(states), timeout)
        except gateway_sim.SimulatorError as error:
            raise AssertionError(f"{error}\n{self.log()[-6000:]}") from error

    def configured(self):
        """Waits until IBC has logged in and set everything, and the API has moved to its port."""
        self.wait_log("Configuration tasks completed")
        deadline = time.monotonic() + 10
        while self.simulator.state().get("api_port") != self.api_port:
            assert time.monotonic() < deadline, self.simulator.state()
            time.sleep(0.1)

    def counters(self):
        return self.simulator.state()["counters"]

    def command(self, line):
        """Sends a command to IBC and gives its first answer."""
        with socket.create_connection(("127.0.0.1", self.command_port), timeout=10) as connection:
            connection.sendall(f"{line}\n".encode())
            with connection.makefile() as answer:
                return answer.readline().strip()

    def ended(self, timeout=20):
        """The exit code of IBC's script."""
        return self.process.wait(timeout)

    def end(self):
        """Ends the script and its Java, whatever they are doing."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()
