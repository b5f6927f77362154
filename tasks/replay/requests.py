"""Retake requests: find them, and give dead ones another round of attempts under the same webhook-id."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

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
    """The newest `limit` requests.

    Each state is asked for by itself: only within one does an index have them in this order.
    """
    found = [
        StoredRequest(*row)
        for state in selection.states or NotificationState
        for row in connection.execute(_newest(selection, state, limit))
    ]
    return sorted(found, key=lambda request: (request.created_at, request.id), reverse=True)[:limit]


def dead_keys(connection: Connection, selection: Selection) -> list[int]:
    """Keys of all dead requests that the selection names, the oldest first."""
    if selection.states and NotificationState.DEAD not in selection.states:
        return []
    statement = select(Notification.id).where(*_conditions(selection, NotificationState.DEAD))
    return sorted(connection.scalars(statement))


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


def _newest(selection: Selection, state: str, limit: int) -> Select[Any]:
    return (
        select(*_COLUMNS)
        .join(Image, Image.id == Notification.image_pk)
        .where(*_conditions(selection, state))
        .order_by(Notification.created_at.desc(), Notification.id.desc())
        .limit(limit)
    )


def _conditions(selection: Selection, state: str) -> list[ColumnElement[bool]]:
    wanted: list[ColumnElement[bool]] = [Notification.state == state]
    if selection.ids:
        wanted.append(Notification.id.in_(selection.ids))
    if selection.codes:
        wanted += [Notification.error_code.in_(selection.codes), Notification.error_code.is_not(None)]
    if selection.ad_id is not None:
        wanted.append(Notification.ad_id == selection.ad_id)
    if selection.since is not None:
        wanted.append(Notification.created_at >= selection.since)
    return wanted
