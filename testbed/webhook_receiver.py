#!/usr/bin/env python3
"""A stand-in for whatever receives alerts by HTTP: answers every request, records each as a JSON line.

A test may script failures: POST /.script with what `Script.obey` takes.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from scripted import Script, obeyed, record, reset

MAX_BODY = 1 << 20  # bytes; an alert is far smaller


def handler(path: Path) -> type[BaseHTTPRequestHandler]:
    """Make a request handler that records to a file.

    Args:
        path: the record.

    Returns:
        A handler class.
    """
    script = Script()

    class Receiver(BaseHTTPRequestHandler):
        """Records every request and says that it was well received, unless a script says otherwise."""

        def _receive(self) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
            except ValueError:
                length = -1
            if not 0 <= length <= MAX_BODY:
                self.send_error(413)
                return
            body = self.rfile.read(length).decode("utf-8", "replace")
            if self.path == "/.script":
                script.obey(json.loads(body))
                self._answer(200)
                return
            plan, clears = script.next("*")
            if obeyed(plan):
                record(path, {"path": self.path, "body": body})
            script.hang(plan.get("hang", 0), clears)
            if "hang" in plan or "reset" in plan:
                self.close_connection = True
                reset(self.connection)
            else:
                self._answer(plan.get("status", 200), plan.get("retry_after"))

        def _answer(self, status: int, retry_after: int | None = None) -> None:
            answer = b"{}\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            if retry_after is not None:
                self.send_header("Retry-After", str(retry_after))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_PUT = do_GET = _receive  # noqa: N815 - http.server's names

        def finish(self) -> None:
            """Whoever asked may be gone, or was thrown out."""
            try:
                super().finish()
            except OSError:
                self.connection.close()

        def log_message(self, *_: object) -> None:
            """Leave the journal to the services under test."""

    return Receiver


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--port", type=int, required=True, help="port on the loopback interface")
    parser.add_argument("--record", type=Path, required=True, help="file that gets one JSON line per request")
    options = parser.parse_args()
    ThreadingHTTPServer(("127.0.0.1", options.port), handler(options.record)).serve_forever()


if __name__ == "__main__":
    main()
