"""Connect with ib_async as a strategy does and print what it got. Argument: PORT."""

import json
import sys

from ib_async import IB

ib = IB()
ib.connect("127.0.0.1", int(sys.argv[1]), clientId=31, timeout=20)
print(
    json.dumps(
        {
            "accounts": ib.managedAccounts(),
            "server_version": ib.client.serverVersion(),
            "time": ib.reqCurrentTime().timestamp(),
            "synchronised": ib.client.isReady(),
        }
    )
)
ib.disconnect()
