"""Are the instance's ports free? Gateway and IBC only log that one is not, and go on without it."""

from __future__ import annotations

import socket

from .exitcodes import ConfigurationInvalid
from .instance import Instance


def require_free(instance: Instance) -> None:
    """Refuse a start that would come up without its API, or whose STOP would reach somebody else.

    Args:
        instance: whose API and command ports.

    Raises:
        ConfigurationInvalid: a port is in use; the message names it and how to see by whom.
    """
    for key in ("api_port", "command_port"):
        port = getattr(instance, key)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
            # As servers do, or a connection still in TIME_WAIT would look like a listener.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError as error:
                raise ConfigurationInvalid(
                    f"port {port} ({key}) cannot be used ({error.strerror}): see `ss -ltnp sport = :{port}`, "
                    f"stop that program or set another {key}"
                ) from None
