"""Look for secrets in every place they must not be, and print where each was found.

Arguments: the secrets, each hex-encoded, so that this program's own command line does not hold them.
Prints {"files": {PATH: [OCTAL MODE, OWNER]}, "arguments": [...], "environments": [...], "journal": N LINES}.
"""

import base64
import json
import mmap
import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path

NOT_FILES = ("/proc", "/sys", "/dev")


def forms(secret):
    """Return the bytes a secret may hide as: plain, wide characters, base64 at its three alignments."""
    yield from (secret, secret.decode().encode("utf-16-le"), secret.decode().encode("utf-16-be"))
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        yield encoded[(shift * 8 + 5) // 6 : len(encoded) - 4]


needles = [form for word in sys.argv[1:] for form in forms(bytes.fromhex(word))]


def holds(data):
    """Say whether bytes hold a secret in any form."""
    return any(data.find(needle) >= 0 for needle in needles)


def file_holds(path, size):
    """Say whether a file holds a secret; size in bytes."""
    try:
        with path.open("rb") as file:
            if size == 0:  # may still have content, and cannot be mapped
                return holds(file.read(1 << 20))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return holds(data)
    except (OSError, ValueError):  # gone meanwhile
        return False


files = {}
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if str(Path(folder, name)) not in NOT_FILES]
    for name in names:
        path = Path(folder, name)
        try:
            about = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode) and file_holds(path, about.st_size):
            files[str(path)] = [f"{stat.S_IMODE(about.st_mode):04o}", pwd.getpwuid(about.st_uid).pw_name]

found = {"cmdline": [], "environ": []}
for process in Path("/proc").glob("[0-9]*"):
    for part, where in found.items():
        try:
            if holds((process / part).read_bytes()):
                where.append((process / "comm").read_text().strip())
        except OSError:  # ended meanwhile, or a kernel thread
            continue

journal = subprocess.run(
    ["journalctl", "--no-pager", "--output=export"], stdout=subprocess.PIPE, check=True
).stdout
lines = [line.decode(errors="replace")[:300] for line in journal.split(b"\n") if holds(line)]
print(
    json.dumps(
        {
            "files": files,
            "arguments": found["cmdline"],
            "environments": found["environ"],
            "journal": len(lines),
        }
    )
)
