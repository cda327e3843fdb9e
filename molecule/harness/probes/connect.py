"""Print whether a connection is made: {"connected": true} or {"error": TEXT}. Arguments: ADDRESS PORT."""

import json
import socket
import sys

try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3).close()
    print(json.dumps({"connected": True}))
except OSError as error:
    print(json.dumps({"error": str(error)}))
