"""Child processes that surely end: with the demo, with an error, with a signal, and even if the demo is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from rich.text import Text

from models.errors import RetakeError
from worker.demo import guard

STOP_SECONDS = 10  # for a clean stop of all children together, before they are killed
LOG_TAIL = 15  # lines
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ChildEndedError(RetakeError):
    """A process of the demo ended too early: its log says why."""

    code = "child_ended"


class Guard:
    """The demo's end of the pipe to the guard process (see `guard.py`)."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", guard.__file__, str(folder)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, target: int) -> None:
        """Have a process, or (negative) a process group, killed if the demo dies."""
        self._say(str(target))

    def release(self) -> None:
        """Let the guard go: everything is cleaned up."""
        self._say(guard.DONE)
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class Children:
    """Child processes, each in a process group of its own, so that Ctrl-C reaches the demo alone."""

    def __init__(
        self, environment: Mapping[str, str], logs: Path, guard: Guard, stop_seconds: float = STOP_SECONDS
    ) -> None:
        self._environment = environment
        self._logs = logs
        self._guard = guard
        self._stop_seconds = stop_seconds
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start a process whose output goes to NAME.log."""
        with (self._logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        self._guard.watch(-child.pid)

    def check(self) -> None:
        """See that all children live.

        Raises:
            ChildEndedError: one has ended; says which, and its exit status.
        """
        for name, child in self._children.items():
            if child.poll() is not None:
                raise ChildEndedError(f"{name} ended with status {child.returncode}")

    def stop(self) -> None:
        """Ask every child to stop, the last started first; then kill what is left in their groups."""
        children = list(reversed(self._children.values()))
        for child in children:
            child.terminate()
        deadline = time.monotonic() + self._stop_seconds
        for child in children:
            with suppress(subprocess.TimeoutExpired):
                child.wait(max(0, deadline - time.monotonic()))
        for child in children:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


class StopSignals:
    """Turns SIGINT, SIGTERM and SIGHUP into an exit at the next `check`, never in the middle of a start or a stop."""

    def __init__(self) -> None:
        self._received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in STOP_SIGNALS:
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def check(self) -> None:
        """Exit, with the status that a shell reports for the signal, if one has arrived.

        Raises:
            SystemExit: 128 plus the signal's number.
        """
        if self._received is not None:
            raise SystemExit(128 + self._received)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._received = number


def log_tails(logs: Iterable[Path]) -> Text:
    """The last lines of each log that says anything, under its name, in the colours that it was written in."""
    return Text("\n").join(Text.from_ansi(f"--- {log.name}\n{_tail(log)}") for log in logs if log.stat().st_size)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
