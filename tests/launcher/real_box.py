"""An instance whose Gateway is the simulator, under real IBC: what the tests marked `workshop` launch."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

from ibgatewaylib import consent
from launcher_box import Box, Run

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / ".cache" / "testbed" / "artifacts"
INSTALLER = ARTIFACTS / "ibgateway-10.37.1-standalone-linux-x64.sh"
WHEEL = ARTIFACTS / "ibc2-0.1.0-py3-none-any.whl"

QUICK = {
    "startup.delay": 0.1,
    "login.delay": 0.2,
    "push.delay": 0.5,
    "loading.delay": 0.4,
    "shutdown.delay": 0.2,
}
SETTINGS = {
    "BindAddress": "127.0.0.1",
    "TradingMode": "live",
    "LogStructureScope": "unknown",
    "LogStructureWhen": "open",
    "LoginDialogDisplayTimeout": 6,
    "SecondFactorAuthenticationTimeout": 4,
    "SecondFactorAuthenticationExitInterval": 3,
    "ReadOnlyApi": "yes",
    "AllowLocalhostOnly": "yes",
    "OverrideTwsMasterClientID": "7",
    "BypassOrderPrecautions": "yes",
    "ExistingSessionDetectedAction": "primary",
}
# Long enough for a machine with more to do than this, short enough not to be waited for in vain.
LIMITS = {
    "logging_in": 6.0,
    "two_factor_grace": 3.0,
    "two_factor_answered": 4.0,
    "choice": 3.0,
    "code": 3.0,
    "unknown_notice": 0.5,
    "unknown_dialog": 3.0,
    "resuming": 8.0,
    "login_dialog": 15.0,
    "own_end": 5.0,
}

_spec = importlib.util.spec_from_file_location("gateway_sim", ROOT / "testbed/simulator/gateway_sim.py")
gateway_sim = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(gateway_sim)


def install(place: Path) -> tuple[Path, Path]:
    """The program's and IBC's folder, installed from what `testbed/artifacts` made."""
    for thing in (INSTALLER, WHEEL):
        assert thing.exists(), f"{thing} is missing: run testbed/artifacts"
    subprocess.run(["sh", INSTALLER, "-q", "-dir", place / "program"], check=True, stdout=subprocess.DEVNULL)
    launcher = place / "program" / "ibgateway"
    launcher.rename(launcher.with_name("ibgateway1"))
    with zipfile.ZipFile(WHEEL) as archive:
        archive.extractall(place)
    return place / "program", place / "ibc2" / "_ibc"


@contextlib.contextmanager
def x_server() -> Iterator[tuple[str, subprocess.Popen]]:
    """An X server of our own: the display's name and its process."""
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            yield f":{process.stdout.readline().strip()}", process
        finally:
            process.kill()


class RealBox(Box):
    """An instance with real IBC and the simulator.

    Args:
        root: a folder of its own.
        installed: the program's and IBC's folder.
        display: the X display's name.
        policy: `consent` or `auto`.
    """

    def __init__(self, root: Path, installed: tuple[Path, Path], display: str, policy: str) -> None:
        super().__init__(root)
        self.program, self.ibc = installed
        self.display = display
        self.write_toml(login=policy, heap=128)
        restart = time.strftime("%I:%M %p", time.localtime(time.time() + 12 * 3600))
        self.settings_of_ibc = {**SETTINGS, "AutoRestartTime": restart}
        self.write_ini(**self.settings_of_ibc)
        self.simulated = gateway_sim.Simulator(self.settings)

    def change_ini(self, **changes: object) -> None:
        """Change some of IBC's settings."""
        self.write_ini(**{**self.settings_of_ibc, **changes})

    def scenario(self, *assignments: str) -> None:
        """Say what the simulator does next: KEY=VALUE, as for `gateway-sim set`."""
        words = [f"{key}={value}" for key, value in QUICK.items()]
        self.simulated.change_scenario(gateway_sim.parse_assignments([*words, *assignments]), fresh=True)

    def launch(self, consented: bool = True, **limits: float) -> Run:
        """Start the launcher, with a consent."""
        if consented:
            consent.grant(self.run, "anna")
        environment = {"DISPLAY": self.display, "TZ": "America/New_York", "LANG": "C.UTF-8"}
        return self.start(limits={**LIMITS, **limits}, **environment)

    def launch_to(self, state: str, **limits: float) -> Run:
        """Start the launcher and wait until the simulated Gateway is in a state."""
        run = self.launch(**limits)
        run.wait_for(lambda: self.simulated.state()["state"] == state, 60)
        return run

    def launch_ready(self, **limits: float) -> Run:
        """Start the launcher and wait until it has told systemd that it is ready."""
        run = self.launch(**limits)
        run.wait_for(lambda: "READY=1" in run.notified, 60)
        return run

    def simulator(self, line: str) -> None:
        """Send a command to the running simulator, which may be gone before it answers."""
        with contextlib.suppress(gateway_sim.NotRunningError):
            self.simulated.send(line)

    def logins(self) -> int:
        """How often IBKR was sent the credentials."""
        return len(self.simulated.logins())

    def counters(self) -> dict[str, int]:
        """What the simulated IBKR counted."""
        return self.simulated.state()["counters"]

    def budget(self) -> int:
        """How many submissions the launcher has noted."""
        return len(json.loads((self.state / "login-budget.json").read_text())["submissions"])

    def end_of(self, run: Run, seconds: float = 60.0) -> tuple[int, str]:
        """Wait for a run's end: its exit code and the reason in state.json."""
        code = run.end(seconds)
        end = self.state_json()["end"]
        assert end["code"] == code, run.log[-4000:]
        return code, end["reason"]

    def told(self) -> set[str]:
        """The events so far that are no part of every start."""
        return set(self.types()) - {"starting", "login_submitted"}
