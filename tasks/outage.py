"""A database or broker that is away: one line when it goes, one when it is back, and patience in between."""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

Result = TypeVar("Result")

# Not there, out of connections, out of disk, shutting down, read-only after a failover: nothing that a row is to blame
# for.
DATABASE_AWAY = (OperationalError, InternalError, InterfaceError)
# Well below a task's soft time limit, which counts the wait too.
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Outage:
    """Tells what goes away and comes back, however many calls fail in between."""

    def __init__(self, name: str) -> None:
        self._gone, self._back = f"{name}.away", f"{name}.back"
        self._lasts = False

    def begins(self, error: Exception) -> None:
        """A call failed."""
        if not self._lasts:
            log.warning(self._gone, reason=str(error).splitlines()[0])
        self._lasts = True

    def ends(self) -> None:
        """A call succeeded."""
        if self._lasts:
            log.info(self._back)
        self._lasts = False


database = Outage("database")
broker = Outage("broker")


def patiently(
    step: Callable[[], Result], patience: float = PATIENCE_SECONDS, retry: float = RETRY_SECONDS
) -> Result | None:
    """Do a step, again and again while the database is away; None if that takes longer than `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        try:
            result = step()
        except DATABASE_AWAY as error:
            database.begins(error)
        else:
            database.ends()
            return result
        if time.monotonic() + retry > deadline:
            return None
        time.sleep(retry)
