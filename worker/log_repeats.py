"""Keeps a library that repeats itself quiet: during an outage the same line comes from every retry."""

import logging
import time
from collections.abc import Callable

# What Celery and kombu say of a broker that is away: the first line of each kind, then one a minute.
REPEATING = ("celery.worker.consumer", "celery.beat", "celery.concurrency", "kombu")
QUIET_SECONDS = 60.0


class DropRepeats(logging.Filter):
    """Lets a line of the named loggers pass once in a while, whatever it was filled in with."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._told: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write the line: one of another logger, below a warning, or not told for a while."""
        if record.levelno < logging.WARNING or not record.name.startswith(REPEATING):
            return True
        line = (record.name, record.lineno, str(record.msg))
        now = self._clock()
        if now < self._told.get(line, float("-inf")) + QUIET_SECONDS:
            return False
        self._told[line] = now
        return True
