"""Stands in for `java`: prints a transcript as IBC would, opens an API port, obeys STOP.

Its script is JSON in $FAKE_JAVA: a list of steps, each a one-key object:
  {"say": "…"}        an IBC line (time stamp added)      {"raw": "…"}     a line as it is
  {"sleep": seconds}                                      {"api": port}    answer TWS API handshakes
  {"state": "…"}      wait until the launcher has come to that state
  {"mute_api": port}  accept, never answer                {"command": port}  IBC's command server, STOP only
  {"touch": "…"}      make a file in the settings dir; {session} is the session id
  {"remove": "…"}     remove one                          {"exit": code}   end at once
  {"password": true}  print the password from config.ini, as a careless Gateway might
After the last step it waits for STOP or a signal.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path


def option(name: str) -> str:
    return next((word.split("=", 1)[1] for word in sys.argv if word.startswith(f"-D{name}=")), "")


SETTINGS = Path(option("jtsConfigDir"))


def say(message: str) -> None:
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f":{int(now % 1 * 1000):03d}"
    print(f"{stamp} IBC: {message}", flush=True)


def listen(port: int) -> socket.socket:
    server = socket.create_server(("127.0.0.1", port))
    server.listen(8)
    return server


def frame(*fields: object) -> bytes:
    body = b"".join(str(field).encode() + b"\0" for field in fields)
    return len(body).to_bytes(4, "big") + body


def serve_api(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        connection.recv(64)
        connection.sendall(frame(187, "20261124 03:00:00 EST"))
        connection.recv(64)
        connection.sendall(frame(15, 1, "DU1,DU2"))
        connection.sendall(frame(9, 1, 1) + frame(4, 2, -1, 2104, "farm OK", ""))


def serve_commands(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        verb = connection.makefile().readline().strip()
        say(f"CommandServer received command: {verb}")
        connection.sendall(b"INFO Closing IBC\nOK Shutting down: STOP command\n")
        connection.close()
        say("Login has completed: exiting via [File, Close] menu")
        time.sleep(0.05)
        os._exit(0)


def start(target, port: int) -> None:
    threading.Thread(target=target, args=(listen(port),), daemon=True).start()


def step(kind: str, value) -> None:
    path = SETTINGS / str(value).replace("{session}", option("ibcsessionid"))
    if kind == "say":
        say(value)
    elif kind == "raw":
        print(value, flush=True)
    elif kind == "sleep":
        time.sleep(value)
    elif kind == "state":
        while json.loads(Path(sys.argv[-2]).with_name("state.json").read_text())["state"] != value:
            time.sleep(0.02)
    elif kind == "api":
        start(serve_api, value)
    elif kind == "mute_api":
        start(lambda server: [server.accept() for _ in iter(int, 1)], value)
    elif kind == "command":
        start(serve_commands, value)
    elif kind == "touch":
        path.parent.mkdir(exist_ok=True)
        path.touch()
    elif kind == "remove":
        path.unlink()
    elif kind == "password":
        print(Path(sys.argv[-2]).read_text().split("IbPassword=")[1], flush=True)
    elif kind == "ignore_term":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif kind == "exit":
        os._exit(value)
    else:
        raise ValueError(kind)


for entry in json.loads(os.environ["FAKE_JAVA"]):
    for kind, value in entry.items():
        step(kind, value)
while True:
    signal.pause()
