"""A support bundle tells what is needed, and none of the secrets that the project knows."""

import base64
import io
import json
import re
import tarfile
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from harness.instance import Instance
from harness.site import Run
from testinfra.host import Host

CHANNELS = ("canary-77aa-token", "7000000001")
ACCOUNT = re.compile(rb"(?<![A-Za-z0-9])D?[UFI]\d{5,9}(?![A-Za-z0-9])")


def contents(archive: bytes) -> dict[str, bytes]:
    """The files of a bundle by their path inside its folder."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        files = {info.name.partition("/")[2]: tar.extractfile(info) for info in tar}
        return {name: file.read() for name, file in files.items() if file}


def forms(secret: str) -> list[bytes]:
    """A secret as it is, as JSON has it, in hex, and in base64 at its three alignments."""
    raw = secret.encode()
    found = [raw, json.dumps(secret)[1:-1].encode(), raw.hex().encode()]
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        found.append(encoded[(shift * 8 + 5) // 6 : len(encoded) - 4])
    return found


@pytest.fixture(scope="module")
def secrets(host: Host, instances: dict[str, Instance]) -> list[str]:
    """Everything secret on this host, a VNC password and the sessions' tokens among them."""
    shown = json.loads(host.check_output("ibgatewayctl vnc live --json"))
    found = [*CHANNELS, shown["password"]]
    for instance in instances.values():
        found += [instance.given["username"], instance.given["password"]]
    tokens = host.check_output("cat /var/lib/ibgateway/*/settings/*/autorestart* 2>/dev/null || true")
    return found + [line for line in tokens.splitlines() if len(line) > 8]


@pytest.fixture(scope="module")
def planted(host: Host, secrets: list[str]) -> Generator[None]:
    """Each secret where the bundle looks: among older events, and in a careless unit's journal."""
    text = " ".join(secrets) + " U1234567 198.51.100.7 2001:db8::7 https://hooks.example.org/T0/B0/x"
    event = {
        "time": "2026-01-01T00:00:00.000Z",
        "instance": "live",
        "type": "stuck",
        "detail": {"text": text},
    }
    older = "/var/lib/ibgateway/live/events.jsonl.1"
    for path, line in ((older, json.dumps(event, ensure_ascii=False)), ("/run/careless", text)):
        host.check_output("printf '%%s\\n' %s > %s", line, path)
    host.check_output("systemd-run --quiet --wait --unit=ibgateway-careless cat /run/careless")
    yield
    host.check_output("rm %s /run/careless", older)


def check(files: dict[str, bytes], secrets: list[str]) -> None:
    for name, data in files.items():
        for secret in secrets:
            assert not any(form in data for form in forms(secret)), f"{secret[:6]}… in {name}"
        assert not ACCOUNT.search(data), name
        for address in (b"198.51.100.7", b"2001:db8::7", b"hooks.example.org"):
            assert address not in data, name


def test_the_playbook_fetches_a_bundle_without_secrets(
    site: Callable[..., Run], planted: None, secrets: list[str], folder: Path
):
    run = site(playbook="playbooks/support_bundle.yml", bundle_directory=str(folder / "bundles"))

    assert (run.code, "Missing: {}" in run.output) == (0, True), run.output
    (file,) = (folder / "bundles").iterdir()
    files = contents(file.read_bytes())
    check(files, secrets)
    states = json.loads(files["status.json"])["instances"]
    assert {state["instance"]: state["state"] for state in states} == {"live": "ready", "paper": "ready"}
    assert b"login_submitted" in files["events/live.jsonl"]
    assert b"stuck" in files["events/live.jsonl"]
    assert b"CommandServerPort" in files["config/live/ibc.ini"]
    (careless,) = [line for line in files["journal/others.log"].splitlines() if b"ACCOUNT-" in line]
    for kind in (b"USERNAME-", b"PASSWORD-", b"ADDRESS-", b"IP-"):
        assert kind in careless
    assert {"doctor.txt", "versions.txt", "schedule.txt", "units/ibgateway@live.service.txt"} <= set(files)
    assert b"word for word" in files["README.txt"]


def test_nothing_of_it_stays_on_the_host(host: Host):
    assert host.check_output("find /var/tmp -name 'ibgateway-*'") == ""


def test_an_operator_without_root_makes_one_too(host: Host, instances: dict[str, Instance]):
    file = "/tmp/operators-bundle.tar.gz"
    made = host.run("cd / && runuser -u ops -- ibgatewayctl support-bundle --offline -o %s", file)
    assert made.rc == 0, made.stderr
    assert "Made without root" in made.stdout
    assert host.file(file).mode == 0o600
    host.check_output("rm %s", file)
    assert host.run("cd / && runuser -u nobody -- ibgatewayctl support-bundle -o /tmp/x").rc == 3
