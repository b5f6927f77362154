"""Refused events: find them, read their bytes, and mark those that were published again."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from tasks.dead_letters import MAX_BODY_BYTES
from tasks.replay.selection import Selection
from tasks.tables import DeadLetter


@dataclass(frozen=True, slots=True)
class RefusedEvent:
    """What is known of one refused event, without its bytes; `size` is in bytes."""

    id: int
    stream: str
    entry_id: str
    code: str
    reason: str
    size: int
    created_at: datetime
    replayed_at: datetime | None

    @property
    def is_whole(self) -> bool:
        """Whether all its bytes were kept, so that it can be published again."""
        return self.size < MAX_BODY_BYTES


_COLUMNS = [func.length(DeadLetter.body) if field.name == "size" else getattr(DeadLetter, field.name)
            for field in fields(RefusedEvent)]  # fmt: skip


def find(connection: Connection, selection: Selection, limit: int) -> list[RefusedEvent]:
    """The newest `limit` refused events that were not replayed; those that the selection names by key in any case."""
    statement = select(*_COLUMNS).where(*_conditions(selection)).order_by(DeadLetter.id.desc()).limit(limit)
    return [RefusedEvent(*row) for row in connection.execute(statement)]


def keys(connection: Connection, selection: Selection) -> list[int]:
    """Keys of the refused events that can be replayed: whole, and not replayed yet; the oldest first."""
    whole = func.length(DeadLetter.body) < MAX_BODY_BYTES
    statement = select(DeadLetter.id).where(_open(), whole, *_conditions(selection)).order_by(DeadLetter.id)
    return list(connection.scalars(statement))


def body(connection: Connection, key: int) -> bytes | None:
    """The bytes as they came, at most MAX_BODY_BYTES of them; None if there is no such letter."""
    return connection.scalar(select(DeadLetter.body).where(DeadLetter.id == key))


def bodies(connection: Connection, some: Sequence[int]) -> list[tuple[int, str, bytes]]:
    """Key, stream and bytes of those that are still to be replayed, the oldest first."""
    statement = (
        select(DeadLetter.id, DeadLetter.stream, DeadLetter.body)
        .where(DeadLetter.id.in_(some), _open())
        .order_by(DeadLetter.id)
    )
    return [(row.id, row.stream, row.body) for row in connection.execute(statement)]


def mark(connection: Connection, some: Sequence[int], *, now: datetime) -> None:
    """Note that these were published again."""
    connection.execute(update(DeadLetter).where(DeadLetter.id.in_(some), _open()).values(replayed_at=now))


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    if selection.ids:
        return [DeadLetter.id.in_(selection.ids)]
    wanted = [_open()]
    if selection.codes:
        wanted.append(DeadLetter.code.in_(selection.codes))
    if selection.since is not None:
        wanted.append(DeadLetter.created_at >= selection.since)
    return wanted


def _open() -> ColumnElement[bool]:
    return DeadLetter.replayed_at.is_(None)
