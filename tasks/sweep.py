"""What the sweeper does: find what a crash left behind or what has come due, so that it is queued again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine

from tasks import circuit, images, outbox
from tasks.clock import Clock, utc_now


class TakesDue(Protocol):
    """Takes due rows of one table, and puts them off so that no other sweeper takes them too."""

    def __call__(self, connection: Connection, *, now: datetime, again_at: datetime, limit: int) -> list[int]:
        """Keys of at most `limit` rows."""


@dataclass(frozen=True, slots=True)
class Swept:
    """Keys of the rows to queue again."""

    images: list[int]
    notifications: list[int]


class Sweep:
    """One look at the open rows; several sweepers at once take different rows.

    `requeue_after` is when a row that was queued again, and that still nobody claimed, is queued once more.
    """

    def __init__(self, engine: Engine, requeue_after: timedelta, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._requeue_after = requeue_after
        self._clock = clock

    def __call__(self, image_room: int, notification_room: int) -> Swept:
        """Take as many due rows of each kind as the queues have room for."""
        return Swept(
            images=self._take(images.take_due, image_room),
            notifications=self._take(_take_notifications, notification_room),
        )

    def _take(self, take_due: TakesDue, room: int) -> list[int]:
        if room <= 0:
            return []
        now = self._clock()
        with self._engine.begin() as connection:
            return take_due(connection, now=now, again_at=now + self._requeue_after, limit=room)


def _take_notifications(connection: Connection, *, now: datetime, again_at: datetime, limit: int) -> list[int]:
    """A receiver that is away gets none, but one from time to time to see whether it is back."""
    return outbox.take_due(connection, now=now, again_at=again_at, limit=circuit.room(connection, limit, now=now))
