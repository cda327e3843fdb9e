"""`ibgatewayctl vnc NAME`: shows Gateway's windows to somebody who must type into them."""

from __future__ import annotations

import getpass
import os
import socket

from . import ctl_codes
from .ctl_host import CtlError, Host, manage, unit_state
from .vnc import PASSWORD


def show(host: Host, name: str, say) -> dict:
    """Start the display's server and say how to get there.

    Args:
        host: this host.
        name: a known instance.
        say: a Teller.

    Returns:
        for scripts: instance, port, ssh (the command), password.

    Raises:
        CtlError: no display, not permitted, or it did not start.
    """
    instance = host.instance(name)
    unit = f"ibgateway-vnc@{name}.service"
    if unit_state(f"ibgateway-display@{name}.service")["active_state"] != "active":
        raise CtlError(f"{name} has no display now: `ibgatewayctl start {name}` first")
    if unit_state(unit)["active_state"] == "failed":
        manage("reset-failed", unit)
    manage("start", unit, wait=True)
    try:
        password = (instance.run_dir / PASSWORD).read_text(encoding="ascii").strip()
    except PermissionError:
        raise CtlError(
            f"the password of {name}'s display is not readable for this user: use sudo",
            ctl_codes.NOT_PERMITTED,
        ) from None
    except OSError:
        raise CtlError(f"the display's server has ended already: see `systemctl status {unit}`") from None
    port = instance.vnc_port
    user = os.environ.get("SUDO_USER") or getpass.getuser()
    ssh = f"ssh -N -L {port}:127.0.0.1:{port} {user}@{socket.gethostname()}"
    say(f"on your computer:  {ssh}")
    say(f"then a VNC viewer: 127.0.0.1:{port} (vncviewer 127.0.0.1::{port})")
    say(f"password:          {password}")
    say(f"it ends by itself; sooner with `systemctl stop {unit}`, and then the password is void")
    return {"instance": name, "port": port, "ssh": ssh, "password": password}
