"""Run one IB Gateway under IBC, from its start to its end, and tell systemd what to do next.

One Java process per run; relaunching is systemd's job. The log is read as it comes, passed on to the journal,
and turned into state, events and the unit's status text.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path

from . import (
    config,
    credentials,
    display,
    exitcodes,
    gate,
    javacmd,
    ports,
    previous,
    readback,
    settings_copy,
    statefile,
    tokenfile,
)
from . import instance as instances
from .api_probe import ApiProbe
from .dialect import IBC, Parser
from .events import EventLog, timestamp
from .exitcodes import ConfigurationInvalid
from .ibc_command import CommandFailed, send
from .javaprocess import JavaProcess
from .limits import Limits
from .outcome import End, decide
from .schedule import regions
from .sdnotify import Notifier
from .session import Session, Verdict

_RETRY_EVENTS = 10.0
_SHORTEST_SECRET = 6


def say(sentence: str, level: int = 6) -> None:
    """Write one of the launcher's own lines to the journal (`level` as in syslog(3))."""
    _write(f"<{level}>launcher: {' '.join(sentence.split())}\n".encode("utf-8", "replace"))


def _write(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError:
        # The journal is gone. Gateway must not go with it.
        return


class Launcher:
    """One run.

    Args:
        instance: what to run.
        signals: file descriptor that becomes readable when a signal arrived.
        limits: how long each step may take.
    """

    def __init__(self, instance: instances.Instance, signals: int, limits: Limits) -> None:
        self._instance = instance
        self._limits = limits
        self._signals = signals
        self._notify = Notifier()
        self._events = EventLog(
            instance.state_dir / "events.jsonl", instance.name, lambda text: self._say(text, 3)
        )
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)
        self._parser = Parser(IBC)
        self._session: Session | None = None
        self._java: JavaProcess | None = None
        self._probe: ApiProbe | None = None
        self._next_probe = 0.0
        self._next_retry = 0.0
        self._api_problem = ""
        self._hidden: list[str] = []
        self._stop_asked = False
        self._ending: list[tuple[float, signal.Signals]] = []
        self._gate = gate.Gate(instance)
        self._previous = previous.read(instance.run_dir)
        self._last_login = self._previous.last_login
        # How often another release came to nothing shall not keep this one waiting.
        same = self._previous.versions in ((instance.gateway_version, instance.ibc_version), (None, None))
        self._failures = self._previous.failures if same else 0
        self._deferred_until: str | None = None
        self._deferred = ""
        self._readback: readback.ReadBack | None = None
        self._compared = self._previous.compared
        self._region = self._find_region(self._jts_ini())
        self._end: dict | None = None
        self._state: dict = {}
        self._state_key: tuple = ()
        self._since = timestamp(time.time())
        self._started = self._since
        self._inputs: dict[str, str] = {}

    def run(self) -> int:
        """Run Gateway to its end.

        Returns:
            the exit code for systemd.
        """
        try:
            verdict = self._run()
        except ConfigurationInvalid as refused:
            verdict = Verdict(exitcodes.CONFIGURATION, "configuration", str(refused))
            self._emit("configuration_invalid", {"text": str(refused)})
        finally:
            config.remove(self._instance)
        stopped = verdict.code == exitcodes.STOPPED
        self._say(
            verdict.sentence if stopped else f"{verdict.sentence}: {exitcodes.MEANINGS[verdict.code]}",
            6 if stopped else 4,
        )
        ready = self._session is not None and self._session.phase == "ready"
        if verdict.code == exitcodes.RELAUNCH:
            self._failures = 0 if ready or verdict.reason == "token_restart" else self._failures + 1
        self._end = {"code": verdict.code, "reason": verdict.reason}
        self._deferred_until = None
        self._gate.checkpoint()
        final = {exitcodes.STOPPED: "stopped", exitcodes.PARKED: "parked", exitcodes.RELAUNCH: "starting"}
        self._show(final.get(verdict.code, "failed"), verdict.sentence)
        self._events.retry()
        return verdict.code

    # --- before and after Java ----------------------------------------------------------------------------

    def _run(self) -> Verdict:
        instance = self._instance
        self._show("starting", "checking the installation")
        ini, settings = config.read(instance)
        secrets = credentials.read()
        self._inputs = config.fingerprints(instance)
        self._gate.checkpoint()
        # What cannot work shall be told now, and not after hours of waiting.
        self._command()
        if refused := self._await_gate() or self._await_display():
            return refused
        command = self._command()
        self._back_up()
        config.write(instance, ini, secrets)
        if not command.resumes:
            decision = self._gate.enter()
            if decision.kind != gate.GO:
                return self._park(decision)
        self._readback = readback.ReadBack(settings.values, instance)
        # Gateway puts the user name into window titles, which IBC logs. Shorter words would blot out the log.
        self._hidden = [
            word for word in (secrets.password, secrets.username) if len(word) >= _SHORTEST_SECRET
        ]
        detail = {
            "mode": instance.mode,
            "gateway_version": instance.gateway_version,
            "ibc_version": instance.ibc_version,
            "resumes": command.resumes,
        }
        self._emit("starting", detail)
        self._say(f"Gateway {instance.gateway_version}, IBC {instance.ibc_version}, {instance.mode}")
        self._say(f"command: {' '.join(command.argv)}")
        began = time.monotonic()
        self._session = Session(
            self._limits,
            self._emit,
            began,
            resumes=command.resumes,
            policy=instance.login,
            submitted=self._gate.submitted,
            again=self._gate.again,
            in_window=self._gate.in_window,
            two_factor_timeout=settings.two_factor_timeout,
            exit_interval=settings.exit_interval,
        )
        try:
            self._java = JavaProcess(
                command.argv, instance.settings_dir, javacmd.environment(dict(os.environ))
            )
        except OSError as error:
            raise ConfigurationInvalid(
                f"{command.argv[0]} cannot be started ({error.strerror}): install this Gateway release again"
            ) from None
        self._selector.register(self._java.output, selectors.EVENT_READ)
        try:
            status = self._follow()
        finally:
            self._java.clean_up()
            self._drop_probe()
        return self._conclude(status, command, time.monotonic() - began, settings)

    def _back_up(self) -> None:
        """Copy the settings before a release that never ran here may change them."""
        place = settings_copy.due(self._instance)
        if place is None:
            return
        self._show("starting", "copying the settings before an upgrade")
        try:
            settings_copy.make(self._instance, place)
            self._say(f"settings copied to {place}")
        except OSError as error:
            # A session is worth more than its copy.
            self._say(str(error), 3)

    def _command(self) -> javacmd.JavaCommand:
        """The command to start Java with now; a token that cannot be used is set aside."""
        ports.require_free(self._instance)
        tokens = tokenfile.find(self._instance.settings_dir)
        if len(tokens) > 1:
            self._say(f"{len(tokens)} saved sessions found, none can be trusted: a login follows", 4)
            self._set_aside(tokens)
        return javacmd.build(self._instance, config.path(self._instance), tokens)

    def _await_display(self) -> Verdict | None:
        """Wait for the X server, which starts beside us."""
        name = os.environ.get("DISPLAY", "")
        deadline = time.monotonic() + self._limits.display
        while not display.answers(name):
            if time.monotonic() > deadline:
                sentence = (
                    f"the X server {name} does not answer: "
                    f"see systemctl status ibgateway-display@{self._instance.name}"
                )
                self._emit("stuck", {"where": "display", "text": sentence})
                return Verdict(exitcodes.RELAUNCH, "stuck_display", sentence)
            if self._rest(0.2):
                return self._stopped()
        return None

    def _await_gate(self) -> Verdict | None:
        """Wait, without Java, until this start may go on; a verdict when it may not."""
        while True:
            resumes = len(tokenfile.find(self._instance.settings_dir)) == 1
            decision = self._gate.ask(resumes=resumes, failures=self._failures)
            if decision.kind == gate.PARK:
                return self._park(decision)
            if decision.kind == gate.GO:
                self._deferred_until = None
                return None
            self._defer(decision)
            if self._rest(min(decision.seconds, self._limits.look_again)):
                return self._stopped()

    def _defer(self, decision: gate.Decision) -> None:
        moment = time.time() + decision.seconds
        self._deferred_until = timestamp(moment)
        if self._deferred != decision.reason:
            self._deferred = decision.reason
            if decision.reason != "restarts":
                detail = {"until": self._deferred_until, "reason": decision.reason, "text": decision.sentence}
                self._emit("login_deferred", detail)
        clock = time.strftime("%H:%M %Z", time.localtime(moment))
        self._show("deferred", f"{decision.sentence} until {clock}")

    def _rest(self, seconds: float) -> bool:
        """Wait; return at once, and True, when somebody asks to stop."""
        deadline = time.monotonic() + seconds
        while not self._stop_asked and (left := deadline - time.monotonic()) > 0:
            if self._selector.select(left):
                received = os.read(self._signals, 64)
                self._stop_asked = signal.SIGTERM in received or signal.SIGINT in received
        return self._stop_asked

    def _stopped(self) -> Verdict:
        self._notify.stopping()
        token = len(tokenfile.find(self._instance.settings_dir)) == 1
        verdict = Verdict(exitcodes.STOPPED, "stopped", "stopped as asked, before Gateway was started")
        self._emit("stopped", {"reason": "stopped", "text": verdict.sentence, "token": token})
        return verdict

    def _park(self, decision: gate.Decision) -> Verdict:
        if decision.reason == "consent":
            why = self._previous.sentence or "there is no saved session"
            self._emit("consent_needed", {"reason": "login_due", "text": why, "appointment": None})
        self._emit("parked", {"reason": decision.reason, "text": decision.sentence})
        return Verdict(exitcodes.PARKED, decision.reason, decision.sentence)

    def _conclude(
        self, status: int, command: javacmd.JavaCommand, lived: float, settings: config.Settings
    ) -> Verdict:
        if status and not display.answers(os.environ.get("DISPLAY", "")):
            # Seen with Java 17: when its X server dies, it ends with 1 and says nothing.
            self._session.display_lost = True
        settings_dir = self._instance.settings_dir
        paused = tokenfile.take_flag(settings_dir, "PAUSE", command.session_id)
        tokens = tokenfile.find(settings_dir)
        end = End(
            status,
            stop_asked=self._stop_asked,
            cold_restart=tokenfile.take_flag(settings_dir, "COLDRESTART", command.session_id),
            paused=paused and len(tokens) == 1,
            tokens=len(tokens),
            lived=lived,
            may_return=self._instance.login == "auto"
            and not settings.closedown
            and (self._previous.reason != "session_taken" or lived > self._limits.polite_again),
        )
        self._say(f"Java ended with {status} after {lived:.1f} s")
        verdict, events = decide(end, self._session)
        for kind, detail in events:
            self._emit(kind, detail)
        # A token that did not bring the session back would hang the next start just the same.
        if len(tokens) > 1 or verdict.reason in ("stuck_resuming", "token_expired"):
            self._set_aside(tokens)
        return verdict

    def _set_aside(self, tokens: list[Path]) -> None:
        for problem in tokenfile.set_aside(tokens):
            self._say(problem, 3)

    # --- while Java runs ----------------------------------------------------------------------------------

    def _follow(self) -> int:
        session, java = self._session, self._java
        while (status := java.status()) is None:
            self._update()
            for key, _ in self._selector.select(self._pause()):
                if key.fileobj is java.output:
                    self._read(java.lines())
                    if java.closed:
                        self._selector.unregister(java.output)
                elif key.fileobj == self._signals:
                    self._take_signals()
                elif self._probe:
                    self._probe.advance()
            now = time.monotonic()
            session.tick(now, self._api_problem)
            self._probe_api(now)
            if session.verdict and not self._ending:
                self._give_up(now)
            if session.at_once:
                self._kill()
            self._end_java(now)
            if self._events.behind and now >= self._next_retry:
                self._next_retry = now + _RETRY_EVENTS
                self._events.retry()
        self._read(java.last_lines())
        for signal_ in self._parser.flush():
            session.see(signal_, time.monotonic())
        return status

    def _pause(self) -> float | None:
        if self._session.phase == "ready" and not self._ending and not self._events.behind:
            # Nothing to count or to check: an idle launcher does not wake the machine up every second.
            return None if not self._session.has_open_questions() else 5.0
        return 0.25 if self._ending or self._session.phase == "api" else 1.0

    def _read(self, lines: list[bytes]) -> None:
        if not lines:
            return
        texts = [line.decode("utf-8", "replace") for line in lines]
        _write(self._mask("\n".join(texts) + "\n").encode("utf-8", "replace"))
        for text in texts:
            for signal_ in self._parser.feed(text):
                if signal_.name == "setting_found":
                    self._readback.found(**signal_.detail)
                self._session.see(signal_, time.monotonic())

    def _take_signals(self) -> None:
        received = os.read(self._signals, 64)
        if not (signal.SIGTERM in received or signal.SIGINT in received) or self._stop_asked:
            return
        self._stop_asked = True
        self._notify.stopping()
        self._emit("stopping", {"state": self._session.state})
        self._show("stopping", "logging out")
        patience = self._send_stop()
        now = time.monotonic()
        self._ending = [
            (now + patience, signal.SIGTERM),
            (now + patience + self._limits.term, signal.SIGKILL),
        ]

    def _send_stop(self) -> float:
        """Ask IBC for an orderly logout; return how many seconds that may take."""
        if not self._session.command_port:
            return 0.0  # IBC could not open it; whoever answers there is not ours
        try:
            self._say(f"STOP sent: {send(self._instance.command_port, 'STOP', self._limits.stop_reply)}")
        except CommandFailed as failed:
            # IBC is not listening (yet, or any more): there is nothing to log out from in an orderly way.
            self._say(f"STOP not taken ({failed}), ending Java by signal", 4)
            return 0.0
        return self._limits.stop

    def _send_restart(self) -> float:
        """Ask for a token restart, which costs no login; return how many seconds that may take, or 0.

        Without a daily restart, IBC's RESTART would leave its own time in Gateway's settings for ever.
        """
        soft = self._session.verdict.reason in ("stuck_link", "stuck_api", "stuck_configuring")
        if not soft or not self._instance.daily_restart or not self._session.command_port:
            return 0.0
        if self._gate.in_window():
            return 0.0
        try:
            self._say(
                f"RESTART sent: {send(self._instance.command_port, 'RESTART', self._limits.stop_reply)}"
            )
        except CommandFailed as failed:
            self._say(f"RESTART not taken ({failed})", 4)
            return 0.0
        return self._limits.restart

    def _give_up(self, now: float) -> None:
        self._say(f"{self._session.verdict.sentence}; ending this run", 4)
        # Where IBC is about to end by itself, let it: it leaves its flags and logs why.
        patience = self._limits.own_end if self._session.ends_itself() else 0.0
        if self._session.at_once:
            return
        if self._session.was_logged_in and not patience:
            patience = self._send_restart() or self._send_stop()
        self._ending = [
            (now + patience, signal.SIGTERM),
            (now + patience + self._limits.term, signal.SIGKILL),
        ]

    def _kill(self) -> None:
        """End Java this instant: what it is about to do, it must not do."""
        self._session.at_once = False
        self._ending = [(0.0, signal.SIGKILL)]

    def _end_java(self, now: float) -> None:
        while self._ending and now >= self._ending[0][0]:
            _, number = self._ending.pop(0)
            self._say(f"sending {number.name} to Java", 4)
            self._java.signal(number)
            if not self._ending:
                self._ending = [(now + self._limits.term, signal.SIGKILL)]

    # --- the API ------------------------------------------------------------------------------------------

    def _probe_api(self, now: float) -> None:
        if not self._session.wants_api(now) or self._ending:
            self._drop_probe()
            return
        if self._probe is None:
            if now < self._next_probe:
                return
            self._probe = ApiProbe(
                self._instance.api_port, self._limits.api_probe, link_seconds=self._limits.link_told
            )
        else:
            self._selector.unregister(self._probe.socket)
            self._probe.advance()
        if not self._probe.done:
            self._selector.register(self._probe.socket, self._probe.mask)
            return
        finished, self._probe = self._probe, None
        self._next_probe = now + self._limits.api_pause
        if finished.ok:
            self._session.api_answered(
                now,
                {"accounts": finished.accounts, "server_version": finished.server_version},
                finished.link or "up",
            )
            if self._session.phase == "ready":
                self._is_ready()
            else:
                self._update()
        else:
            self._api_problem = f"{finished.stage}: {finished.problem}"

    def _is_ready(self) -> None:
        self._failures = 0
        if self._session.logins:
            self._last_login = timestamp(time.time())
        self._compare()
        # Whoever waits for READY finds state.json complete.
        self._update()
        self._notify.ready()

    def _compare(self) -> None:
        """Compare Gateway's settings with what was wanted, each time it has got ready."""
        jts_ini = self._jts_ini()
        self._region = self._find_region(jts_ini)
        before = readback.differences(self._compared)
        self._compared = self._readback.result(jts_ini)
        text = readback.differences(self._compared)
        if text and text != before:
            self._emit("settings_differ", {"text": text})

    def _jts_ini(self) -> str:
        try:
            return (self._instance.settings_dir / "jts.ini").read_text(encoding="latin-1")
        except OSError:
            return ""

    def _find_region(self, jts_ini: str) -> str | None:
        """Whose reset windows count: the watcher may not read jts.ini."""
        return regions.resolve(self._instance.mode, self._instance.region, jts_ini)

    def _drop_probe(self) -> None:
        if self._probe:
            self._selector.unregister(self._probe.socket)
            self._probe.close()
            self._probe = None

    # --- telling ------------------------------------------------------------------------------------------

    def _say(self, sentence: str, level: int = 6) -> None:
        say(self._mask(sentence), level)

    def _mask(self, text: str) -> str:
        for word in self._hidden:
            text = text.replace(word, "***")
        return text

    def _emit(self, kind: str, detail: dict) -> None:
        masked = {
            key: self._mask(value) if isinstance(value, str) else value for key, value in detail.items()
        }
        event = self._events.emit(kind, masked)
        self._say(f"event {kind} {json.dumps(event['detail'], ensure_ascii=False)}")

    def _update(self) -> None:
        session = self._session
        if self._stop_asked:
            return
        self._show(session.state, session.sentence(time.monotonic()))

    def _show(self, state: str, sentence: str) -> None:
        sentence = self._mask(sentence)
        logins = self._session.logins if self._session else 0
        key = (state, sentence, logins, self._events.last, self._end is None, self._last_login)
        if key == self._state_key:
            return
        self._state_key = key
        self._notify.status(sentence)
        if state != self._state.get("state"):
            self._since = timestamp(time.time())
        self._state = {
            "instance": self._instance.name,
            "mode": self._instance.mode,
            "state": state,
            "since": self._since,
            "status": sentence,
            "started": self._started,
            "pid": os.getpid(),
            "java_pid": self._java.pid if self._java and self._java.status() is None else None,
            "logins": logins,
            "api_port": self._instance.api_port,
            "gateway_version": self._instance.gateway_version,
            "ibc_version": self._instance.ibc_version,
            "last_event": self._events.last,
            "inputs": self._inputs,
            **self._gate.state(),
            "deferred_until": self._deferred_until,
            "last_login": self._last_login,
            "link": self._session.link if self._session and state == "ready" else None,
            "region": self._region,
            "readback": self._compared,
            "failures": self._failures,
        }
        if self._end:
            self._state["end"] = self._end
        try:
            statefile.write(self._instance.run_dir / "state.json", self._state)
        except OSError as error:
            self._say(f"state.json cannot be written: {error.strerror}", 3)


def catch_signals() -> int:
    """Turn SIGTERM, SIGINT and SIGCHLD into bytes on a pipe.

    Returns:
        the file descriptor to read them from.
    """
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    return read_end


def main(argv: list[str], limits: Limits | None = None) -> int:
    """Run the instance named on the command line.

    Args:
        argv: `NAME [--config DIRECTORY]`; the directory with instance.toml, default /etc/ibgateway/NAME.
        limits: how long each step may take.

    Returns:
        the exit code for systemd.
    """
    if len(argv) not in (1, 3) or (len(argv) == 3 and argv[1] != "--config"):
        say("usage: launcher NAME [--config DIRECTORY]", 3)
        return exitcodes.CONFIGURATION
    name = argv[0]
    if not instances.NAME.fullmatch(name):
        say(f"{name!r} is not an instance name: use ibgateway@NAME with a name of the inventory", 3)
        return exitcodes.CONFIGURATION
    signals = catch_signals()
    try:
        instance = instances.load(Path(argv[2]) if len(argv) == 3 else instances.ETC / name)
    except ConfigurationInvalid as refused:
        return _refuse(name, str(refused))
    return Launcher(instance, signals, limits or Limits()).run()


def _refuse(name: str, sentence: str) -> int:
    """Tell what can be told without an instance: journal, status and, where they are found, the files."""
    say(sentence, 3)
    Notifier().status(sentence)
    home = Path(os.environ.get("HOME", "/nonexistent"))
    event = None
    if home.name == name and home.is_dir():
        event = EventLog(home / "events.jsonl", name, lambda text: say(text, 3)).emit(
            "configuration_invalid", {"text": sentence}
        )
    state = {"instance": name, "state": "failed", "since": timestamp(time.time()), "status": sentence}
    with contextlib.suppress(OSError):
        statefile.write(Path("/run/ibgateway") / name / "state.json", {**state, "last_event": event})
    return exitcodes.CONFIGURATION
