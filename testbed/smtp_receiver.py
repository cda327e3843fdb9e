#!/usr/bin/env python3
"""A stand-in for a mail server: takes every mail on 127.0.0.1, records each as a JSON line.

It speaks as much of RFC 5321 as a client needs that neither signs in nor encrypts. With `--answer 451` it
refuses every mail.
"""

import argparse
import re
import socketserver
from email import message_from_bytes, policy
from pathlib import Path

from scripted import record

MOST = 12 << 20  # bytes of one mail
_ADDRESS = re.compile(r"<([^>]*)>")


def handler(path: Path, answer: int = 250) -> type[socketserver.StreamRequestHandler]:
    """Make the class that talks with one client.

    Args:
        path: the record.
        answer: what every mail is answered with; 250 takes it.
    """

    class Conversation(socketserver.StreamRequestHandler):
        """One client, from its greeting to its QUIT."""

        timeout = 60

        def handle(self) -> None:
            """Talk."""
            sender, recipients = "", []
            self._say("220 testbed")
            while line := self.rfile.readline(2048).decode("utf-8", "replace").strip():
                verb = line[:4].upper()
                if verb == "QUIT":
                    self._say("221 bye")
                    return
                if verb == "MAIL":
                    sender, recipients = _address(line), []
                elif verb == "RCPT":
                    recipients.append(_address(line))
                elif verb == "DATA":
                    self._say("354 go on")
                    self._keep(sender, recipients, self._content())
                    self._say(f"{answer} noted")
                    continue
                self._say("250 8BITMIME" if verb == "EHLO" else "250 ok")

        def _content(self) -> bytes:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in (b".\r\n", b"") and sum(map(len, lines)) < MOST:
                lines.append(line.removeprefix(b"."))
            return b"".join(lines)

        def _keep(self, sender: str, recipients: list[str], content: bytes) -> None:
            mail = message_from_bytes(content, policy=policy.default)
            body = mail.get_body(("plain", "html"))
            entry = {
                "from": sender,
                "to": recipients,
                "subject": str(mail["subject"]),
                "body": body.get_content() if body else "",
                "attachments": [part.get_filename() for part in mail.iter_attachments()],
            }
            if answer == 250:
                record(path, entry)

        def _say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

    return Conversation


def _address(line: str) -> str:
    found = _ADDRESS.search(line)
    return found[1] if found else ""


class Server(socketserver.ThreadingTCPServer):
    """A thread for each client."""

    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "--port", type=int, default=9097, help="port on the loopback interface (default 9097)"
    )
    parser.add_argument("--record", type=Path, required=True, help="file that gets one JSON line per mail")
    parser.add_argument(
        "--answer", type=int, default=250, help="what every mail is answered with (default 250)"
    )
    options = parser.parse_args()
    Server(("127.0.0.1", options.port), handler(options.record, options.answer)).serve_forever()


if __name__ == "__main__":
    main()
