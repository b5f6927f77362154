"""The outbox: retake requests, written with the score that calls for them, delivered after the commit."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, delete, exists, insert, literal, select, update

from tasks.database import insert_into
from tasks.errors import LeaseLostError
from tasks.images import ClaimedImage
from tasks.leased_rows import LeasedRows
from tasks.tables import Cooldown, Image, ImageState, Notification, NotificationState, Score


class NamesPhoto(Protocol):
    """Whose photo it is, and its own name."""

    @property
    def ad_id(self) -> str: ...  # noqa: D102
    @property
    def image_id(self) -> str: ...  # noqa: D102
    @property
    def seller_id(self) -> str: ...  # noqa: D102


class PhotoNames(NamedTuple):
    """The names of a photo that nobody has claimed."""

    ad_id: str
    image_id: str
    seller_id: str


@dataclass(frozen=True, slots=True)
class ClaimedNotification:
    """A request that belongs to this worker until its lease ends; `attempts` is the fencing token."""

    pk: int
    webhook_id: str
    ad_id: str
    body: str
    attempts: int


_ROWS = LeasedRows(Notification, NotificationState.PENDING, ClaimedNotification)


def write(
    connection: Connection,
    image: ClaimedImage,
    webhook_id: str,
    body: str,
    *,
    threshold: float,
    now: datetime,
    cooldown: timedelta,
    deliver_by: datetime,
) -> int | None:
    """Write the request for a bad photo; return its key if it is to be delivered now.

    It is stored, but not delivered, when a good retake came first (`superseded`) or the ad has had a request within
    the cooldown (`coalesced`). The sweeper delivers what nobody has delivered at `deliver_by`.
    """
    state = _first_state(connection, image, threshold=threshold, now=now, cooldown=cooldown)
    pending = state is NotificationState.PENDING
    statement = (
        insert(Notification)
        .values(
            image_pk=image.pk,
            webhook_id=webhook_id,
            ad_id=image.ad_id,
            state=state,
            body=body,
            attempts=0,
            created_at=now,
            available_at=now,
            due_at=deliver_by if pending else None,
        )
        .returning(Notification.id)
    )
    pk = connection.execute(statement).scalar_one()
    return pk if pending else None


def answer(connection: Connection, image: ClaimedImage, *, now: datetime) -> None:
    """A good retake came: cancel the pending request for the photo it replaces, or mark the delivered one answered."""
    replaced = _lock_replaced(connection, image)
    if not replaced:
        return
    theirs = update(Notification).where(Notification.image_pk.in_(replaced))
    cancelled = connection.execute(
        theirs.where(Notification.state == NotificationState.PENDING).values(
            state=NotificationState.SUPERSEDED, due_at=None
        )
    ).rowcount
    if cancelled:
        connection.execute(delete(Cooldown).where(Cooldown.ad_id == image.ad_id))
    connection.execute(
        theirs.where(Notification.state == NotificationState.DELIVERED).values(
            state=NotificationState.ANSWERED, answered_at=now
        )
    )


claim = _ROWS.claim
make_due = _ROWS.make_due
take_due = _ROWS.take_due


def delivered(connection: Connection, claimed: ClaimedNotification, status: int | None, *, now: datetime) -> None:
    """Note that the receiver has the request; one that a good retake superseded meanwhile counts as answered."""
    values = {"delivered_at": now, "last_status": status, "error_code": None, "due_at": None}
    try:
        _ROWS.settle(connection, claimed, state=NotificationState.DELIVERED, **values)
    except LeaseLostError:
        connection.execute(
            update(Notification)
            .where(Notification.id == claimed.pk, Notification.state == NotificationState.SUPERSEDED)
            .values(state=NotificationState.ANSWERED, answered_at=now, **values)
        )


def put_off(
    connection: Connection,
    claimed: ClaimedNotification,
    status: int | None,
    code: str | None,
    *,
    until: datetime,
) -> None:
    """Give a request back after a failed attempt, to be tried again at `until`.

    Raises:
        LeaseLostError: it was superseded, or another worker has claimed it since.
    """
    _ROWS.settle(connection, claimed, last_status=status, error_code=code, available_at=until, due_at=until)


def bury(connection: Connection, claimed: ClaimedNotification, status: int | None, code: str | None) -> None:
    """Give a request up for good, and free its ad for a later request.

    Raises:
        LeaseLostError: it was superseded, or another worker has claimed it since.
    """
    _ROWS.settle(connection, claimed, state=NotificationState.DEAD, last_status=status, error_code=code, due_at=None)
    connection.execute(delete(Cooldown).where(Cooldown.ad_id == claimed.ad_id))


def revive(
    connection: Connection, pk: int, *, threshold: float, now: datetime, cooldown: timedelta
) -> NotificationState | None:
    """Decide anew about a dead request, as `write` does about a new one; None if it is not dead.

    The attempts start anew: whoever claimed it before has ended, for a dead request is nobody's.
    """
    dead = (
        select(Image.ad_id, Image.image_id, Image.seller_id)
        .join(Notification, Notification.image_pk == Image.id)
        .where(Notification.id == pk, Notification.state == NotificationState.DEAD)
        .with_for_update(of=Notification)
    )
    row = connection.execute(dead).one_or_none()
    if row is None:
        return None
    state = _first_state(connection, PhotoNames(*row), threshold=threshold, now=now, cooldown=cooldown)
    statement = update(Notification).where(Notification.id == pk)
    if state is NotificationState.PENDING:
        fresh = {"attempts": 0, "last_status": None, "error_code": None, "available_at": now, "due_at": now}
        statement = statement.values(**fresh)
    connection.execute(statement.values(state=state))
    return state


def _first_state(
    connection: Connection, image: NamesPhoto, *, threshold: float, now: datetime, cooldown: timedelta
) -> NotificationState:
    if _has_good_retake(connection, image, threshold):
        return NotificationState.SUPERSEDED
    if not _start_cooldown(connection, image.ad_id, now=now, until=now + cooldown):
        return NotificationState.COALESCED
    return NotificationState.PENDING


def _lock_replaced(connection: Connection, image: ClaimedImage) -> list[int]:
    """Keys of the photos that this one replaces, locked: one that is being stored now has its request, if any, first.

    And one that is stored afterwards finds this one. Without the lock, neither would see the other.
    """
    if image.replaces is None:
        return []
    statement = select(Image.id).where(
        Image.image_id == image.replaces, Image.ad_id == image.ad_id, Image.seller_id == image.seller_id
    )
    return list(connection.scalars(statement.with_for_update()))


def _has_good_retake(connection: Connection, image: NamesPhoto, threshold: float) -> bool:
    """A photo that called for a request of its own is not good, whatever a second model says of it."""
    retake = (
        exists()
        .where(
            Image.replaces == image.image_id,
            Image.ad_id == image.ad_id,
            Image.seller_id == image.seller_id,
            Image.state == ImageState.SCORED,
            Score.image_pk == Image.id,
            Score.score >= threshold,
            ~exists().where(Notification.image_pk == Image.id),
        )
        .select()
    )
    return bool(connection.scalar(retake))


def _start_cooldown(connection: Connection, ad_id: str, *, now: datetime, until: datetime) -> bool:
    """Win the ad's cooldown row, or find that somebody has it; one statement, so two workers cannot both win."""
    upsert = insert_into(connection, Cooldown).values(ad_id=ad_id, until=until)
    statement = upsert.on_conflict_do_update(
        index_elements=[Cooldown.ad_id],
        set_={"until": upsert.excluded.until},
        where=Cooldown.until <= now,
    ).returning(literal(value=True))
    return connection.scalar(statement) is not None
