"""Connect to an instance as a trading program does and say what came back.

Runs on the VPS; argument: PORT.
"""

import sys

from ib_async import IB


def main(port: int) -> None:
    """Connect, ask, disconnect.

    Args:
        port: the instance's API port.
    """
    ib = IB()
    ib.connect("127.0.0.1", port, clientId=7, timeout=20, readonly=True)
    accounts, version = ", ".join(ib.managedAccounts()), ib.client.serverVersion()
    print(f"port {port}: server version {version}, account {accounts}, time {ib.reqCurrentTime()}")
    ib.disconnect()


try:
    main(int(sys.argv[1]))
except (OSError, TimeoutError) as error:
    sys.exit(f"the API did not answer: {error}")
