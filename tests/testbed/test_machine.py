"""A host reaches packages as this machine does, but for what only this machine can reach."""

import textwrap
from pathlib import Path

import pytest

from testbed.lib import machine

CERTIFICATE = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def apt(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        path = tmp_path / name.replace("__", "/").replace("_list", ".list").replace("_sources", ".sources")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


ONE_LINE = """\
    # deb http://commented.example/debian bookworm main
    deb [arch=amd64 signed-by=/k.gpg] http://main.example/debian bookworm main contrib # a comment
    deb-src http://source.example/debian bookworm main
    deb http://security.example/debian-security bookworm-security main
    deb http://vendor.example/apt stable vendor
"""
DEB822 = """\
    Types: deb
    URIs: http://main.example/debian/
    Suites: trixie trixie-updates
    Components: main
    Signed-By:
     -----BEGIN PGP PUBLIC KEY BLOCK-----
     .
     -----END PGP PUBLIC KEY BLOCK-----

    Types: deb
    URIs: http://security.example/debian-security
    Suites: trixie-security
    Components: main

    Enabled: no
    Types: deb
    URIs: http://off.example/debian
    Suites: bookworm
    Components: main
"""


@pytest.mark.parametrize(
    "files",
    [{"sources_list": ONE_LINE}, {"sources.list.d__debian_sources": DEB822}],
    ids=["one-line", "deb822"],
)
def test_mirrors_are_found_in_both_formats(tmp_path, files):
    assert machine.apt_mirrors(apt(tmp_path, **files)) == {
        "main": "http://main.example/debian",
        "security": "http://security.example/debian-security",
    }


def test_a_machine_that_is_no_debian_has_none(tmp_path):
    line = "deb http://archive.example/ubuntu noble{} main\n"
    ubuntu = line.format("") + line.format("-security")
    mirrors = machine.apt_mirrors(apt(tmp_path, sources_list=ubuntu))
    assert mirrors == {}
    assert machine.apt_sources("trixie", mirrors) is None


def test_sources_name_the_other_release_on_the_same_mirrors(tmp_path):
    text = machine.apt_sources("trixie", machine.apt_mirrors(apt(tmp_path, sources_list=ONE_LINE)))
    assert "URIs: http://main.example/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://security.example/debian-security\nSuites: trixie-security\n" in text
    assert "bookworm" not in text


def test_apt_settings_keep_how_it_downloads_and_drop_a_local_proxy():
    dump = textwrap.dedent("""\
        APT::Architecture "amd64";
        Acquire::Check-Valid-Until "false";
        Acquire::http::Proxy "http://proxy.example:3128";
        Acquire::http::Proxy::intern.example "DIRECT";
        Acquire::https::Proxy "http://127.0.0.1:3142";
        Acquire::Languages "none";
    """)
    assert machine.apt_settings(dump).splitlines() == [
        'Acquire::Check-Valid-Until "false";',
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http::Proxy::intern.example "DIRECT";',
    ]


def test_proxies_of_this_machine_itself_are_not_passed_on():
    proxy = {"https_proxy": "http://proxy.example:3128", "no_proxy": "intern.example", "HOME": "/root"}
    assert machine.proxies(proxy) == {key: proxy[key] for key in ("https_proxy", "no_proxy")}
    assert machine.proxies({"http_proxy": "http://localhost:3128", "no_proxy": "x"}) == {}


@pytest.fixture
def no_extra_authority(monkeypatch):
    monkeypatch.setattr(machine, "ca_certificates", lambda **_: [])


@pytest.mark.usefixtures("no_extra_authority")
def test_pip_keeps_indexes_and_drops_folders_of_this_machine(tmp_path):
    first, second = tmp_path / "1.conf", tmp_path / "2.conf"
    first.write_text("[global]\nindex-url = https://old.example/simple\nfind-links = /opt/wheels\n")
    second.write_text(
        "[global]\nindex-url = https://new.example/simple\nconstraint = /etc/constraints.txt\n"
        "extra-index-url = file:///opt/index/simple https://more.example/simple\n[list]\nformat = columns\n"
    )
    environment = {"PIP_TIMEOUT": "60", "PIP_FIND_LINKS": "/opt/wheels", "PIP_TRUSTED_HOST": "new.example"}
    assert machine.pip_settings([first, second], environment).splitlines() == [
        "[global]",
        "index-url = https://new.example/simple",
        "extra-index-url = https://more.example/simple",
        "trusted-host = new.example",
        "timeout = 60",
    ]


@pytest.mark.usefixtures("no_extra_authority")
def test_pip_says_nothing_where_nothing_is_set(tmp_path):
    broken = tmp_path / "broken.conf"
    broken.write_text("this is no configuration")
    assert machine.pip_settings([broken, tmp_path / "none.conf"], {}) == ""


def test_an_extra_authority_makes_pip_use_the_systems_bundle(monkeypatch):
    monkeypatch.setattr(machine, "ca_certificates", lambda **_: ["PEM"])
    assert machine.pip_settings([], {}) == f"[global]\ncert = {machine.SYSTEM_BUNDLE}\n"


def test_certificates_are_collected_once_each(tmp_path):
    local, bundle = tmp_path / "local", tmp_path / "bundle.crt"
    local.mkdir()
    (local / "a.crt").write_text("a comment\n" + CERTIFICATE.format("AAAA"))
    bundle.write_text(CERTIFICATE.format("AAAA") + CERTIFICATE.format("BBBB"))
    environment = {"PIP_CERT": str(bundle), "SSL_CERT_FILE": str(tmp_path / "gone.crt")}
    found = machine.ca_certificates(local, Path("/etc/system.crt"), environment)
    assert found == [CERTIFICATE.format("AAAA"), CERTIFICATE.format("BBBB")]
    # The system's own bundle is on every host already.
    assert machine.ca_certificates(tmp_path / "none", bundle, {"PIP_CERT": str(bundle)}) == []
