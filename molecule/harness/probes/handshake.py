"""Print whether the API answers this user: {"version": N} or {"error": TEXT}. Arguments: ADDRESS PORT."""

import json
import socket
import struct
import sys

address, port = sys.argv[1], int(sys.argv[2])
try:
    with socket.create_connection((address, port), timeout=3) as link:
        link.sendall(b"API\0" + struct.pack(">I", 9) + b"v100..187")
        print(json.dumps({"version": int(link.recv(256)[4:].split(b"\0")[0])}))
except (OSError, ValueError) as error:
    print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
