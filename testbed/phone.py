#!/usr/bin/env python3
"""A stand-in for Telegram and for the phone that shows it: the Bot API, and a page with buttons to press.

Bot API: /botTOKEN/METHOD, as far as the notifier needs it. For people: GET /, the page beside this file.
For tests: GET /messages, and POST in JSON /press, /delete, /script, /approve; see `Control`. Every call
of the Bot API is recorded as a JSON line when --record names a file.
"""

import argparse
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from scripted import Json, Script, obeyed, record, reset

PAGE = Path(__file__).with_name("phone.html")
NO_UPDATES = b'{"ok": true, "result": []}'
MAX_BODY = 12 << 20  # bytes; Telegram takes photos of up to 10 MB
MOST_TEXT, MOST_CAPTION, MOST_DATA, MOST_ANSWER = 4096, 1024, 64, 200  # the Bot API's limits
ANSWER_SECONDS = 60.0  # after which a pressed button's wheel stops; Telegram does not say how long it takes


class ApiError(Exception):
    """An answer other than ok.

    Attributes:
        status: the HTTP status.
        retry_after: seconds, or None.
    """

    def __init__(self, status: int, text: str, retry_after: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after = retry_after


class Phone:
    """The chats of one person with one bot, and the updates that wait for the bot."""

    def __init__(self, user: int) -> None:
        self.user = user
        self.messages: dict[int, Json] = {}
        self.presses: dict[str, Json] = {}
        self._changed = threading.Condition()
        self._number = 0
        self._update = int(time.time())  # Telegram's update ids also begin anywhere
        self._updates: list[Json] = []
        self._poll = 0

    # --- the Bot API: a method of it is a method here ---

    def call(self, method: str, given: Json) -> Any:
        """Answer a call of the Bot API.

        Raises:
            ApiError: as Telegram would.
        """
        known: dict[str, Callable[[Json], Any]] = {
            "getMe": lambda _: {"id": 1, "is_bot": True, "first_name": "Gateway", "username": "gateway_bot"},
            "sendMessage": self._send,
            "sendPhoto": self._send_photo,
            "editMessageText": self._edit_text,
            "editMessageReplyMarkup": self._edit_buttons,
            "answerCallbackQuery": self._answer,
            "getUpdates": self._get_updates,
        }
        if method not in known:
            raise ApiError(404, "Not Found")
        return known[method](given)

    def _send(self, given: Json) -> Json:
        return self._show(given, text=_text(given.get("text", ""), MOST_TEXT))

    def _send_photo(self, given: Json) -> Json:
        photo = given.get("photo")
        if not isinstance(photo, bytes) or not photo.startswith((b"\x89PNG", b"\xff\xd8")):
            raise ApiError(400, "Bad Request: IMAGE_PROCESS_FAILED")
        caption = given.get("caption", "")
        return self._show(given, caption=_text(caption, MOST_CAPTION) if caption else "", photo=len(photo))

    def _show(self, given: Json, **content: Any) -> Json:
        chat = int(given.get("chat_id") or 0)
        if chat != self.user:
            raise ApiError(400, "Bad Request: chat not found")
        with self._changed:
            self._number += 1
            message = {
                "id": self._number,
                "date": time.time(),
                "buttons": _buttons(given),
                "silent": given.get("disable_notification") in ("true", True),
                "edits": 0,
                **content,
            }
            self.messages[self._number] = message
            self._changed.notify_all()
        return self._as_telegram(message)

    def _edit_text(self, given: Json) -> Json:
        message = self._found(given)
        if "text" not in message:
            raise ApiError(400, "Bad Request: there is no text in the message to edit")
        return self._change(message, text=_text(given.get("text", ""), MOST_TEXT), buttons=_buttons(given))

    def _edit_buttons(self, given: Json) -> Json:
        return self._change(self._found(given), buttons=_buttons(given))

    def _found(self, given: Json) -> Json:
        message = self.messages.get(int(given.get("message_id") or 0))
        if message is None or int(given.get("chat_id") or 0) != self.user:
            raise ApiError(400, "Bad Request: message to edit not found")
        return message

    def _change(self, message: Json, **content: Any) -> Json:
        if all(message.get(key) == value for key, value in content.items()):
            raise ApiError(400, "Bad Request: message is not modified: content and reply markup are the same")
        with self._changed:
            message.update(content, edits=message["edits"] + 1)
            self._changed.notify_all()
        return self._as_telegram(message)

    def _answer(self, given: Json) -> bool:
        press = self.presses.get(given.get("callback_query_id", ""))
        if press is None or "answer" in press or time.time() - press["date"] > ANSWER_SECONDS:
            raise ApiError(
                400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
            )
        with self._changed:
            press.update(answer=_text(given.get("text", " "), MOST_ANSWER), answered=time.time())
            self._changed.notify_all()
        return True

    def _get_updates(self, given: Json) -> list[Json]:
        offset, patience = int(given.get("offset") or 0), float(given.get("timeout") or 0)
        with self._changed:
            self._poll += 1
            mine = self._poll
            self._changed.notify_all()
            self._updates = [update for update in self._updates if update["update_id"] >= offset]
            self._changed.wait_for(lambda: self._updates or self._poll != mine, patience)
            if self._poll != mine:
                raise ApiError(409, "Conflict: terminated by other getUpdates request")
            return list(self._updates)

    def _as_telegram(self, message: Json, chat: Json | None = None) -> Json:
        shown = {
            "message_id": message["id"],
            "date": int(message["date"]),
            "chat": chat or {"id": self.user, "type": "private", "first_name": "Operator"},
            **{key: message[key] for key in ("text", "caption") if message.get(key)},
        }
        if "photo" in message:
            shown["photo"] = [
                {
                    "file_id": "1",
                    "file_unique_id": "1",
                    "width": 1,
                    "height": 1,
                    "file_size": message["photo"],
                }
            ]
        return shown

    # --- the person ---

    def press(self, given: Json) -> str:
        """Press a button.

        Args:
            given: `message`: its id; `button`: its index or its label. For tests also `user`, `chat` (as
                Telegram describes it), `data` (what the button carries), `update_id` (to replay one), `old`
                (a message that Telegram sends without its content).

        Returns:
            the id of the callback query.

        Raises:
            LookupError: there is no such message or button.
        """
        message = self.messages.get(int(given.get("message") or 0), {"id": 0, "date": 0, "buttons": []})
        data = given.get("data")
        if data is None:
            keys = [key for row in message["buttons"] for key in row]
            wanted = given["button"]
            data = keys[wanted][1] if isinstance(wanted, int) else dict(keys)[wanted]
        user = int(given.get("user") or self.user)
        shown = self._as_telegram(message, given.get("chat"))
        if given.get("old"):
            shown = {"message_id": message["id"], "date": 0, "chat": shown["chat"]}
        with self._changed:
            self._update += 1
            query = f"q{self._update}"
            self.presses[query] = {"message": message["id"], "user": user, "data": data, "date": time.time()}
            self._updates.append(
                {
                    "update_id": int(given.get("update_id") or self._update),
                    "callback_query": {
                        "id": query,
                        "from": {"id": user, "is_bot": False, "first_name": "Operator"},
                        "chat_instance": "1",
                        "message": shown,
                        "data": data,
                    },
                }
            )
            self._changed.notify_all()
        return query

    def delete(self, number: int) -> None:
        """Delete a message, as its reader may."""
        with self._changed:
            self.messages.pop(number, None)

    def looks(self) -> Json:
        """What the phone shows, and what became of each press."""
        with self._changed:
            return {"messages": list(self.messages.values()), "presses": dict(self.presses)}


def _text(text: str, most: int) -> str:
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) > 2 * most:
        raise ApiError(400, "Bad Request: message is too long")
    return text


def _buttons(given: Json) -> list[list[tuple[str, str]]]:
    try:
        rows = json.loads(given.get("reply_markup") or "{}").get("inline_keyboard", [])
        keys = [[(key["text"], key["callback_data"]) for key in row] for row in rows]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ApiError(400, "Bad Request: can't parse reply keyboard markup JSON object") from None
    if any(not 1 <= len(data.encode()) <= MOST_DATA for row in keys for _, data in row):
        raise ApiError(400, "Bad Request: BUTTON_DATA_INVALID")
    return keys


class Control:
    """What people and tests do with the phone."""

    def __init__(self, phone: Phone, script: Script, approve: str) -> None:
        self._phone = phone
        self._script = script
        self._approve = approve

    def post(self, path: str, given: Json) -> Json:
        """Obey a POST.

        Args:
            path: /press, /delete, /script or /approve.
            given: for /press what `Phone.press` takes; for /delete {"message": id}; for /script
                what `Script.obey` takes.

        Raises:
            LookupError: there is no such thing.
        """
        if path == "/press":
            return {"query": self._phone.press(given)}
        if path == "/delete":
            self._phone.delete(int(given["message"]))
        elif path == "/script":
            self._script.obey(given)
        elif path == "/approve" and self._approve:
            done = subprocess.run(
                shlex.split(self._approve), capture_output=True, text=True, timeout=30, check=False
            )
            return {"code": done.returncode, "text": (done.stdout + done.stderr).strip()}
        else:
            raise LookupError(path)
        return {}


def handler(phone: Phone, script: Script, control: Control, token: str, keep: Callable[[Json], None]) -> type:
    """Make the class that answers requests.

    Args:
        phone: the chats.
        script: what to do in place of an honest answer.
        control: for people and tests.
        token: the one bot's token; empty accepts any.
        keep: records one call.
    """

    class Server(BaseHTTPRequestHandler):
        """Speaks the Bot API to the notifier and HTML to people."""

        protocol_version = "HTTP/1.1"
        # Head and body leave in two writes; the second shall not wait for the first to be acknowledged.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path.startswith("/bot"):
                self._bot(path, {})
            elif path == "/":
                self._reply(200, PAGE.read_bytes(), "text/html; charset=utf-8")
            elif path == "/messages":
                self._json(200, phone.looks())
            else:
                self._json(404, {})

        def do_POST(self) -> None:
            path = urlsplit(self.path).path
            length = int(self.headers.get("Content-Length") or 0)
            if not 0 <= length <= MAX_BODY:
                self.close_connection = True
                self._json(413, {"ok": False, "error_code": 413, "description": "Request Entity Too Large"})
                return
            body = self.rfile.read(length)
            if path.startswith("/bot"):
                self._bot(path, _fields(self.headers.get("Content-Type", ""), body))
                return
            try:
                self._json(200, control.post(path, json.loads(body or b"{}")))
            except (LookupError, ValueError, TypeError) as error:
                self._json(404, {"error": repr(error)})

        def _bot(self, path: str, given: Json) -> None:
            given = {
                **{key: values[-1] for key, values in parse_qs(urlsplit(self.path).query).items()},
                **given,
            }
            used, _, method = path.removeprefix("/bot").partition("/")
            entry = {"method": method, "given": _readable(given)}
            plan, clears = script.next(method)
            status, answer = 0, b""
            if obeyed(plan):
                status, answer = self._honest(used, method, given)
            if "status" in plan:
                status, answer = _failure(
                    ApiError(plan["status"], plan.get("text", "scripted"), plan.get("retry_after"))
                )
            if "raw" in plan:
                status, answer = 200, plan["raw"].encode()
            if method != "getUpdates" or status != 200 or len(answer) > len(NO_UPDATES):
                keep({**entry, "status": status, **({"plan": plan} if plan else {})})
            if plan.get("hang"):
                script.hang(plan["hang"], clears)
            if plan.get("reset") or (plan.get("hang") and not plan.get("ok")):
                self.close_connection = True
                reset(self.connection)
            else:
                self._reply(status, answer, "application/json")
                if plan.get("hang"):
                    keep({**entry, "late": True})

        def _honest(self, used: str, method: str, given: Json) -> tuple[int, bytes]:
            if token and used != token:
                return _failure(ApiError(401, "Unauthorized"))
            try:
                result = phone.call(method, given)
            except ApiError as error:
                return _failure(error)
            return 200, json.dumps({"ok": True, "result": result}).encode()

        def _json(self, status: int, content: Json) -> None:
            self._reply(status, json.dumps(content).encode(), "application/json")

        def _reply(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def finish(self) -> None:
            """Whoever asked may be gone, or was thrown out."""
            try:
                super().finish()
            except OSError:
                self.connection.close()

        def handle(self) -> None:
            """Answer one request after the other, until the other side leaves."""
            try:
                super().handle()
            except OSError:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Leave the journal to the services under test."""

    return Server


def _failure(error: ApiError) -> tuple[int, bytes]:
    answer: Json = {"ok": False, "error_code": error.status, "description": str(error)}
    if error.retry_after is not None:
        answer["parameters"] = {"retry_after": error.retry_after}
    return error.status, json.dumps(answer).encode()


def _fields(kind: str, body: bytes) -> Json:
    """What a request carries: as a form, as JSON, or in parts with a file."""
    if kind.startswith("application/json"):
        return json.loads(body)
    if not kind.startswith("multipart/form-data"):
        return {key: values[-1] for key, values in parse_qs(body.decode()).items()}
    fields: Json = {}
    files: dict[str, bytes] = {}
    for part in message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body).get_payload():
        name = str(part.get_param("name", header="content-disposition"))
        content = part.get_payload(decode=True)
        if part.get_filename():
            files[name] = content
        else:
            fields[name] = content.decode()
    # A file's field says `attach://NAME`, or is the file itself.
    named = {key: files[value[9:]] for key, value in fields.items() if value.startswith("attach://")}
    return {**fields, **files, **named}


def _readable(given: Json) -> Json:
    return {key: f"{len(value)} bytes" if isinstance(value, bytes) else value for key, value in given.items()}


class Server(ThreadingHTTPServer):
    """A thread for each connection, so that one that hangs holds up no other."""

    daemon_threads = True
    request_queue_size = 64


def serve(port: int, user: int, token: str = "", kept: Path | None = None, approve: str = "") -> Server:
    """Make a server on 127.0.0.1; port 0 takes a free one. The arguments are those of the command line."""
    phone, script = Phone(user), Script()

    def keep(entry: Json) -> None:
        if kept is not None:
            record(kept, entry)

    return Server(("127.0.0.1", port), handler(phone, script, Control(phone, script, approve), token, keep))


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument(
        "--port", type=int, default=9098, help="port on the loopback interface (default 9098)"
    )
    parser.add_argument(
        "--user", type=int, default=123456, help="the person's id, and the chat's (default 123456)"
    )
    parser.add_argument("--token", default="", help="the bot's token; without, any is accepted")
    parser.add_argument("--record", type=Path, help="file that gets one JSON line per call")
    parser.add_argument("--approve-command", default="", help="what the page's button for IB Key runs")
    options = parser.parse_args()
    serve(options.port, options.user, options.token, options.record, options.approve_command).serve_forever()


if __name__ == "__main__":
    main()
