"""What is done for one retake request: claim, post, and note what the receiver said."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import Engine

from tasks import outbox
from tasks.backoff import NOTIFY_SCHEDULE, next_delay
from tasks.clock import Clock, utc_now
from tasks.outbox import ClaimedNotification
from tasks.stages import UNWATCHED, Stages
from tasks.tables import NotificationState
from tasks.webhook import Delivery


class Sends(Protocol):
    """What the step needs of a webhook sender."""

    def send(self, webhook_id: str, body: bytes) -> Delivery:
        """Post one request; never raises for anything that the receiver does."""


@dataclass(frozen=True, slots=True)
class DeliverPolicy:
    """How long to try; `schedule` holds seconds, the lease outlasts one attempt."""

    schedule: tuple[float, ...] = NOTIFY_SCHEDULE
    lease: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt: `pending` means that it will be tried again, no state that it was not ours to do."""

    state: NotificationState | None = None
    notification: ClaimedNotification | None = None
    delivery: Delivery | None = None


class Deliver:
    """The step from a pending request to a delivered or dead one; a copy of it carries the same webhook-id."""

    def __init__(
        self,
        engine: Engine,
        sender: Sends,
        policy: DeliverPolicy,
        clock: Clock = utc_now,
        stages: Stages = UNWATCHED,
    ) -> None:
        self._engine = engine
        self._sender = sender
        self._policy = policy
        self._clock = clock
        self._stages = stages

    def __call__(self, notification_pk: int) -> Attempt:
        """Make one attempt.

        Raises:
            LeaseLostError: the request was superseded or claimed by another worker meanwhile.
        """
        with self._engine.begin() as connection:
            claimed = outbox.claim(connection, notification_pk, now=self._clock(), lease=self._policy.lease)
        if claimed is None:
            return Attempt()
        structlog.contextvars.bind_contextvars(webhook_id=claimed.webhook_id, ad_id=claimed.ad_id)
        with self._stages.join("deliver", _traceparent(claimed.body)):
            delivery = self._sender.send(claimed.webhook_id, claimed.body.encode())
        return Attempt(self._settle(claimed, delivery), claimed, delivery)

    def _settle(self, claimed: ClaimedNotification, delivery: Delivery) -> NotificationState:
        now = self._clock()
        delay = self._delay(claimed, delivery)
        with self._engine.begin() as connection:
            if delivery.outcome == "delivered":
                outbox.delivered(connection, claimed, delivery.status, now=now)
                return NotificationState.DELIVERED
            if delay is None:
                outbox.bury(connection, claimed, delivery.status, delivery.error_code)
                return NotificationState.DEAD
            until = now + timedelta(seconds=delay)
            outbox.put_off(connection, claimed, delivery.status, delivery.error_code, until=until)
        return NotificationState.PENDING

    def _delay(self, claimed: ClaimedNotification, delivery: Delivery) -> float | None:
        if delivery.outcome == "gone":
            return None
        return next_delay(claimed.attempts, self._policy.schedule, delivery.retry_after)


def _traceparent(body: str) -> str | None:
    """The trace that a request belongs to."""
    given = json.loads(body).get("traceparent")
    return given if isinstance(given, str) else None
