"""How the work stands: what waits, since when, what was done in the last minutes, and what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, case, func, select
from sqlalchemy.orm import InstrumentedAttribute

from tasks.tables import DeadLetter, Image, Notification, NotificationState

WINDOWS = (1, 5, 15)
"""The last minutes over which rates are given."""

# A bound that every row keeps: it lets the partial index on open rows serve.
_EVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Open rows of one table: they wait for a worker, are in a worker's hands, or wait for their next attempt."""

    ready: int
    claimed: int
    retrying: int
    oldest_seconds: float | None

    @property
    def total(self) -> int:
        """All open rows."""
        return self.ready + self.claimed + self.retrying


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database knows; `finished` holds photos by state for each of WINDOWS, in minutes."""

    photos: Backlog
    requests: Backlog
    finished: Mapping[int, Mapping[str, int]]
    dead_requests: int
    dead_letters: int


def read_standing(connection: Connection, now: datetime) -> Standing:
    """Look at the open rows, the rows of the last minutes, and the dead ones: never at a whole table."""
    return Standing(
        photos=_backlog(connection, Image, Image.received_at, now),
        requests=_backlog(connection, Notification, Notification.created_at, now),
        finished=_finished(connection, now),
        dead_requests=_count(connection, Notification.state == NotificationState.DEAD),
        dead_letters=_count(connection, DeadLetter.replayed_at.is_(None)),
    )


def _backlog(
    connection: Connection,
    table: type[Image | Notification],
    since: InstrumentedAttribute[datetime],
    now: datetime,
) -> Backlog:
    """A row that failed before, and whose time has not come, counts as retrying, even while it is tried again."""
    waits = table.available_at <= now
    kinds = {
        "ready": waits,
        "claimed": and_(~waits, table.error_code.is_(None)),
        "retrying": and_(~waits, table.error_code.is_not(None)),
    }
    counts = [func.count(case((kind, 1))) for kind in kinds.values()]
    statement = select(*counts, func.min(since)).select_from(table).where(table.due_at > _EVER)
    row = tuple(connection.execute(statement).one())
    ready, claimed, retrying, oldest = row
    return Backlog(ready, claimed, retrying, None if oldest is None else (now - oldest).total_seconds())


def _finished(connection: Connection, now: datetime) -> dict[int, dict[str, int]]:
    starts = {minutes: now - timedelta(minutes=minutes) for minutes in WINDOWS}
    counts = [func.count(case((Image.finished_at >= start, 1))) for start in starts.values()]
    statement = select(Image.state, *counts).where(Image.finished_at >= min(starts.values())).group_by(Image.state)
    rows = [(str(state), list(map(int, numbers))) for state, *numbers in connection.execute(statement)]
    return {
        minutes: {state: numbers[place] for state, numbers in rows if numbers[place]}
        for place, minutes in enumerate(starts)
    }


def _count(connection: Connection, wanted: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(wanted)).scalar_one()
