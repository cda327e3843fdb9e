"""What this machine knows about reaching packages, so that a disposable host reaches them the same way.

Nothing here names a server: mirrors, proxies, indexes and extra authorities are read from the machine.
"""

import configparser
import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

APT_DIR = Path("/etc/apt")
LOCAL_CAS = Path("/usr/local/share/ca-certificates")
SYSTEM_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
DEBIAN_SUITES = {"bookworm", "trixie", "forky", "sid", "stable", "testing", "oldstable", "unstable"}
# pip settings that make sense on another machine; find-links and constraints are files of this one.
PIP_KEYS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "default-timeout", "retries")
APT_KEYS = re.compile(
    r"^Acquire::(Check-Valid-Until|Check-Date|Retries|"
    r"https?::(Proxy|Timeout|Verify-Peer|Verify-Host)(::\S+)?) "
)
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def apt_mirrors(apt_dir: Path = APT_DIR) -> dict[str, str]:
    """Find the Debian mirrors that this machine uses.

    Args:
        apt_dir: the machine's apt configuration.

    Returns:
        "main" and "security" → URI, each only if the machine has it; empty on a machine that is no Debian.
    """
    mirrors: dict[str, str] = {}
    for uri, suite, components in _apt_entries(apt_dir):
        if not uri.startswith(("http://", "https://")) or "main" not in components:
            continue
        base, _, kind = suite.replace("/updates", "-security").partition("-")
        if base in DEBIAN_SUITES and kind in ("", "security"):
            mirrors.setdefault("security" if kind else "main", uri.rstrip("/"))
    return mirrors


def _apt_entries(apt_dir: Path) -> Iterable[tuple[str, str, list[str]]]:
    """Give (URI, suite, components) of every binary source, in both of apt's formats."""
    parts = apt_dir / "sources.list.d"
    lists = [apt_dir / "sources.list", *sorted(parts.glob("*.list"))]
    for path in (path for path in lists if path.is_file()):
        for line in path.read_text(errors="replace").splitlines():
            found = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)", line.strip())
            if found:
                yield found[1], found[2], found[3].split("#")[0].split()
    for path in sorted(parts.glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
            field = {
                key.lower(): value.split()
                for key, value in re.findall(r"^(\w[\w-]*):[ \t]*(.*(?:\n[ \t]+.*)*)", stanza, re.MULTILINE)
            }
            if "deb" in field.get("types", []) and field.get("enabled", ["yes"]) != ["no"]:
                for uri in field.get("uris", []):
                    for suite in field.get("suites", []):
                        yield uri, suite, field.get("components", [])


def apt_sources(release: str, mirrors: Mapping[str, str]) -> str | None:
    """Write a deb822 sources file for a release.

    Args:
        release: code name, such as trixie.
        mirrors: as apt_mirrors() gives.

    Returns:
        The file's text; None without a main mirror, in which case the image keeps its own sources.
    """
    if "main" not in mirrors:
        return None
    suites = [(mirrors["main"], f"{release} {release}-updates")]
    if "security" in mirrors:
        suites.append((mirrors["security"], f"{release}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {uri}\nSuites: {names}\nComponents: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
        for uri, names in suites
    )


def apt_settings(dump: str | None = None) -> str:
    """Take over how apt downloads: proxies, time-outs, checks of dates.

    Args:
        dump: output of `apt-config dump`; asked for when None.

    Returns:
        Text for a file in apt.conf.d, may be empty.
    """
    if dump is None:
        try:
            dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            dump = ""
    kept = [line for line in dump.splitlines() if APT_KEYS.match(line) and not _loopback_in(line)]
    return "".join(f"{line}\n" for line in kept)


def proxies(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Take over the proxy variables, but for a proxy that only this machine can reach.

    Args:
        environment: variables; this process's own when None.

    Returns:
        Variable → value.
    """
    source = os.environ if environment is None else environment
    kept = {
        name: source[name] for name in PROXY_VARIABLES if source.get(name) and not _loopback_in(source[name])
    }
    return kept if any("no_" not in name.lower() for name in kept) else {}


def pip_settings(files: Iterable[Path] | None = None, environment: Mapping[str, str] | None = None) -> str:
    """Take over where pip looks for packages, but for folders of this machine.

    Args:
        files: pip's configuration files, later ones win; the usual places when None.
        environment: variables, which win over files; this process's own when None.

    Returns:
        Text for /etc/pip.conf, empty when there is nothing to say.
    """
    source = os.environ if environment is None else environment
    places = _pip_files(source) if files is None else files
    found: dict[str, str] = {}
    for path in places:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except configparser.Error:
            continue
        for section in ("global", "install", "download"):
            if parser.has_section(section):
                found.update({k: v for k, v in parser.items(section) if k in PIP_KEYS})
    for key in PIP_KEYS:
        value = source.get("PIP_" + key.upper().replace("-", "_"))
        if value:
            found[key] = value
    lines = []
    for key, value in found.items():
        words = [
            word for word in value.split() if not word.startswith(("file:", "/")) and not _loopback_in(word)
        ]
        if words:
            lines.append(f"{key} = {' '.join(words)}")
    if ca_certificates(environment=source):
        # pip brings a bundle of its own, which does not know this machine's extra authorities.
        lines.append(f"cert = {SYSTEM_BUNDLE}")
    return "[global]\n" + "".join(f"{line}\n" for line in lines) if lines else ""


def _pip_files(environment: Mapping[str, str]) -> list[Path]:
    """Name pip's configuration files, least important first (pip's user guide, "Configuration")."""
    home = Path.home()
    xdg = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip/pip.conf",
        xdg / "pip/pip.conf",
    ]
    own = environment.get("PIP_CONFIG_FILE")
    return [*files, Path(own)] if own and own != os.devnull else files


def ca_certificates(
    local: Path = LOCAL_CAS, bundle: Path = SYSTEM_BUNDLE, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Find the certificate authorities that somebody added to this machine.

    Args:
        local: folder of locally added authorities.
        bundle: the system's bundle, which holds those and the usual ones.
        environment: variables that may name another bundle; this process's own when None.

    Returns:
        PEM texts, each once.
    """
    source = os.environ if environment is None else environment
    texts = [path.read_text(errors="replace") for path in sorted(local.glob("**/*.crt"))]
    others = {source[name] for name in CA_VARIABLES if source.get(name)} - {str(bundle)}
    texts += [Path(name).read_text(errors="replace") for name in sorted(others) if Path(name).is_file()]
    found: dict[str, None] = {}
    for text in texts:
        for block in re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL):
            found[block + "\n"] = None
    return list(found)


def _loopback_in(text: str) -> bool:
    """Tell whether a setting points at this machine itself, where a container's own loopback would answer."""
    words = re.findall(r"https?://[^\s\"';]+", text)
    return any(urlsplit(word).hostname in LOOPBACK for word in words)
