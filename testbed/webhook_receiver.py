#!/usr/bin/env python3
"""A stand-in for whatever receives alerts by HTTP: answers every request, records each as a JSON line."""

import argparse
import json
import os
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MAX_BODY = 1 << 20  # bytes; an alert is far smaller


def record(path: Path, entry: dict[str, Any]) -> None:
    """Append one line with a single write, so that parallel requests never mix.

    Args:
        path: the record.
        entry: what to write.
    """
    line = json.dumps(entry, ensure_ascii=False, separators=(",", ":")) + "\n"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def handler(path: Path) -> type[BaseHTTPRequestHandler]:
    """Make a request handler that records to a file.

    Args:
        path: the record.

    Returns:
        A handler class.
    """

    class Receiver(BaseHTTPRequestHandler):
        """Records every request and says that it was well received."""

        def _receive(self) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
            except ValueError:
                length = -1
            if not 0 <= length <= MAX_BODY:
                self.send_error(413)
                return
            body = self.rfile.read(length).decode("utf-8", "replace")
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            record(path, {"time": now, "path": self.path, "body": body})
            answer = b"{}\n"
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_PUT = do_GET = _receive  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Leave the journal to the services under test."""

    return Receiver


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on the loopback interface")
    parser.add_argument("--record", type=Path, required=True, help="file that gets one JSON line per request")
    options = parser.parse_args()
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(options.record)).serve_forever()


if __name__ == "__main__":
    main()
