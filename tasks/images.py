"""The images table: receive, claim, finish, retry, and what the sweeper finds there."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, select, update

from tasks.database import insert_into
from tasks.errors import LeaseLostError
from tasks.events import ImageUploaded
from tasks.tables import Image, ImageState

DETAIL_LENGTH = 1000


@dataclass(frozen=True, slots=True)
class ClaimedImage:
    """A photo that belongs to this worker until its lease ends; `attempts` is the fencing token."""

    pk: int
    event_id: str
    ad_id: str
    image_id: str
    seller_id: str
    image_url: str
    replaces: str | None
    traceparent: str | None
    attempts: int
    failures: int
    error_code: str | None
    error_detail: str | None

    @property
    def crashes(self) -> int:
        """Earlier attempts that ended without a word, or with an error nobody expected."""
        return self.attempts - 1 - self.failures


# The statements of every photo are built once: SQLAlchemy takes longer to build one than the database to answer it.
_CLAIM = (
    update(Image)
    .where(Image.id == bindparam("pk"), Image.state == ImageState.RECEIVED, Image.available_at <= bindparam("now"))
    .values(attempts=Image.attempts + 1, available_at=bindparam("until"), due_at=bindparam("until"))
    .returning(*(getattr(Image, "id" if field.name == "pk" else field.name) for field in fields(ClaimedImage)))
)
_SETTLE = update(Image).where(
    Image.id == bindparam("pk"), Image.state == ImageState.RECEIVED, Image.attempts == bindparam("fence")
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a photo is not scored: an error's code and its message."""

    code: str
    detail: str


def receive(
    connection: Connection, events: Sequence[ImageUploaded], *, now: datetime, requeue_after: timedelta
) -> list[int]:
    """Write a `received` row for each event that is new, and return the new rows' keys."""
    if not events:
        return []
    statement = (
        insert_into(connection, Image)
        .on_conflict_do_nothing(index_elements=[Image.event_source, Image.event_id])
        .returning(Image.id)
    )
    rows = [_row(event, now, now + requeue_after) for event in events]
    return list(connection.scalars(statement, rows))


def claim(connection: Connection, pk: int, *, now: datetime, lease: timedelta) -> ClaimedImage | None:
    """Take a photo for the length of the lease; None if it is final, taken, or waiting for its next attempt."""
    row = connection.execute(_CLAIM, {"pk": pk, "now": now, "until": now + lease}).one_or_none()
    return ClaimedImage(*row) if row else None


def finish(
    connection: Connection,
    image: ClaimedImage,
    state: ImageState,
    *,
    now: datetime,
    fault: Fault | None = None,
) -> None:
    """Give a claimed photo its final state.

    Raises:
        LeaseLostError: another worker has claimed it since.
    """
    _settle(
        connection,
        image,
        state=state,
        error_code=fault.code if fault else None,
        error_detail=fault.detail[:DETAIL_LENGTH] if fault else None,
        due_at=None,
        finished_at=now,
    )


def put_off(
    connection: Connection, image: ClaimedImage, fault: Fault, *, until: datetime, crashed: bool = False
) -> None:
    """Give a claimed photo back, to be claimed again at `until`; a crash counts against the crash limit.

    Raises:
        LeaseLostError: another worker has claimed it since.
    """
    _settle(
        connection,
        image,
        failures=image.failures if crashed else image.failures + 1,
        error_code=fault.code,
        error_detail=fault.detail[:DETAIL_LENGTH],
        available_at=until,
        due_at=until,
    )


def note_lost(connection: Connection, pk: int, fault: Fault, *, now: datetime, until: datetime) -> None:
    """End the lease of a photo whose worker is gone, and say why; a photo that nobody holds stays as it is."""
    statement = update(Image).where(Image.id == pk, Image.state == ImageState.RECEIVED, Image.available_at > now)
    noted = {"error_code": fault.code, "error_detail": fault.detail[:DETAIL_LENGTH]}
    connection.execute(statement.values(available_at=until, due_at=until, **noted))


def take_due(connection: Connection, *, now: datetime, again_at: datetime, limit: int) -> list[int]:
    """Keys of open photos whose time has come, at most `limit`, each put off to `again_at` for other sweepers."""
    due = (
        select(Image.id)
        .where(Image.due_at <= now)
        .order_by(Image.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    statement = update(Image).where(Image.id.in_(due)).values(due_at=again_at).returning(Image.id)
    return list(connection.scalars(statement))


def _settle(connection: Connection, image: ClaimedImage, **values: object) -> None:
    if connection.execute(_SETTLE, {"pk": image.pk, "fence": image.attempts, **values}).rowcount != 1:
        raise LeaseLostError


def _row(event: ImageUploaded, now: datetime, due_at: datetime) -> dict[str, object]:
    return {
        "event_source": event.source,
        "event_id": event.id,
        "traceparent": event.traceparent,
        "ad_id": event.data.ad_id,
        "image_id": event.data.image_id,
        "seller_id": event.data.seller_id,
        "image_url": event.data.image_url,
        "replaces": event.data.replaces,
        "extra": event.data.extra or None,
        "state": ImageState.RECEIVED,
        "received_at": now,
        "available_at": now,
        "due_at": due_at,
    }
