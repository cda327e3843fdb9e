"""The Java command that runs one Gateway under IBC: what IBC's `ibcstart.sh` builds, without its loop.

`tests/launcher/test_javacmd.py` runs the distribution's own script with a stand-in for `java` and compares.
"""

from __future__ import annotations

import os
import re
from html import unescape
from pathlib import Path

from .exitcodes import ConfigurationInvalid
from .instance import Instance

ENTRY_POINT = "ibcalpha.ibc.IbcGateway"
SYSTEM_JAVA = Path("/usr/bin/java")

# What upstream IBC 3.24.1 opens for Java 9 and later (scripts/ibcstart.sh); Java ignores modules it lacks.
UPSTREAM_MODULES = (
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-exports=java.base/sun.util=ALL-UNNAMED",
    "--add-exports=java.desktop/com.sun.java.swing.plaf.motif=ALL-UNNAMED",
    "--add-opens=java.desktop/java.awt=ALL-UNNAMED",
    "--add-opens=java.desktop/java.awt.dnd=ALL-UNNAMED",
    "--add-opens=java.desktop/javax.swing=ALL-UNNAMED",
    "--add-opens=java.desktop/javax.swing.event=ALL-UNNAMED",
    "--add-opens=java.desktop/javax.swing.plaf.basic=ALL-UNNAMED",
    "--add-opens=java.desktop/javax.swing.table=ALL-UNNAMED",
    "--add-opens=java.desktop/sun.awt=ALL-UNNAMED",
    "--add-exports=java.desktop/sun.awt.X11=ALL-UNNAMED",
    "--add-exports=java.desktop/sun.swing=ALL-UNNAMED",
    "--add-opens=javafx.graphics/com.sun.javafx.application=ALL-UNNAMED",
    "--add-exports=javafx.media/com.sun.media.jfxmedia=ALL-UNNAMED",
    "--add-exports=javafx.media/com.sun.media.jfxmedia.events=ALL-UNNAMED",
    "--add-exports=javafx.media/com.sun.media.jfxmedia.locator=ALL-UNNAMED",
    "--add-exports=javafx.media/com.sun.media.jfxmediaimpl=ALL-UNNAMED",
    "--add-exports=javafx.web/com.sun.javafx.webkit=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
)

_FIXED = (
    "-Dtwslaunch.autoupdate.serviceImpl=com.ib.tws.twslaunch.install4j.Install4jAutoUpdateService",
    "-Dchannel=latest",
    "-Dexe4j.isInstall4j=true",
    "-Dinstall4jType=standalone",
)
_JAVA_OPTIONS = re.compile(r'<variable name="javaOptions"[^>]*?value="([^"]*)"')
_JXBROWSER = re.compile(r'DjxBrowserKey=([^" ]+)')
# Options another Java tool could slip in through the environment; IBC's script blanks the first one.
_JAVA_ENVIRONMENT = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")
_OURS_ONLY = ("NOTIFY_SOCKET", "CREDENTIALS_DIRECTORY", "WATCHDOG_PID", "WATCHDOG_USEC")


class JavaCommand:
    """A command ready to run: its arguments, its session id and whether it resumes a saved session."""

    __slots__ = ("argv", "resumes", "session_id")

    def __init__(self, argv: list[str], session_id: str, resumes: bool) -> None:
        self.argv = argv
        self.session_id = session_id
        self.resumes = resumes


def build(instance: Instance, config_ini: Path, tokens: list[Path]) -> JavaCommand:
    """Build the command.

    Args:
        instance: whose Gateway.
        config_ini: the composed IBC configuration (no credential is ever an argument).
        tokens: the saved tokens found; exactly one is resumed.

    Returns:
        the command.

    Raises:
        ConfigurationInvalid: something of the installation is missing; the message says what and the remedy.
    """
    program = instance.program_dir
    _check_installation(instance)
    session_id = os.urandom(4).hex()
    argv = [str(find_java(instance))]
    parameters = _read_lenient(program / ".install4j" / "i4jparams.conf")
    takes_installer_options = "javaOptions" in _read_lenient(instance.ibc_dir / "scripts" / "ibcstart.sh")
    if takes_installer_options:
        # This engine takes what the installer wrote for its own launcher, jxBrowserKey included.
        found = _JAVA_OPTIONS.search(parameters)
        argv += unescape(found.group(1)).split() if found else []
    else:
        argv += UPSTREAM_MODULES
    argv += ["-cp", classpath(instance)]
    argv += vm_options(instance)
    argv += _FIXED
    argv += [f"-DjtsConfigDir={instance.settings_dir}", f"-Dibcsessionid={session_id}"]
    if not takes_installer_options and (key := _JXBROWSER.search(parameters)):
        # Passkey logins render in an embedded browser that wants this installation's licence key.
        argv.append(f"-DjxBrowserKey={key.group(1)}")
    resumes = len(tokens) == 1
    if resumes:
        argv.append(f"-Drestart={tokens[0].parent.name}")
    argv += [ENTRY_POINT, str(config_ini), instance.mode]
    return JavaCommand(argv, session_id, resumes)


def classpath(instance: Instance) -> str:
    """Every jar of the program in name order, the installer's runtime (may be absent), IBC's jar last."""
    jars = sorted(str(jar) for jar in (instance.program_dir / "jars").glob("*.jar"))
    jars.append(f"{instance.program_dir}/.install4j/i4jruntime.jar")
    jars.append(f"{instance.ibc_dir}/IBC.jar")
    return ":".join(jars)


def vm_options(instance: Instance) -> list[str]:
    """The program's own VM options without comments and `-D` lines, with this instance's heap."""
    options = []
    for raw in (
        (instance.program_dir / "ibgateway.vmoptions")
        .read_text(encoding="utf-8", errors="replace")
        .splitlines()
    ):
        line = raw.strip()
        if line and not line.startswith(("#", "-D", "-Xmx")):
            options.append(line)
    return [f"-Xmx{instance.heap}m", *options]


def find_java(instance: Instance) -> Path:
    """Find the Java that runs this Gateway.

    Args:
        instance: `java_source` says whether the installer's Java or Debian's is used.

    Returns:
        the path of the `java` executable.

    Raises:
        ConfigurationInvalid: there is none, or Debian's is a headless one.
    """
    if instance.java_source == "debian":
        return _system_java()
    install4j = instance.program_dir / ".install4j"
    tried = []
    for candidate in (
        _configured_jre(install4j / "pref_jre.cfg"),
        _configured_jre(install4j / "inst_jre.cfg"),
        instance.program_dir / "jre",
    ):
        if candidate is None:
            continue
        java = candidate / "bin" / "java"
        if os.access(java, os.X_OK):
            return java
        tried.append(str(java))
    raise ConfigurationInvalid(
        f"no Java came with Gateway {instance.gateway_version} (looked for {', '.join(tried)}): "
        "set java_source to debian, or install this release again"
    )


def environment(base: dict[str, str]) -> dict[str, str]:
    """Java's environment: ours without what could change Java's options and what only concerns us."""
    return {key: value for key, value in base.items() if key not in _JAVA_ENVIRONMENT + _OURS_ONLY}


def _system_java() -> Path:
    if not os.access(SYSTEM_JAVA, os.X_OK):
        raise ConfigurationInvalid(
            f"{SYSTEM_JAVA} is missing: run the playbook again (java_source is debian)"
        )
    java = SYSTEM_JAVA.resolve()
    if not (java.parent.parent / "lib" / "libawt_xawt.so").exists():
        raise ConfigurationInvalid(
            f"{java} is a headless Java, IB Gateway needs a display: install the full JRE"
        )
    return java


def _configured_jre(file: Path) -> Path | None:
    lines = _read_lenient(file).splitlines()
    return Path(lines[0].strip()) if lines and lines[0].strip() else None


def _check_installation(instance: Instance) -> None:
    program, version = instance.program_dir, instance.gateway_version
    for needed in (program / "jars", program / "ibgateway.vmoptions"):
        if not needed.exists():
            raise ConfigurationInvalid(
                f"Gateway {version} is not installed ({needed} is missing): run the playbook again"
            )
    jar = instance.ibc_dir / "IBC.jar"
    if not jar.is_file():
        raise ConfigurationInvalid(
            f"IBC {instance.ibc_version} is not installed ({jar} is missing): run the playbook again"
        )
    if not os.access(instance.settings_dir, os.W_OK | os.X_OK):
        raise ConfigurationInvalid(
            f"{instance.settings_dir} is missing or not writable for this service: run the playbook again"
        )
    if (program / "ibgateway").exists():
        # Gateway's own auto-restart would start a second Gateway through it, outside IBC.
        raise ConfigurationInvalid(
            f"{program}/ibgateway must be renamed to ibgateway1: run the playbook again"
        )


def _read_lenient(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
