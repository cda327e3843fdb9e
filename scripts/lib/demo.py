"""The demo: provision a disposable VPS, play the operator's phone, show what an operator would look at."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.lib import artifacts, docker, engine, host, image
from testbed.lib.paths import LOGS, ROOT
from testbed.lib.progress import UserError, run_step, say, waiting

NAME, RELEASE, PORT = "demo", "trixie", 22401
INSTANCES = {"live": 4001, "paper": 4002}
CONFIGURED_SECONDS = 120.0  # Java, IBC and two logins side by side on two cores
MESSAGE_SECONDS = 15.0
WEBHOOK = "/var/lib/testbed/webhook.jsonl"


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
    """Play the operator: see that the live instance asks before it logs in, consent, and approve IB Key."""
    until = time.monotonic() + CONFIGURED_SECONDS
    states = _wait(
        "Wait until live asks for your consent to a login, and paper is ready",
        lambda s: s["live"]["state"] in ("parked", "two_factor", "ready") and s["paper"]["state"] == "ready",
        until,
        parks=("live",),
    )
    if states["live"]["state"] == "ready":
        return
    say(f"    live: {states['live']['status']}")
    if states["live"]["state"] == "two_factor":  # an earlier run was interrupted here
        _tap()
        _wait("Wait until live is ready", lambda s: s["live"]["state"] == "ready", until)
        return
    # The simulated phone shall wait for the tap.
    _must(["gateway-sim", "live", "set", "push=wait"])
    say("==> You give it: ibgatewayctl login live")
    follow = subprocess.Popen(
        [*docker.command(), "exec", host.container(NAME), "ibgatewayctl", "login", "live"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with follow:
        for line in follow.stdout:
            say(f"    {line.rstrip()}")
            if "waiting for IB Key" in line:
                _tap()
    if follow.returncode != 0:
        _inside(["ibgatewayctl", "log", "live", "-n", "30"], check=False)
        raise UserError("the login did not complete; the lines above say where it stopped.")


def _tap() -> None:
    say("==> Your phone rings; here the demo taps: testbed/gateway-sim --host demo live approve")
    _must(["gateway-sim", "live", "approve"])


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
    say("==> The messages that arrived (a webhook stands in for your phone)")
    for message in _messages():
        say(f"    {message['time'][11:19]}  {message['title']}")
        for text in message["text"].splitlines():
            say(f"              {text}")


def _messages() -> list[dict[str, str]]:
    """Read what arrived; the message that an instance is ready may be on its way for a moment."""
    until = time.monotonic() + MESSAGE_SECONDS
    while True:
        found = []
        for line in _run(["tail", "-n", "20", WEBHOOK]).stdout.splitlines():
            request = json.loads(line)
            body = json.loads(request["body"])
            found.append(
                {
                    "time": request["time"],
                    "title": body.get("title") or "",
                    "text": body.get("message") or "",
                }
            )
        ready = [name for name in INSTANCES if any(_says_ready(message, name) for message in found)]
        if len(ready) == len(INSTANCES) or time.monotonic() > until:
            return found
        time.sleep(0.5)


def _says_ready(message: dict[str, str], instance: str) -> bool:
    return instance in message["title"] and "Ready" in message["title"]


def _what_next(seconds: float) -> None:
    say(
        f"""
The demo is up, {seconds:.0f} s. What to try next:
  ssh -i .cache/testbed/id_ed25519 -o UserKnownHostsFile=.cache/testbed/known_hosts -p {PORT} ops@127.0.0.1
      then: sudo ibgatewayctl status · sudo ibgatewayctl log live -f · systemctl status 'ibgateway*'
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
