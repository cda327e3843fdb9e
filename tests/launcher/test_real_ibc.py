"""The launcher with real IBC and the simulated Gateway: silent and looping states end, and "IBKR" counts.

A developer's extra (`-m jdk`): needs Java, Xvfb and what `testbed/artifacts` made.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import subprocess
import time
import zipfile
from pathlib import Path

import pytest
from ibgatewaylib import consent
from launcher_box import Box

pytestmark = pytest.mark.jdk

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    for thing in (INSTALLER, WHEEL):
        if not thing.exists():
            pytest.skip(f"{thing} is missing: run testbed/artifacts")
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is missing")
    place = tmp_path_factory.mktemp("installed")
    subprocess.run(["sh", INSTALLER, "-q", "-dir", place / "program"], check=True, stdout=subprocess.DEVNULL)
    launcher = place / "program" / "ibgateway"
    if launcher.exists():
        launcher.rename(launcher.with_name("ibgateway1"))
    with zipfile.ZipFile(WHEEL) as archive:
        archive.extractall(place)
    return place / "program", place / "ibc2" / "_ibc"


@pytest.fixture(scope="module")
def display():
    process = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield f":{process.stdout.readline().strip()}"
        process.terminate()


class RealBox(Box):
    """An instance with real IBC and the simulator."""

    def __init__(self, root: Path, installed: tuple[Path, Path], display: str, policy: str) -> None:
        super().__init__(root)
        self.program, self.ibc = installed
        self.display = display
        self.write_toml(login=policy, heap=128)
        restart = time.strftime("%I:%M %p", time.localtime(time.time() + 12 * 3600))
        self.write_ini(**SETTINGS, AutoRestartTime=restart)

    def scenario(self, *assignments: str) -> None:
        folder = self.settings / "simulator"
        folder.mkdir(exist_ok=True)
        values = {**QUICK, "revision": time.monotonic_ns(), **dict(word.split("=") for word in assignments)}
        (folder / "scenario.properties").write_text("".join(f"{k}={v}\n" for k, v in values.items()))

    def launch(self, **limits: float):
        consent.grant(self.run, "anna")
        environment = {"DISPLAY": self.display, "TZ": "America/New_York", "LANG": "C.UTF-8"}
        return self.start(limits={**LIMITS, **limits}, **environment)

    def logins(self) -> int:
        """How often IBKR was sent the credentials."""
        file = self.settings / "simulator" / "logins.jsonl"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def simulator(self, *words: str) -> dict:
        spec = importlib.util.spec_from_file_location("sim", ROOT / "testbed/simulator/gateway_sim.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.Simulator(self.settings).send(" ".join(words))

    def budget(self) -> int:
        return len(json.loads((self.state / "login-budget.json").read_text())["submissions"])


@pytest.fixture
def real(tmp_path, installed, display):
    def make(policy: str = "consent") -> RealBox:
        return RealBox(tmp_path, installed, display, policy)

    return make


@pytest.mark.parametrize(
    ("scenario", "code", "reason", "logins"),
    [
        (["login=wrong_password"], 77, "credentials_rejected", 1),
        (["login=login_failed"], 77, "login_refused", 1),
        (["login=login_error"], 77, "login_refused", 1),
        (["login=too_many_attempts", "login.wait=1"], 77, "throttled", 1),
        (["login=maintenance"], 75, "maintenance", 1),
        (["login=connection_failed"], 75, "connection_failed", 1),
        (["login=silent"], 75, "stuck_logging_in", 1),
        (["login=unknown_dialog"], 77, "unknown_dialog", 1),
        (["second_factor=device_list"], 77, "choice_missing", 1),
        (["second_factor=code", "code.title=Security Code Card Authentication"], 77, "code_missing", 1),
        (["push=ignore", "push.timeout=4.5"], 77, "two_factor_missed", 1),
        (["push=wait"], 77, "two_factor_missed", 1),
        (["push=deny"], 77, "second_factor_refused", 1),
        (["startup=no_window"], 75, "stuck_login_dialog", 0),
        (["startup=crash"], 75, "crashed", 0),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else None,
)
def test_state(real, scenario, code, reason, logins):
    box = real()
    box.scenario(*scenario)
    run = box.launch()
    ended = run.end(60)
    state = box.state_json()
    assert (ended, state["end"]["reason"], box.logins()) == (code, reason, logins), run.log[-4000:]
    assert box.budget() == 1


@pytest.mark.parametrize(("policy", "code"), [("consent", 77), ("auto", 75)])
def test_ibcs_own_login_loop_is_ended(real, policy, code):
    box = real(policy)
    box.write_ini("ReloginAfterSecondFactorAuthenticationTimeout=yes\n", **SETTINGS)
    box.scenario("push=ignore", "push.timeout=4.5")
    run = box.launch()
    assert run.end(60) == code
    time.sleep(1)
    assert box.logins() == 1
    assert box.event("two_factor_missed")["again"] is (policy == "auto")


def test_a_storm_ends_at_ibkr(real):
    box = real("auto")
    box.scenario("login=connection_failed")
    codes = [box.launch().end(60) for _ in range(4)]
    assert codes == [75, 75, 75, 77]
    assert box.logins() == 3


@pytest.mark.parametrize("scenario", ["restart=expired", "restart=wrong_password", "restart=silent"])
def test_saved_session_that_is_not_accepted_costs_no_login(real, scenario):
    box = real()
    box.scenario("push=approve", scenario)
    (box.settings / ("a" * 40)).mkdir()
    (box.settings / ("a" * 40) / "autorestart").touch()
    run = box.launch()
    assert run.end(60) == 75
    assert box.state_json()["end"]["reason"] in ("token_expired", "stuck_resuming")
    assert box.logins() == 0
    assert not list(box.settings.glob("*/autorestart"))


def test_settings_are_read_back_then_the_session_is_taken(real):
    box = real("auto")
    box.scenario("push=approve")
    run = box.launch()
    run.wait_for(lambda: "READY=1" in run.notified, 40)
    state = run.wait_for(lambda: box.state_json()["readback"] and box.state_json())
    wrong = {key: entry for key, entry in state["readback"].items() if not entry["ok"]}
    assert wrong == {}
    assert {"OverrideTwsApiPort", "ReadOnlyApi", "AutoRestartTime", "BypassOrderPrecautions"} <= set(
        state["readback"]
    )
    assert state["link"] == "up"
    box.simulator("take-session")
    run.wait_for(lambda: box.types().count("ready") == 2, 30)
    assert box.event("session_taken") == {"count": 1, "again": True}
    with contextlib.suppress(Exception):
        box.simulator("take-session")
    assert run.end(40) == 77
    assert box.state_json()["end"]["reason"] == "session_taken"
    assert box.logins() == 1


def test_session_taken_under_consent_is_not_fought_over(real):
    box = real()
    box.scenario("push=approve")
    run = box.launch()
    run.wait_for(lambda: "READY=1" in run.notified, 40)
    # The simulator may be gone before it answers.
    with contextlib.suppress(Exception):
        box.simulator("take-session")
    assert run.end(40) == 77
    assert box.event("session_taken") == {"count": 1, "again": False}


def test_logoff_is_taken_for_another_session(real):
    box = real()
    box.scenario("push=approve")
    run = box.launch()
    run.wait_for(lambda: "READY=1" in run.notified, 40)
    box.simulator("logoff-now")
    assert run.end(40) == 77
    assert box.event("session_taken")["again"] is False


def test_x_server_that_dies_is_named(real, tmp_path):
    box = real()
    box.scenario("push=approve")
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with server:
        box.display = f":{server.stdout.readline().strip()}"
        run = box.launch()
        run.wait_for(lambda: "READY=1" in run.notified, 40)
        server.kill()
    assert run.end(40) == 75
    assert box.event("crashed").get("text") == "the X server is gone", run.log[-3000:]
