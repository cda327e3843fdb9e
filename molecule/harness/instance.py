"""One instance on a test host, as its operator and its programs see it."""

import hashlib
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testinfra.host import Host

from harness.wait import wait_until

PROBES = Path(__file__).parent / "probes"
# Offsets from the API port when the inventory names no other.
COMMAND_PORT, VNC_PORT = 3461, 1899


def run_probe(host: Host, name: str, *args: str, user: str = "root", path: str = "", inside: int = 0) -> Any:
    """Run one of the scripts beside this file on a host and return what it printed as JSON.

    Args:
        host: the test host.
        name: the script's file name without `.py`.
        *args: its arguments.
        user: the local user to run it as.
        path: PYTHONPATH for it.
        inside: the process whose mounts and network it shall see; 0 for the host's own.

    Raises:
        AssertionError: the script failed; the message holds its stderr.
    """
    source = (PROBES / f"{name}.py").read_text()
    command = ["env", f"PYTHONPATH={path}", "python3", "-c", source, *args]
    if user != "root":
        command = ["runuser", "-u", user, "--", *command]
    if inside:
        command = ["nsenter", f"--target={inside}", "--mount", "--net", "--", *command]
    result = host.run("cd / && " + shlex.join(command))
    if result.rc != 0:
        raise AssertionError(f"probe {name} {args} as {user}: {result.stderr}")
    return json.loads(result.stdout)


def unit_properties(host: Host, unit: str) -> dict[str, str]:
    """Return what systemd has loaded for a unit: the property names and their text.

    Args:
        host: the test host.
        unit: the unit's name.
    """
    output = host.check_output("systemctl show --all %s", unit)
    return dict(line.split("=", 1) for line in output.splitlines() if "=" in line)


def json_lines(host: Host, path: str) -> list[dict[str, Any]]:
    """Return the objects in a file with one JSON object a line; none if there is no such file.

    Args:
        host: the test host.
        path: the file.
    """
    result = host.run("cat %s", path)
    return [json.loads(line) for line in result.stdout.splitlines()] if result.rc == 0 else []


@dataclass(frozen=True)
class Instance:
    """An instance of the inventory on one host.

    Args:
        host: the test host it runs on.
        given: its entry in `ibgateway_instances`.
    """

    host: Host
    given: dict[str, Any]

    @property
    def name(self) -> str:
        """The instance's name."""
        return self.given["name"]

    @property
    def unit(self) -> str:
        """The systemd unit that runs it."""
        return f"ibgateway@{self.name}.service"

    @property
    def ports(self) -> dict[str, int]:
        """Its TCP ports by use: api, command and vnc."""
        api = self.given["api_port"]
        return {"api": api, "command": api + COMMAND_PORT, "vnc": api + VNC_PORT}

    @property
    def password_sha256(self) -> str:
        """The hash the simulated server keeps of a password that arrived intact."""
        return hashlib.sha256(self.given["password"].encode()).hexdigest()

    def unit_properties(self) -> dict[str, str]:
        """Return what systemd has loaded for the instance's unit, as text."""
        return unit_properties(self.host, self.unit)

    def status(self) -> dict[str, Any]:
        """Return the instance's part of `ibgatewayctl status --json`."""
        result = self.host.run("ibgatewayctl status %s --json", self.name)
        if result.rc not in (0, 1):
            raise AssertionError(f"ibgatewayctl status {self.name}: {result.stderr}")
        (status,) = json.loads(result.stdout)["instances"]
        return status

    def _noted_state(self) -> str:
        """What the launcher has noted last; stopped when it has not begun since the host booted."""
        noted = self.host.run("cat /run/ibgateway/%s/state.json", self.name)
        return json.loads(noted.stdout)["state"] if noted.rc == 0 else "stopped"

    def events(self) -> list[dict[str, Any]]:
        """Return the instance's events, the oldest first."""
        return json_lines(self.host, f"/var/lib/ibgateway/{self.name}/events.jsonl")

    def logins(self) -> list[dict[str, Any]]:
        """Return the logins that reached the simulated server, as the server recorded them."""
        return json_lines(self.host, f"/var/lib/ibgateway/{self.name}/settings/simulator/logins.jsonl")

    def journal(self, *options: str) -> str:
        """Return what the instance's unit wrote to the journal.

        Args:
            *options: further options of journalctl.
        """
        command = ["journalctl", "--no-pager", "--output=cat", f"--unit={self.unit}", *options]
        return self.host.check_output(shlex.join(command))

    def simulate(self, *command: str) -> str:
        """Tell the simulated Gateway or its server something and return the answer.

        Args:
            *command: what `gateway-sim INSTANCE` takes.
        """
        return self.host.check_output(shlex.join(["gateway-sim", self.name, *command]))

    def wait_for(self, state: str, seconds: float = 60) -> dict[str, Any]:
        """Return the status as soon as the instance is in a state.

        Args:
            state: a state of `state.json`.
            seconds: how long to wait at most.
        """

        def look() -> dict[str, Any] | None:
            # The launcher's file costs a fifth of the whole status, which alone knows of one that died.
            if state != "failed" and self._noted_state() != state:
                return None
            status = self.status()
            return status if status["state"] == state else None

        return wait_until(look, f"{self.name} to be {state}", seconds)

    def wait_for_event(self, kind: str, after: int, seconds: float = 60) -> dict[str, Any]:
        """Return the first event of a kind that comes after the events seen before.

        Args:
            kind: the event's type.
            after: how many events to leave out.
            seconds: how long to wait at most.
        """

        def look() -> dict[str, Any] | None:
            return next((event for event in self.events()[after:] if event["type"] == kind), None)

        return wait_until(look, f"event {kind} of {self.name}", seconds)

    def types_after(self, seen: int) -> list[str]:
        """Return the types of the events that came after those seen before.

        Args:
            seen: how many events to leave out.
        """
        return [event["type"] for event in self.events()[seen:]]

    def counted(self, name: str) -> int:
        """Return what the simulated server has counted so far.

        Args:
            name: a counter of the server's, such as `token_restarts`.
        """
        return int(json.loads(self.simulate("--json", "state"))["counters"].get(name, 0))
