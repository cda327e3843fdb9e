"""Speak HTTP on the host: METHOD URL [JSON], print the answer's JSON.

With nothing but a socket: the tests ask several times a second, and urllib takes long to load.
"""

import json
import socket
import sys

method, url = sys.argv[1:3]
body = sys.argv[3] if len(sys.argv) > 3 else ""
address, _, path = url.removeprefix("http://").partition("/")
host, _, port = address.partition(":")
head = f"{method} /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {len(body.encode())}\r\n\r\n"
with socket.create_connection((host, int(port)), timeout=20) as link:
    link.sendall((head + body).encode())
    answer = b"".join(iter(lambda: link.recv(65536), b""))
status, _, rest = answer.partition(b"\r\n")
if b" 200 " not in status:
    sys.exit(answer.decode())
print(json.dumps(json.loads(rest.partition(b"\r\n\r\n")[2])))
