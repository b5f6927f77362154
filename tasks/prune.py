"""Deleting what is old, in small transactions, so that the workers go on meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, delete, exists, func, select

from tasks.database import autocommit
from tasks.tables import Cooldown, DeadLetter, Image, Notification, NotificationState

ROWS_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows are, or were, older than asked for. Scores and requests go with their photos."""

    photos: int = 0
    letters: int = 0
    cooldowns: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(self.photos + other.photos, self.letters + other.letters, self.cooldowns + other.cooldowns)


def find_rows(engine: Engine, before: datetime) -> Pruned:
    """Count what `prune` would delete, but for the cooldowns, which are not indexed by time."""
    with autocommit(engine) as connection:
        return Pruned(
            photos=_count(connection, Image.finished_at < before),
            letters=_count(connection, DeadLetter.created_at < before),
        )


def prune(engine: Engine, before: datetime, now: datetime) -> Iterator[Pruned]:
    """Delete finished photos and refused events older than `before`, and cooldowns that are over at `now`.

    A photo that is still open, or whose request still is, stays. An event whose row is gone is new when it comes again.
    """
    while (photos := _in_one_transaction(engine, lambda connection: _prune_photos(connection, before))) > 0:
        yield Pruned(photos=photos)
    while (letters := _in_one_transaction(engine, lambda connection: _prune_letters(connection, before))) > 0:
        yield Pruned(letters=letters)
    yield from _prune_cooldowns(engine, now)


def _prune_photos(connection: Connection, before: datetime) -> int:
    still_pending = exists().where(Notification.image_pk == Image.id, Notification.state == NotificationState.PENDING)
    old = (
        select(Image.id)
        .where(Image.finished_at < before, ~still_pending)
        .order_by(Image.finished_at)
        .limit(ROWS_AT_ONCE)
    )
    return connection.execute(delete(Image).where(Image.id.in_(connection.scalars(old).all()))).rowcount


def _prune_letters(connection: Connection, before: datetime) -> int:
    old = (
        select(DeadLetter.id).where(DeadLetter.created_at < before).order_by(DeadLetter.created_at).limit(ROWS_AT_ONCE)
    )
    return connection.execute(delete(DeadLetter).where(DeadLetter.id.in_(connection.scalars(old).all()))).rowcount


def _prune_cooldowns(engine: Engine, now: datetime) -> Iterator[Pruned]:
    """Walk over all cooldowns once, in the order of their key: they have no index by time, and need none."""
    after = ""
    while ads := _ads_after(engine, after):
        after = ads[-1]
        with engine.begin() as connection:
            statement = delete(Cooldown).where(Cooldown.ad_id.in_(ads), Cooldown.until <= now)
            yield Pruned(cooldowns=connection.execute(statement).rowcount)


def _ads_after(engine: Engine, after: str) -> list[str]:
    statement = select(Cooldown.ad_id).where(Cooldown.ad_id > after).order_by(Cooldown.ad_id).limit(ROWS_AT_ONCE)
    with autocommit(engine) as connection:
        return list(connection.scalars(statement))


def _in_one_transaction(engine: Engine, step: Callable[[Connection], int]) -> int:
    with engine.begin() as connection:
        return step(connection)


def _count(connection: Connection, wanted: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).where(wanted)).scalar_one()
