"""Rows that workers take for a while: claimed for the length of a lease, settled while it holds, taken up when due.

The attempt that a claim counts is the fencing token: who settles with an older one has lost the row to another worker.
"""

from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, bindparam, select, update

from tasks.errors import LeaseLostError
from tasks.tables import Image, Notification


class Claim(Protocol):
    """A row that belongs to this worker until its lease ends: a dataclass, `pk` being the row's `id`."""

    @property
    def pk(self) -> int: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102


Claimed = TypeVar("Claimed", bound=Claim)


class LeasedRows(Generic[Claimed]):
    """The open rows of one table. Statements are built once: building one takes longer than its answer."""

    def __init__(self, entity: type[Image] | type[Notification], open_state: str, claimed: type[Claimed]) -> None:
        columns: Any = fields(claimed)  # type: ignore[arg-type]  # a protocol cannot say that it is a dataclass
        mine = (entity.id == bindparam("pk"), entity.state == open_state)
        free = (*mine, entity.available_at <= bindparam("now"))
        due = (
            select(entity.id)
            .where(entity.due_at <= bindparam("now"))
            .order_by(entity.due_at)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
        )
        self._claimed = claimed
        self._claim = (
            update(entity)
            .where(*free)
            .values(attempts=entity.attempts + 1, available_at=bindparam("until"), due_at=bindparam("until"))
            .returning(*(getattr(entity, "id" if column.name == "pk" else column.name) for column in columns))
        )
        self._make_due = update(entity).where(*free).values(due_at=bindparam("now"))
        self._settle = update(entity).where(*mine, entity.attempts == bindparam("fence"))
        self._take_due = (
            update(entity).where(entity.id.in_(due)).values(due_at=bindparam("again_at")).returning(entity.id)
        )

    def claim(self, connection: Connection, pk: int, *, now: datetime, lease: timedelta) -> Claimed | None:
        """Take a row for the length of the lease; None if it is not open, taken, or waiting for its next attempt."""
        row = connection.execute(self._claim, {"pk": pk, "now": now, "until": now + lease}).one_or_none()
        return self._claimed(*row) if row else None

    def make_due(self, connection: Connection, pk: int, *, now: datetime) -> None:
        """Let whoever looks next take a row that could be claimed now; any other stays as it is."""
        connection.execute(self._make_due, {"pk": pk, "now": now})

    def settle(self, connection: Connection, claimed: Claimed, **values: object) -> None:
        """Write what came of an attempt.

        Raises:
            LeaseLostError: the row is not open any more, or another worker has claimed it since.
        """
        fenced = {"pk": claimed.pk, "fence": claimed.attempts, **values}
        if connection.execute(self._settle, fenced).rowcount != 1:
            raise LeaseLostError

    def take_due(self, connection: Connection, *, now: datetime, again_at: datetime, limit: int) -> list[int]:
        """Keys of rows whose time has come, at most `limit`, each put off to `again_at` for other sweepers."""
        return list(connection.scalars(self._take_due, {"now": now, "again_at": again_at, "most": limit}))
