"""Print how an X server answers: {"bare": N, "cookie": N}, 1 = let in, 0 = refused.

Arguments: DISPLAY [XAUTHORITY]. Without XAUTHORITY only "bare" is tried: a client that shows no cookie.
Source of fact for the connection set-up: the X Window System Protocol, "Connection Setup"; for the file: the
Xau library's records.
"""

import json
import socket
import struct
import sys
from pathlib import Path

display = sys.argv[1]


def cookie(path):
    """Return the first record's cookie."""
    data = Path(path).read_bytes()
    fields, at = [], 2
    for _ in range(4):  # address, display, name, data
        (length,) = struct.unpack_from(">H", data, at)
        fields.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return fields[3]


def pad(text):
    """Fill up to a multiple of four bytes."""
    return text + b"\0" * (-len(text) % 4)


def answer(address, name=b"", data=b""):
    """Return the first byte of the server's answer to a client with this authorisation."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(5)
        try:
            link.connect(address)
        except PermissionError:
            return 0
        head = struct.pack("<cxHHHHxx", b"l", 11, 0, len(name), len(data))
        link.sendall(head + pad(name) + pad(data))
        return link.recv(1)[0]


listening = {
    line.split()[-1]
    for line in Path("/proc/net/unix").read_text().splitlines()
    # 00010000: it listens; accepted connections bear the same name.
    if line.endswith(f"/.X11-unix/X{display}") and line.split()[3] == "00010000"
}
addresses = [f"\0{name[1:]}" if name.startswith("@") else name for name in sorted(listening)]
if not addresses:
    sys.exit(f"no X server listens for display {display}")
result = {"bare": max(answer(address) for address in addresses)}
if len(sys.argv) > 2:
    result["cookie"] = max(
        answer(address, b"MIT-MAGIC-COOKIE-1", cookie(sys.argv[2])) for address in addresses
    )
print(json.dumps(result))
