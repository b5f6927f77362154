"""Photos without a score: find them, and put them back to be worked on as if they had just come."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, select, update

from tasks.replay.selection import Selection
from tasks.tables import Image, ImageState

WITHOUT_SCORE = (ImageState.FAILED, ImageState.UNREACHABLE, ImageState.REJECTED)


@dataclass(frozen=True, slots=True)
class UnscoredPhoto:
    """What is known of one photo that was given up."""

    id: int
    ad_id: str
    image_id: str
    seller_id: str
    image_url: str
    state: str
    error_code: str | None
    error_detail: str | None
    attempts: int
    received_at: datetime
    finished_at: datetime | None


_COLUMNS = [getattr(Image, field.name) for field in fields(UnscoredPhoto)]


def find(connection: Connection, selection: Selection, limit: int) -> list[UnscoredPhoto]:
    """The newest `limit` photos that were given up."""
    statement = select(*_COLUMNS).where(*_conditions(selection)).order_by(Image.finished_at.desc()).limit(limit)
    return [UnscoredPhoto(*row) for row in connection.execute(statement)]


def keys(connection: Connection, selection: Selection) -> list[int]:
    """Keys of all photos that the selection names and that were given up, the oldest first."""
    return sorted(connection.scalars(select(Image.id).where(*_conditions(selection))))


def replay(connection: Connection, some: Sequence[int], *, now: datetime) -> int:
    """Put photos that were given up back to `received`, due at once, and return how many.

    The sweeper queues them as the queue has room. The attempts start anew: whoever claimed such a photo before has
    ended, or lost its lease and was killed by the time limit, which is shorter.
    """
    statement = (
        update(Image)
        .where(Image.id.in_(some), Image.state.in_(WITHOUT_SCORE))
        .values(
            state=ImageState.RECEIVED,
            error_code=None,
            error_detail=None,
            attempts=0,
            failures=0,
            available_at=now,
            due_at=now,
            finished_at=None,
        )
    )
    return connection.execute(statement).rowcount


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    # Said again, so that the partial indexes on rows with an error can serve.
    wanted: list[ColumnElement[bool]] = [
        Image.state.in_(selection.states or WITHOUT_SCORE),
        Image.error_code.is_not(None),
    ]
    if selection.ids:
        wanted.append(Image.id.in_(selection.ids))
    if selection.codes:
        wanted.append(Image.error_code.in_(selection.codes))
    if selection.ad_id is not None:
        wanted.append(Image.ad_id == selection.ad_id)
    if selection.since is not None:
        wanted.append(Image.finished_at >= selection.since)
    return wanted
