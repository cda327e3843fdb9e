"""SHA-256 of a small file, without loading OpenSSL for it: that would be a fifth of the launcher's memory."""

from __future__ import annotations

from pathlib import Path

try:  # hashlib's own fallback, built into Python
    from _sha2 import sha256  # Python 3.12 and later
except ImportError:
    try:
        from _sha256 import sha256
    except ImportError:
        from hashlib import sha256


def of(file: Path) -> str:
    """The hash in hex.

    Raises:
        OSError: the file cannot be read.
    """
    return sha256(file.read_bytes()).hexdigest()
