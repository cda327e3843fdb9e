"""Connect with IBKR's own client and print what it got. Argument: PORT."""

import json
import sys
import threading

from ibapi.client import EClient
from ibapi.wrapper import EWrapper


class Client(EWrapper, EClient):
    """Collects the answers and hangs up after the last one."""

    def __init__(self):
        EClient.__init__(self, self)
        self.seen = {}

    def managedAccounts(self, accountsList):  # noqa: N802, N803 - ibapi's names
        """Keep the accounts."""
        self.seen["accounts"] = accountsList.split(",")

    def nextValidId(self, orderId):  # noqa: N802, N803
        """The connection is complete: ask for the time."""
        self.seen["next_order"] = orderId
        self.reqCurrentTime()

    def currentTime(self, time):  # noqa: N802
        """The last answer: hang up."""
        self.seen["time"] = time
        self.seen["server_version"] = self.serverVersion()
        self.disconnect()


client = Client()
client.connect("127.0.0.1", int(sys.argv[1]), clientId=32)
# ibapi has no time-outs of its own.
watchdog = threading.Timer(20, client.disconnect)
watchdog.daemon = True
watchdog.start()
client.run()
print(json.dumps(client.seen))
