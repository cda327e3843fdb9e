"""The demo: provision a disposable VPS, play the operator's phone, show what an operator would look at."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scripts.lib.demo_phone import PORT as PHONE_PORT
from scripts.lib.demo_phone import Phone
from testbed.lib import artifacts, docker, engine, host, image
from testbed.lib.paths import LOGS, ROOT
from testbed.lib.progress import UserError, run_step, say, waiting

NAME, RELEASE, PORT = "demo", "trixie", 22401
INSTANCES = {"live": 4001, "paper": 4002}
CONFIGURED_SECONDS = 120.0  # Java, IBC and two logins side by side on two cores
MESSAGE_SECONDS = 15.0
BUTTON_SECONDS = 8.0
WEBHOOK = "/var/lib/testbed/webhook.jsonl"
PUSH = "Send me the push"


def main() -> int:
    """Run the demo.

    Returns:
        Exit code: 0 shown, 1 a problem (said in a line), 130 interrupted.
    """
    begin = time.monotonic()
    try:
        engine.up()
        artifacts.ensure()
        _ensure_host()
        _provision()
        _log_in()
        _show()
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Run scripts/demo again to go on, or scripts/demo --destroy.", file=sys.stderr)
        return 130
    _what_next(time.monotonic() - begin)
    return 0


def _ensure_host() -> None:
    """Keep a demo host that is up and still what this checkout would make; make one otherwise."""
    known = docker.inspect(host.container(NAME))
    if known and _is_ours(known):
        say(f"==> Host {NAME} is up (ssh port {PORT})")
        return
    host.create(NAME, RELEASE, PORT)


def _is_ours(known: dict) -> bool:
    return (
        known["State"]["Running"]
        and known["Config"]["Labels"].get("ibgw.root") == str(ROOT)
        and known["Config"]["Image"] == image.image_name(RELEASE)
    )


def _provision() -> None:
    code = run_step(
        "Provision it: ansible-playbook site.yml",
        ["ansible-playbook", "site.yml"],
        LOGS / "demo.log",
        show=True,
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
    )
    if code != 0:
        raise UserError(
            "the playbook did not finish: its last lines above say why; scripts/demo goes on from there."
        )
    # What was downloaded serves the next host.
    host.collect(NAME)


def _log_in() -> None:
    """Walk through a weekly login: a message asks, a button is pressed, IB Key approved, Gateway ready."""
    until = time.monotonic() + CONFIGURED_SECONDS
    states = _wait(
        "Wait until live asks for your consent to a login, and paper is ready",
        lambda s: s["live"]["state"] in ("parked", "two_factor", "ready") and s["paper"]["state"] == "ready",
        until,
        parks=("live",),
    )
    if states["live"]["state"] == "ready":
        return
    phone = Phone(_run)
    if states["live"]["state"] == "parked":
        # The simulated phone shall wait for the tap.
        _must(["gateway-sim", "live", "set", "push=wait"])
        say("==> Your phone, with a stand-in for Telegram")
        asked = phone.wait_for_button(PUSH, MESSAGE_SECONDS)
        say(f"==> You press “{PUSH}”; here the demo does")
        phone.press(asked, PUSH)
        pressed = time.monotonic()
        while _states()["live"]["state"] == "parked" and time.monotonic() < pressed + BUTTON_SECONDS:
            time.sleep(0.3)
        if _states()["live"]["state"] == "parked":  # the button of an earlier run has expired
            say("==> So you ask from a shell: ibgatewayctl login live")
            _must(["systemctl", "start", "--no-block", "ibgateway-consent@live.service"])
    _follow(phone, until)
    say("==> Live is logged in for this week: until Sunday it restarts daily by its token, without a tap.")


def _follow(phone: Phone, until: float) -> None:
    """Show what the phone shows until live is ready, and tap when IB Key asks.

    Raises:
        UserError: live is not ready in time.
    """
    tapped = False
    since: dict[str, float] = {}
    while True:
        messages = phone.news()
        state = _states()["live"]["state"]
        waited = time.monotonic() - since.setdefault(state, time.monotonic())
        if state == "two_factor" and not tapped:
            if _says(messages, "Approve IB Key") or waited > MESSAGE_SECONDS:
                tapped = True
                say("==> You approve in IBKR Mobile; here the demo does:")
                say("    testbed/gateway-sim --host demo live approve")
                _must(["gateway-sim", "live", "approve"])
        elif state == "ready" and (_says(messages, "ready after") or waited > MESSAGE_SECONDS):
            return
        if time.monotonic() > until:
            _inside(["ibgatewayctl", "log", "live", "-n", "30"], check=False)
            raise UserError("the login did not complete; the lines above say where it stopped.")
        time.sleep(0.3)


def _says(messages: Sequence[dict[str, Any]], words: str) -> bool:
    return any(words.lower() in (message.get("text") or "").lower() for message in messages)


def _must(command: Sequence[str]) -> None:
    done = _run(command)
    if done.returncode != 0:
        raise UserError(f"{' '.join(command)} failed on the demo host: {done.stdout}{done.stderr}")


def _wait(
    title: str, reached: Callable[[dict[str, dict]], bool], until: float, *, parks: Sequence[str] = ()
) -> dict[str, dict]:
    """Follow the instances until a condition holds, and show where they are; `parks` may be parked."""
    with waiting(title) as tick:
        while True:
            states = _states()
            if states.keys() >= INSTANCES.keys() and reached(states):
                return states
            tick("; ".join(f"{name}: {row['status']}" for name, row in states.items()))
            ended = [
                name
                for name, row in states.items()
                if row["state"] in ("parked", "failed", "stopped")
                and not (name in parks and row["state"] == "parked")
            ]
            if ended or time.monotonic() > until:
                for name in INSTANCES:
                    _inside(["ibgatewayctl", "log", name, "-n", "30"], check=False)
                _inside(["ibgatewayctl", "status"], check=False)
                who = " and ".join(ended) or "the instances"
                raise UserError(f"{who} did not get ready; the lines above say where it stopped.")
            time.sleep(1)


def _states() -> dict[str, dict]:
    done = _run(["ibgatewayctl", "status", "--json"])
    try:
        rows = json.loads(done.stdout)["instances"]
    except (ValueError, KeyError):
        raise UserError(f"ibgatewayctl status --json said: {done.stdout}{done.stderr}") from None
    return {row["instance"]: row for row in rows}


def _show() -> None:
    say("==> What the operator sees: ibgatewayctl status")
    _inside(["ibgatewayctl", "status"])
    say("==> The API answers, to ib_async on the VPS")
    program = (Path(__file__).parent / "show_api.py").read_text()
    for port in INSTANCES.values():
        _inside(["env", "PYTHONPATH=/opt/testbed/clients", "python3", "-c", program, str(port)])
    say("==> What is open, and what was: ibgatewayctl incidents --all")
    _inside(["ibgatewayctl", "incidents", "--all"])
    say("==> The second channel, a webhook, was told the same")
    for line in _run(["tail", "-n", "5", WEBHOOK]).stdout.splitlines():
        request = json.loads(line)
        say(f"    {request['time'][11:19]}  {json.loads(request['body']).get('title', '')}")


def _what_next(seconds: float) -> None:
    say(
        f"""
The demo is up, {seconds:.0f} s. What to try next:
  ssh -i .cache/testbed/id_ed25519 -o UserKnownHostsFile=.cache/testbed/known_hosts -p {PORT} ops@127.0.0.1
      then: sudo ibgatewayctl status · sudo ibgatewayctl log live -f · systemctl status 'ibgateway*'
  the same with -L {PHONE_PORT}:127.0.0.1:{PHONE_PORT}: http://127.0.0.1:{PHONE_PORT} is your phone
      then: sudo ibgatewayctl stop live && sudo ibgatewayctl start live: it asks there, and you press
  .venv/bin/ansible-playbook site.yml                    again: nothing changes
  .venv/bin/ansible-playbook playbooks/verify.yml        read-only checks
  testbed/gateway-sim --host {NAME} --help                 break something and watch
  scripts/demo --destroy                                 take all of it away"""
    )


def _inside(command: Sequence[str], *, check: bool = True) -> None:
    """Run a command on the VPS and show what it says."""
    done = _run(command)
    for line in (done.stdout + done.stderr).splitlines():
        say(f"    {line}")
    if check and done.returncode != 0:
        raise UserError(f"this failed on the demo host: {' '.join(command[:3])}; the lines above say why.")


def _run(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    return docker.run("exec", host.container(NAME), *command, check=False, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
