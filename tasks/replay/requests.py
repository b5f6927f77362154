"""Retake requests: find them, and give dead ones another round of attempts under the same webhook-id."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select

from tasks import outbox
from tasks.replay.selection import Selection
from tasks.tables import Image, Notification, NotificationState


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """What is known of one retake request, without its body."""

    id: int
    webhook_id: str
    ad_id: str
    image_id: str
    seller_id: str
    state: str
    error_code: str | None
    last_status: int | None
    attempts: int
    created_at: datetime
    delivered_at: datetime | None
    answered_at: datetime | None


_COLUMNS = [getattr(Image if field.name in {"image_id", "seller_id"} else Notification, field.name)
            for field in fields(StoredRequest)]  # fmt: skip


def find(connection: Connection, selection: Selection, limit: int) -> list[StoredRequest]:
    """The newest `limit` requests."""
    statement = (
        select(*_COLUMNS)
        .join(Image, Image.id == Notification.image_pk)
        .where(*_conditions(selection))
        .order_by(Notification.id.desc())
        .limit(limit)
    )
    return [StoredRequest(*row) for row in connection.execute(statement)]


def dead_keys(connection: Connection, selection: Selection) -> list[int]:
    """Keys of all dead requests that the selection names, the oldest first."""
    dead = Notification.state == NotificationState.DEAD
    return sorted(connection.scalars(select(Notification.id).where(dead, *_conditions(selection))))


def replay(
    connection: Connection, some: Sequence[int], *, threshold: float, now: datetime, cooldown: timedelta
) -> Counter[str]:
    """Decide anew about dead requests, as if their photos had just been scored; return how many came to which state.

    `pending` is delivered again, under the same webhook-id. `superseded` (a good retake came meanwhile) and
    `coalesced` (the ad has had another request meanwhile) are not: the seller would be asked for nothing new.
    """
    states: Counter[str] = Counter()
    for key in some:
        state = outbox.revive(connection, key, threshold=threshold, now=now, cooldown=cooldown)
        if state is not None:
            states[state] += 1
    return states


def _conditions(selection: Selection) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = []
    if selection.ids:
        wanted.append(Notification.id.in_(selection.ids))
    if selection.codes:
        wanted.append(Notification.error_code.in_(selection.codes))
    if selection.states:
        wanted.append(Notification.state.in_(selection.states))
    if selection.ad_id is not None:
        wanted.append(Notification.ad_id == selection.ad_id)
    if selection.since is not None:
        wanted.append(Notification.created_at >= selection.since)
    return wanted
