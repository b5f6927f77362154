"""The scores table: one row for each photo and model."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from models.judge import Judgement
from tasks.database import insert_into
from tasks.photo import Photo
from tasks.tables import Score


@dataclass(frozen=True, slots=True)
class ContentScore:
    """What one model says of some bytes.

    `reasons` are the most likely faults, whatever the score: they are told to the seller below the threshold alone,
    and the threshold may change while the score stays.
    """

    content_sha256: bytes
    model: str
    score: float
    stars: int
    reasons: list[str]
    attributes: dict[str, Any]
    width: int
    height: int


_FIND = (
    select(*(getattr(Score, field.name) for field in fields(ContentScore)))
    .where(Score.content_sha256 == bindparam("sha256"), Score.model == bindparam("named"))
    .limit(1)
)
_RECORD = insert(Score)


def find_by_content(connection: Connection, content_sha256: bytes, model: str) -> ContentScore | None:
    """The score that the same bytes got from the same model before, if any."""
    row = connection.execute(_FIND, {"sha256": content_sha256, "named": model}).one_or_none()
    return ContentScore(*row) if row else None


def describe(photo: Photo, judgement: Judgement) -> ContentScore:
    """What a judge said of a photo's bytes."""
    return ContentScore(
        content_sha256=photo.content_sha256,
        model=judgement.model,
        score=judgement.score,
        stars=judgement.stars,
        reasons=[str(code) for code in judgement.ranked],
        attributes=dict(judgement.attributes),
        width=photo.decoded.width,
        height=photo.decoded.height,
    )


def record(connection: Connection, image_pk: int, content: ContentScore, *, now: datetime) -> None:
    """Store the score of one photo, for the first time by this model."""
    connection.execute(_RECORD, _row(image_pk, content, now))


def record_once(connection: Connection, image_pk: int, content: ContentScore, *, now: datetime) -> None:
    """Store the score of one photo, unless it has one by this model."""
    statement = insert_into(connection, Score).values(_row(image_pk, content, now))
    connection.execute(statement.on_conflict_do_nothing(index_elements=[Score.image_pk, Score.model]))


def _row(image_pk: int, content: ContentScore, now: datetime) -> dict[str, object]:
    values = {field.name: getattr(content, field.name) for field in fields(content)}
    return {"image_pk": image_pk, "scored_at": now, **values}
