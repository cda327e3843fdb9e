"""Hold API client ids: PORT FIRST LAST, for a minute."""

import socket
import struct
import sys
import time

port, first, last = map(int, sys.argv[1:])
links = []
for number in range(first, last + 1):
    link = socket.create_connection(("127.0.0.1", port), timeout=5)
    link.sendall(b"API\0" + struct.pack(">I", 9) + b"v100..187")
    link.recv(256)
    body = f"71\0002\0{number}\0\0".encode()
    link.sendall(struct.pack(">I", len(body)) + body)
    links.append(link)
print("held", flush=True)
time.sleep(60)
