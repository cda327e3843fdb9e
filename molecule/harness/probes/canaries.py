"""Look for secrets in every place they must not be, and print where each was found.

Arguments: the secrets, each hex-encoded, so that this program's own command line does not hold them. Prints
for each, in order: {"files": [PATH], "arguments": [PROCESS], "environments": [PROCESS], "journal": LINES}.
"""

import base64
import json
import mmap
import os
import stat
import subprocess
import sys
from pathlib import Path

NOT_FILES = ("/proc", "/sys", "/dev")


def forms(secret):
    """Return the bytes a secret may hide as: plain, and base64 at its three alignments."""
    yield secret
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + secret)
        yield encoded[(shift * 8 + 5) // 6 : len(encoded) - 4]


SECRETS = [list(forms(bytes.fromhex(word))) for word in sys.argv[1:]]
FOUND = [{"files": [], "arguments": [], "environments": [], "journal": 0} for _ in SECRETS]


def search(data):
    """Return the findings to add to: those of the secrets that bytes hold."""
    return [
        found
        for needles, found in zip(SECRETS, FOUND, strict=True)
        if any(data.find(needle) >= 0 for needle in needles)
    ]


def search_file(path, size):
    """Do the same with a file; size in bytes."""
    try:
        with path.open("rb") as file:
            if size == 0:  # may still have content, and cannot be mapped
                return search(file.read(1 << 20))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return search(data)
    except (OSError, ValueError):  # gone meanwhile
        return []


for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if str(Path(folder, name)) not in NOT_FILES]
    for name in names:
        path = Path(folder, name)
        try:
            about = path.lstat()
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode):
            for found in search_file(path, about.st_size):
                found["files"].append(str(path))

for process in Path("/proc").glob("[0-9]*"):
    for part, where in (("cmdline", "arguments"), ("environ", "environments")):
        try:
            for found in search((process / part).read_bytes()):
                found[where].append((process / "comm").read_text().strip())
        except OSError:  # ended meanwhile, or a kernel thread
            continue

journal = subprocess.run(
    ["journalctl", "--no-pager", "--output=export"], stdout=subprocess.PIPE, check=True
).stdout
for line in journal.split(b"\n"):
    for found in search(line):
        found["journal"] += 1
print(json.dumps(FOUND))
