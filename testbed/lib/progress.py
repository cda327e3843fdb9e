"""Say what happens while it happens: every step has a title, a moving sign of life and a duration.

Used as a module by the testbed and as a command by the shell scripts:
    progress.py [--show] TITLE LOGFILE COMMAND…
"""

import contextlib
import io
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

TICK_TTY = 1.0  # seconds between signs of life where the line can be rewritten
TICK_LOG = 10.0  # seconds between them where every one is a new line
TAIL = 40  # lines of the log that a failure shows
LOG_BYTES = 8 << 20  # a log larger than this starts anew


class UserError(Exception):
    """Something the user can put right; the text is one sentence that says how."""


def say(text: str) -> None:
    """Print one line at once.

    Args:
        text: the line.
    """
    print(text, flush=True)


@contextlib.contextmanager
def timed(title: str) -> Iterator[None]:
    """Frame a short piece of work that prints nothing itself.

    Args:
        title: what is done, as a sentence in the imperative.
    """
    say(f"==> {title}")
    begin = time.monotonic()
    yield
    say(f"    done in {time.monotonic() - begin:.1f} s")


@contextlib.contextmanager
def waiting(title: str) -> Iterator[Callable[[str], None]]:
    """Frame a wait whose caller knows best what to show meanwhile.

    Args:
        title: what is awaited, as a sentence in the imperative.

    Yields:
        A function that takes the present state in words; it shows one when it is new, or the clock went on.
    """
    say(f"==> {title}")
    begin = time.monotonic()
    rewrite = sys.stdout.isatty()
    shown, due = "", begin

    def tick(state: str) -> None:
        nonlocal shown, due
        now = time.monotonic()
        if rewrite or now >= due or _words(state) != _words(shown):
            _alive(now - begin, state, rewrite)
            shown, due = state, now + TICK_LOG

    try:
        yield tick
    finally:
        if rewrite:
            print("\r\033[K", end="", flush=True)
    say(f"    done in {time.monotonic() - begin:.1f} s")


def _words(text: str) -> str:
    """Drop the numbers, so that a clock inside a text does not make it new."""
    return "".join(letter for letter in text if not letter.isdigit())


def run_step(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    show: bool = False,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    label: str = "",
    stop: threading.Event | None = None,
    hear: Callable[[str], object] | None = None,
) -> int:
    """Run a command under a title, its output in a log, and show that it lives.

    Args:
        title: what is done, as a sentence in the imperative.
        command: program and arguments.
        log: file that receives the output (appended).
        show: also print every output line.
        env: environment of the command; this process's own when None.
        cwd: working directory of the command.
        label: what stands before its lines, where other steps run beside it.
        stop: ends the command when it is set; only the main thread hears Ctrl-C.
        hear: takes each line of its output as it comes.

    Returns:
        The command's exit code (128 + signal when a signal ended it, 127 when there is no such program).
    """
    head = f"    {label}: " if label else "    "
    say(f"==> {title}")
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.unlink()
    with log.open("a", encoding="utf-8", errors="replace") as sink:
        sink.write(f"==> {title}\n")
        sink.flush()
        start = log.stat().st_size
        child = None
        try:
            with _interrupt_held():
                child = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    env=dict(env) if env is not None else None,
                    cwd=cwd,
                )
                lines = _lines(child)
            _follow(child, lines, sink, begin, show, head, stop, hear)
            code = child.wait()
        except FileNotFoundError:
            say(f"{head}no such program: {command[0]}")
            return 127
        except BaseException:
            if child is not None:
                _end(child)
            raise
    took = time.monotonic() - begin
    code = 128 - code if code < 0 else code
    if code == 0:
        say(f"{head}done in {took:.1f} s")
    else:
        if not show:
            _print_tail(log, start)
        say(f"{head}failed after {took:.1f} s (exit code {code}); whole log: {log}")
    return code


def must(
    title: str,
    command: Sequence[str],
    log: Path,
    *,
    show: bool = False,
    env: Mapping[str, str] | None = None,
) -> None:
    """Run a step that the rest depends on.

    Args:
        title: what is done.
        command: program and arguments.
        log: file that receives the output.
        show: also print every output line.
        env: environment of the command.

    Raises:
        UserError: the command failed.
    """
    if run_step(title, command, log, show=show, env=env) != 0:
        raise UserError(f"this step failed: {title}. The lines above say why.")


def _lines(child: "subprocess.Popen[str]") -> "queue.Queue[str | None]":
    """Read the output of a child in a thread: its lines, and None at the end."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        # Closed here, since elsewhere it would wait for whatever holds the other end open.
        with contextlib.closing(child.stdout or io.StringIO()) as output:
            for line in output:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _follow(
    child: "subprocess.Popen[str]",
    lines: "queue.Queue[str | None]",
    sink: TextIO,
    begin: float,
    show: bool,
    head: str,
    stop: threading.Event | None,
    hear: Callable[[str], object] | None,
) -> None:
    """Copy the output to the log and tick until it ends.

    Raises:
        KeyboardInterrupt: `stop` is set.
    """
    rewrite = sys.stdout.isatty() and not show
    tick = TICK_TTY if rewrite else TICK_LOG
    last, due = "", time.monotonic() + tick
    while True:
        if stop is not None and stop.is_set():
            raise KeyboardInterrupt
        try:
            line = lines.get(timeout=max(0.0, min(due - time.monotonic(), tick if stop is None else 1.0)))
        except queue.Empty:
            if child.poll() is not None:
                break  # something that it left running holds the pipe open
            if time.monotonic() >= due:
                _alive(time.monotonic() - begin, last, rewrite, head)
                due = time.monotonic() + tick
            continue
        if line is None:
            break
        sink.write(line)
        sink.flush()
        last = line.strip() or last
        if hear:
            hear(line)
        if show:
            print(head + line, end="", flush=True)
            due = time.monotonic() + tick
    if rewrite:
        print("\r\033[K", end="", flush=True)


def _alive(seconds: float, last: str, rewrite: bool, head: str = "    ") -> None:
    text = f"{head}{seconds:4.0f} s  {last}"
    if rewrite:
        width = shutil.get_terminal_size().columns
        print(f"\r\033[K{text[: width - 1]}", end="", flush=True)
    else:
        say(text[:160])


def _print_tail(log: Path, start: int) -> None:
    """Show the end of what this step wrote."""
    text = log.read_bytes()[start:].decode("utf-8", "replace")
    for line in text.splitlines()[-TAIL:]:
        say(f"    | {line}")


@contextlib.contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back while a child is begun: one that comes in the midst would leave it to nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _end(child: "subprocess.Popen[str]") -> None:
    """Let an interrupted child go first, then make sure."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(timeout=20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main(arguments: Sequence[str]) -> int:
    """Run one step from a shell script.

    Args:
        arguments: [--show] TITLE LOGFILE COMMAND…

    Returns:
        The command's exit code; 130 after Ctrl-C.
    """
    rest = list(arguments)
    show = rest[:1] == ["--show"]
    if show:
        rest.pop(0)
    if len(rest) < 3:
        print("usage: progress.py [--show] TITLE LOGFILE COMMAND…", file=sys.stderr)
        return 2
    title, log, *command = rest
    try:
        return run_step(title, command, Path(log), show=show, env=os.environ)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
