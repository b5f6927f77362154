"""The images table: receive, claim, finish, retry, and what the sweeper finds there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, update

from tasks.database import insert_into
from tasks.events import ImageUploaded
from tasks.leased_rows import LeasedRows
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


_ROWS = LeasedRows(Image, ImageState.RECEIVED, ClaimedImage)


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


claim = _ROWS.claim
take_due = _ROWS.take_due


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
    _ROWS.settle(
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
    _ROWS.settle(
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
