"""Who can reach the ports: strategies on this machine can, everyone else cannot."""

import json
import shlex
import socket
import subprocess
import time

import pytest
from harness.handshake import server_version
from harness.instance import Instance, run_probe, unit_properties
from harness.wait import wait_until
from testinfra.host import Host

CLIENTS = "/opt/testbed/clients"


@pytest.mark.parametrize("library", ["ib_async_client", "ibapi_client"])
def test_api_clients_connect_from_inside(instance: Instance, library: str):
    seen = run_probe(instance.host, library, str(instance.ports["api"]), path=CLIENTS)
    account = {"live": "U", "paper": "DU"}[instance.given["mode"]]
    assert all(name.startswith(account) for name in seen["accounts"])
    assert seen["accounts"]
    assert seen["server_version"] >= 157
    assert abs(seen["time"] - time.time()) < 60


def addresses(host: Host) -> list[str]:
    """The host's own addresses as this controller can reach them; link-local ones with their zone."""
    found = []
    for link in json.loads(host.check_output("ip -json address")):
        for entry in link["addr_info"]:
            if entry["scope"] == "global":
                found.append(entry["local"])
            elif entry["family"] == "inet6" and entry["scope"] == "link":
                found.append(f"{entry['local']}%docker0")
    return found


def open_from_here(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=1):
            return True
    except OSError:
        return False


def test_ports_do_not_answer_outside(host: Host, instances: dict[str, Instance]):
    reachable = [address for address in addresses(host) if open_from_here(address, 22)]
    assert reachable, (
        "the controller reaches the host at none of its addresses, so this test would prove nothing"
    )
    # Gateway listens on every address, as the real one does; the firewall is what keeps others out.
    listening = host.check_output("ss -Hltn")
    assert all(f"*:{instance.ports['api']} " in listening for instance in instances.values())
    ports = [port for instance in instances.values() for port in instance.ports.values()]
    answering = [(address, port) for address in reachable for port in ports if open_from_here(address, port)]
    assert answering == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_only_allowed_users_get_the_api_on_loopback(instance: Instance, address: str):
    port = str(instance.ports["api"])
    assert "version" in run_probe(instance.host, "handshake", address, port, user="ops")
    refused = run_probe(instance.host, "handshake", address, port, user="nobody")
    assert "error" in refused, refused


def test_the_hosts_own_address_is_no_way_around(instance: Instance):
    port = str(instance.ports["api"])
    for address in addresses(instance.host):
        if "%" not in address:
            assert "version" in run_probe(instance.host, "handshake", address, port, user="ops")
            refused = run_probe(instance.host, "handshake", address, port, user="nobody")
            assert "error" in refused, (address, refused)


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


def test_nothing_but_ssh_and_the_guarded_api_listens_beyond_loopback(
    host: Host, instances: dict[str, Instance]
):
    # Read from ss itself: testinfra's is_listening takes a listener on every address for one on loopback.
    listening = [line.split()[3] for line in host.check_output("ss -Hltn").splitlines()]
    api = {instance.ports["api"] for instance in instances.values()}
    open_ports = {
        int(address.rsplit(":", 1)[1])
        for address in listening
        if not address.startswith(("127.", "[::1]", "[::ffff:127."))
    }
    assert open_ports - api == {22}


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


def test_the_display_is_out_of_reach_of_other_processes(instance: Instance):
    sockets = instance.host.file("/proc/net/unix").content_string
    assert f"/.X11-unix/X{instance.given['api_port']}" not in sockets


def test_the_firewall_is_loaded_and_comes_back_after_a_reboot(host: Host):
    assert host.check_output("systemctl is-active ibgateway-firewall.service") == "active"
    assert host.check_output("systemctl is-enabled ibgateway-firewall.service") == "enabled"


class TestForwardUser:
    """The optional ssh user that may open tunnels to the API ports and do nothing else."""

    @staticmethod
    def ssh(host: Host, *words: str) -> list[str]:
        variables = host.ansible.get_variables()
        # A connection of its own, as the shared one is another user's; of equal options the first counts.
        own = ["-o", "ControlPath=none", "-o", "BatchMode=yes", "-p", str(variables["ansible_port"])]
        common = shlex.split(host.backend.ssh_extra_args)
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
        wait_until(lambda: open_from_here("127.0.0.1", ends[0][0]), "the tunnel", 10)
        yield {"api": ends[0][0], "command": ends[1][0]}
        process.terminate()
        process.communicate()

    def test_it_reaches_the_api(self, tunnel: dict[str, int]):
        assert server_version("127.0.0.1", tunnel["api"]) >= 157

    def test_it_reaches_nothing_else(self, tunnel: dict[str, int]):
        with socket.create_connection(("127.0.0.1", tunnel["command"]), timeout=3) as link:
            link.sendall(b"HELLO\n")
            assert link.recv(64) == b""

    def test_it_has_no_shell(self, live: Instance):
        result = subprocess.run(
            [*self.ssh(live.host), "id"], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL
        )
        assert "uid=" not in result.stdout
        assert result.returncode != 0
