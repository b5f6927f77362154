"""The circuit: whether the receiver of retake requests is worth a try, known to all workers.

Closed, everything is tried. After `failures` failures in a row it opens, and nothing is tried for `pause`. Then it is
half-open: one request is tried in each pause, and the first that gets through closes the circuit.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, literal, select, update

from tasks.database import insert_into
from tasks.tables import Circuit, UtcDateTime

RECEIVER = "receiver"


@dataclass(frozen=True, slots=True)
class CircuitPolicy:
    """When to leave the receiver alone, and for how long."""

    failures: int = 10
    pause: timedelta = timedelta(seconds=30)


def room(connection: Connection, wanted: int, *, now: datetime) -> int:
    """How many requests may be queued now: all, one to try the receiver with, or none."""
    open_until = _open_until(connection)
    if open_until is None:
        return wanted
    return min(wanted, int(open_until <= now))


def admits(connection: Connection, *, now: datetime, policy: CircuitPolicy) -> bool:
    """Whether to try a request now; half-open, the one who asks first tries for all."""
    if _open_until(connection) is None:
        return True
    statement = update(Circuit).where(Circuit.name == RECEIVER, Circuit.open_until <= now)
    return connection.execute(statement.values(open_until=now + policy.pause)).rowcount == 1


def failed(connection: Connection, *, now: datetime, policy: CircuitPolicy) -> bool:
    """Count a failure of the receiver; return whether it has opened the circuit."""
    opened = literal(now + policy.pause, UtcDateTime())
    first = insert_into(connection, Circuit).values(name=RECEIVER, failures=0).on_conflict_do_nothing()
    connection.execute(first)
    statement = update(Circuit).where(Circuit.name == RECEIVER)
    values = {
        "failures": Circuit.failures + 1,
        "open_until": case((Circuit.failures + 1 >= policy.failures, opened), else_=None),
    }
    return connection.scalar(statement.values(values).returning(Circuit.failures)) == policy.failures


def answered(connection: Connection) -> bool:
    """The receiver is there: close the circuit; return whether it was open."""
    state = connection.execute(select(Circuit.failures, Circuit.open_until).where(Circuit.name == RECEIVER)).first()
    if state is None or not state.failures:
        return False
    connection.execute(update(Circuit).where(Circuit.name == RECEIVER).values(failures=0, open_until=None))
    return state.open_until is not None


def _open_until(connection: Connection) -> datetime | None:
    return connection.scalar(select(Circuit.open_until).where(Circuit.name == RECEIVER))
