"""Who can reach the ports: strategies on this machine can, everyone else cannot."""

import json
import os
import shlex
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness.handshake import server_version
from harness.instance import PROBES, Instance, run_probe, unit_properties
from harness.wait import wait_until
from testinfra.host import Host

CLIENTS = "/opt/testbed/clients"
UNGUARDED = 4999


@pytest.mark.parametrize("library", ["ib_async_client", "ibapi_client"])
def test_api_clients_connect_from_inside(instance: Instance, library: str):
    seen = run_probe(instance.host, library, str(instance.ports["api"]), path=CLIENTS)
    account = {"live": "U", "paper": "DU"}[instance.given["mode"]]
    assert all(name.startswith(account) for name in seen["accounts"])
    assert seen["accounts"]
    assert seen["server_version"] >= 157
    assert abs(seen["time"] - time.time()) < 60


def addresses(host: Host) -> list[str]:
    """The host's own addresses beyond loopback, v4 and v6; link-local ones without their zone."""
    links = json.loads(host.check_output("ip -json address"))
    return [entry["local"] for link in links for entry in link["addr_info"] if entry["scope"] != "host"]


def from_here(address: str) -> str:
    """An address of the host as this controller reaches it."""
    return f"{address}%docker0" if address.startswith("fe80:") else address


def answering(addresses: list[str], ports: list[int]) -> list[tuple[str, int]]:
    """The ports that this controller can connect to; asked together, as a dropped packet costs a second."""
    ways = [(address, port) for address in addresses for port in ports]
    with ThreadPoolExecutor(len(ways)) as pool:
        return [
            way for way, open_ in zip(ways, pool.map(lambda way: answers(*way), ways), strict=True) if open_
        ]


def answers(address: str, port: int) -> bool:
    try:
        with socket.create_connection((from_here(address), port), timeout=1):
            return True
    except OSError:
        return False


def test_only_allowed_users_get_the_api(instance: Instance):
    port = str(instance.ports["api"])
    assert "version" in run_probe(instance.host, "handshake", "127.0.0.1", port, user="ops")
    assert "error" in run_probe(instance.host, "handshake", "127.0.0.1", port, user="nobody")


@pytest.fixture(scope="class")
def listeners(host: Host, instances: dict[str, Instance]):
    """Have something listen on every port of every address: a closed one is then the firewall's work."""
    ports = [port for instance in instances.values() for port in instance.ports.values()]
    command = ["python3", "-c", (PROBES / "listen.py").read_text(), *map(str, [UNGUARDED, *ports])]
    host.check_output("systemd-run --quiet --unit=molecule-listen " + shlex.join(command))
    wait_until(lambda: "connected" in run_probe(host, "connect", "::1", str(UNGUARDED)), "the listeners", 10)
    yield ports
    host.run("systemctl stop molecule-listen")


class TestFirewall:
    """What the firewall does, whatever listens."""

    def test_ports_do_not_answer_outside(self, host: Host, listeners: list[int]):
        reachable = [address for address, _ in answering(addresses(host), [UNGUARDED])]
        assert reachable, "this controller reaches none of the host's addresses: it would prove nothing"
        assert answering(reachable, listeners) == []

    @pytest.mark.usefixtures("listeners")
    def test_no_address_of_the_host_is_a_way_around(self, host: Host, instance: Instance):
        ways = [
            "127.0.0.1",
            "::1",
            *(address for address in addresses(host) if not address.startswith("fe80:")),
        ]
        for port in map(str, instance.ports.values()):
            users = ["root", "nobody"] if port != str(instance.ports["api"]) else ["root", "ops", "nobody"]
            for address in ways:
                got = {
                    user: "connected" in run_probe(host, "connect", address, port, user=user)
                    for user in users
                }
                assert got == {user: user != "nobody" for user in users}, (address, port)


def command_answer(instance: Instance, user: str) -> str:
    # An unknown word gets an error and changes nothing.
    talk = (
        f"exec 3<>/dev/tcp/127.0.0.1/{instance.ports['command']} && echo HELLO >&3 && timeout 2 head -n 1 <&3"
    )
    command = ["runuser", "-u", user, "--", "bash", "-c", talk]
    return instance.host.run("cd / && " + shlex.join(command)).stdout


def test_ibc_takes_commands_only_from_its_own_user_and_root(instance: Instance):
    assert "Command invalid" in command_answer(instance, "root")
    assert command_answer(instance, "ops") == ""
    assert command_answer(instance, "nobody") == ""


def test_nothing_but_ssh_listens_beyond_loopback(host: Host):
    # Read from ss itself: testinfra's is_listening takes a listener on every address for one on loopback.
    listening = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    local = ("127.", "[::1]", "[::ffff:127.")
    assert {int(end.rsplit(":", 1)[1]) for end in listening if not end.startswith(local)} == {22}


def test_the_display_has_no_tcp_port(instance: Instance):
    listening = instance.host.check_output("ss -Hltnp")
    assert "Xvfb" not in listening


def test_the_display_refuses_who_has_no_cookie(instance: Instance):
    number = str(instance.given["api_port"])
    pid = int(unit_properties(instance.host, f"ibgateway-display@{instance.name}.service")["MainPID"])
    stranger = run_probe(instance.host, "display", number, user="nobody", inside=pid)
    assert stranger == {"bare": 0}
    # Its own user needs the cookie as well, and gets in with it.
    cookie = f"/run/ibgateway/{instance.name}/Xauthority"
    own = run_probe(instance.host, "display", number, cookie, user="ibgateway", inside=pid)
    assert own == {"bare": 0, "cookie": 1}


def test_the_display_is_out_of_reach_of_other_processes(host: Host):
    listening = [line.split()[-1] for line in host.check_output("ss -Hlx").splitlines()]
    assert "X11" not in "".join(listening)


def test_the_firewall_is_loaded_and_comes_back_after_a_reboot(host: Host):
    assert host.check_output("systemctl is-active ibgateway-firewall.service") == "active"
    assert host.check_output("systemctl is-enabled ibgateway-firewall.service") == "enabled"


def end_of(link: socket.socket) -> bytes:
    """What comes before the other side hangs up, politely or not."""
    try:
        link.sendall(b"HELLO\n")
        return link.recv(64)
    except ConnectionError:
        return b""


class TestForwardUser:
    """The optional ssh user that may open tunnels to the API ports and do nothing else."""

    @staticmethod
    def ssh(host: Host, *words: str) -> list[str]:
        variables = host.ansible.get_variables()
        # A connection of its own, as the shared one is another user's; of equal options the first counts.
        own = ["-o", "ControlPath=none", "-o", "BatchMode=yes", "-p", str(variables["ansible_port"])]
        common = shlex.split(os.environ["ANSIBLE_SSH_COMMON_ARGS"])
        return ["ssh", *own, *common, *words, f"ibgateway-forward@{variables['ansible_host']}"]

    @pytest.fixture
    def tunnel(self, live: Instance):
        """Local ports that lead to live's API and to its command port."""
        ends = []
        for port in (live.ports["api"], live.ports["command"]):
            with socket.create_server(("127.0.0.1", 0)) as free:
                ends.append((free.getsockname()[1], port))
        forwards = [word for here, there in ends for word in ("-L", f"127.0.0.1:{here}:127.0.0.1:{there}")]
        command = self.ssh(live.host, "-N", *forwards, "-o", "ExitOnForwardFailure=yes")
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait_until(lambda: answers("127.0.0.1", ends[0][0]), "the tunnel", 10)
        yield {"api": ends[0][0], "command": ends[1][0]}
        process.terminate()
        process.communicate()

    def test_it_reaches_the_api(self, tunnel: dict[str, int]):
        assert server_version("127.0.0.1", tunnel["api"]) >= 157

    def test_it_reaches_nothing_else(self, tunnel: dict[str, int]):
        with socket.create_connection(("127.0.0.1", tunnel["command"]), timeout=3) as link:
            link.settimeout(3)
            assert end_of(link) == b""

    def test_it_has_no_shell(self, live: Instance):
        result = subprocess.run(
            [*self.ssh(live.host), "id"], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
        assert "uid=" not in result.stdout
        assert result.returncode != 0
