"""An API server of another version: PORT VERSION, until this is ended."""

import socket
import struct
import sys

port, version = map(int, sys.argv[1:])
answer = f"{version}\00020260101 00:00:00 UTC\0".encode()
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        link, _ = server.accept()
        link.sendall(struct.pack(">I", len(answer)) + answer)
        link.close()
