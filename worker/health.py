"""Signs of life: a file that a process touches while it gets on with its work.

Its age is the health check. It costs no message, no broker and no database, so it says nothing false under load;
what a file cannot see (alive, but consuming nothing) is what the alert on the oldest waiting photo is for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from celery import Celery, bootsteps
from celery.beat import Scheduler

BEAT_SECONDS = 5.0
HEARTBEAT_FILE = "retake_heartbeat_file"


def heartbeat(file: Path | None) -> Callable[[], None]:
    """What a loop calls at each round."""
    return file.touch if file is not None else lambda: None


def install_heartbeat(app: Celery, file: Path | None) -> None:
    """Make the workers and the beat of an application touch a file."""
    if file is not None:
        app.conf[HEARTBEAT_FILE] = file
        app.steps["worker"].add(WorkerHeartbeat)


class WorkerHeartbeat(bootsteps.StartStopStep):
    """Touches the file from the worker's own event loop: a loop that hangs stops touching it."""

    requires = ("celery.worker.components:Timer",)

    def start(self, parent: Any) -> None:  # noqa: ANN401 - Celery's worker controller has no type
        """Touch it now, and then again and again."""
        file: Path = parent.app.conf[HEARTBEAT_FILE]
        file.touch()
        parent.timer.call_repeatedly(BEAT_SECONDS, file.touch)


class BeatingScheduler(Scheduler):
    """A schedule that lives in memory, for it is one entry that may well start anew; touches the file at each look."""

    def tick(self, *args: Any, **options: Any) -> float:  # noqa: ANN401 - as the base class has it
        """Start what is due."""
        if file := self.app.conf.get(HEARTBEAT_FILE):
            file.touch()
        return float(super().tick(*args, **options))
