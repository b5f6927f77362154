"""Erasing a seller: every row that names them, in small transactions, so that the workers go on meanwhile."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select, delete, func, select

from tasks.database import autocommit
from tasks.tables import Cooldown, DeadLetter, Image, Notification, Score

PHOTOS_AT_ONCE = 500
LETTERS_AT_ONCE = 50  # each may have a megabyte


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows of each kind are, or were, a seller's.

    `letters` are refused events that parse far enough to name the seller; `unclear_letters` hold the seller's name
    without parsing so far: a person must look at them.
    """

    photos: int = 0
    scores: int = 0
    requests: int = 0
    cooldowns: int = 0
    letters: int = 0
    unclear_letters: tuple[int, ...] = ()

    def __add__(self, other: "Erased") -> "Erased":
        return Erased(
            self.photos + other.photos,
            self.scores + other.scores,
            self.requests + other.requests,
            self.cooldowns + other.cooldowns,
            self.letters + other.letters,
            self.unclear_letters + other.unclear_letters,
        )


def find_rows(engine: Engine, seller_id: str) -> Erased:
    """Count what `forget` would erase."""
    theirs = Image.seller_id == seller_id
    with autocommit(engine) as connection:
        photos = connection.execute(select(func.count()).select_from(Image).where(theirs)).scalar_one()
        found = Erased(
            photos=photos,
            scores=_count(connection, select(Score.image_pk).join(Image, Image.id == Score.image_pk).where(theirs)),
            requests=_count(
                connection, select(Notification.id).join(Image, Image.id == Notification.image_pk).where(theirs)
            ),
            cooldowns=_count(
                connection,
                select(Cooldown.ad_id).where(Cooldown.ad_id.in_(select(Image.ad_id).where(theirs))),
            ),
        )
    return found + sum(_letters(engine, seller_id, erase=False), Erased())


def forget(engine: Engine, seller_id: str) -> Iterator[Erased]:
    """Erase a seller's rows, and yield what each small transaction erased.

    A photo that a worker has in its hands is erased too: what the worker finds is dropped. An event that is still on
    the stream, or that is published later, is a new one: stop publishing first.
    """
    while (erased := _forget_photos(engine, seller_id)).photos:
        yield erased
    yield from _letters(engine, seller_id, erase=True)


def _forget_photos(engine: Engine, seller_id: str) -> Erased:
    with engine.begin() as connection:
        rows = connection.execute(
            select(Image.id, Image.ad_id).where(Image.seller_id == seller_id).order_by(Image.id).limit(PHOTOS_AT_ONCE)
        ).all()
        keys = [row.id for row in rows]
        ads = {row.ad_id for row in rows}
        return Erased(
            cooldowns=connection.execute(delete(Cooldown).where(Cooldown.ad_id.in_(sorted(ads)))).rowcount,
            requests=connection.execute(delete(Notification).where(Notification.image_pk.in_(keys))).rowcount,
            scores=connection.execute(delete(Score).where(Score.image_pk.in_(keys))).rowcount,
            photos=connection.execute(delete(Image).where(Image.id.in_(keys))).rowcount,
        )


def _letters(engine: Engine, seller_id: str, *, erase: bool) -> Iterator[Erased]:
    after = 0
    while letters := _read_letters(engine, after):
        after = letters[-1][0]
        theirs = [key for key, body in letters if _names_seller(body, seller_id)]
        unclear = [key for key, body in letters if key not in theirs and _mentions(body, seller_id)]
        if erase and theirs:
            with engine.begin() as connection:
                connection.execute(delete(DeadLetter).where(DeadLetter.id.in_(theirs)))
        yield Erased(letters=len(theirs), unclear_letters=tuple(unclear))


def _read_letters(engine: Engine, after: int) -> list[tuple[int, bytes]]:
    statement = (
        select(DeadLetter.id, DeadLetter.body)
        .where(DeadLetter.id > after)
        .order_by(DeadLetter.id)
        .limit(LETTERS_AT_ONCE)
    )
    with autocommit(engine) as connection:
        return [(row.id, row.body) for row in connection.execute(statement)]


def _names_seller(body: bytes, seller_id: str) -> bool:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return False
    data = event.get("data") if isinstance(event, dict) else None
    return isinstance(data, dict) and str(data.get("seller_id")) == seller_id


def _mentions(body: bytes, seller_id: str) -> bool:
    return seller_id.encode() in body or json.dumps(seller_id).encode() in body


def _count(connection: Connection, rows: Select[Any]) -> int:
    return connection.execute(select(func.count()).select_from(rows.subquery())).scalar_one()
