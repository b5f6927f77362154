"""What is done for one retake request: claim, post, and note what the receiver said."""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine

from tasks import circuit, outbox
from tasks.backoff import NOTIFY_SCHEDULE, next_delay
from tasks.circuit import CircuitPolicy
from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.outbox import ClaimedNotification
from tasks.stages import UNWATCHED, Stages
from tasks.tables import NotificationState
from tasks.webhook import Delivery

log = structlog.get_logger()


class Sends(Protocol):
    """What the step needs of a webhook sender."""

    def send(self, webhook_id: str, body: bytes) -> Delivery:
        """Post one request; never raises for anything that the receiver does."""


@dataclass(frozen=True, slots=True)
class DeliverPolicy:
    """How long to try; `schedule` holds seconds, the lease outlasts one attempt."""

    schedule: tuple[float, ...] = NOTIFY_SCHEDULE
    lease: timedelta = timedelta(seconds=60)
    circuit: CircuitPolicy = field(default_factory=CircuitPolicy)


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

    def let_wait(self, notification_pk: int) -> None:
        """Have a request that nobody has the time for now taken up by whoever next looks for one that is due."""
        with autocommit(self._engine) as connection:
            outbox.make_due(connection, notification_pk, now=self._clock())

    def __call__(self, notification_pk: int) -> Attempt:
        """Make one attempt; none, uncounted, while the circuit is open.

        Raises:
            LeaseLostError: the request was superseded or claimed by another worker meanwhile.
        """
        claimed = self._claim(notification_pk)
        if claimed is None:
            return Attempt()
        structlog.contextvars.bind_contextvars(webhook_id=claimed.webhook_id, ad_id=claimed.ad_id)
        with self._stages.join("deliver", _traceparent(claimed.body)):
            delivery = self._sender.send(claimed.webhook_id, claimed.body.encode())
        return Attempt(self._settle(claimed, delivery), claimed, delivery)

    def _claim(self, notification_pk: int) -> ClaimedNotification | None:
        now = self._clock()
        with self._engine.connect() as connection, connection.begin() as transaction:
            claimed = outbox.claim(connection, notification_pk, now=now, lease=self._policy.lease)
            if claimed is None or circuit.admits(connection, now=now, policy=self._policy.circuit):
                return claimed
            transaction.rollback()
        return None

    def _settle(self, claimed: ClaimedNotification, delivery: Delivery) -> NotificationState:
        now = self._clock()
        delay = self._delay(claimed, delivery)
        with self._engine.begin() as connection:
            self._note_receiver(connection, delivery, now)
            if delivery.outcome == "delivered":
                outbox.delivered(connection, claimed, delivery.status, now=now)
                return NotificationState.DELIVERED
            if delay is None:
                outbox.bury(connection, claimed, delivery.status, delivery.error_code)
                return NotificationState.DEAD
            until = now + timedelta(seconds=delay)
            outbox.put_off(connection, claimed, delivery.status, delivery.error_code, until=until)
        return NotificationState.PENDING

    def _note_receiver(self, connection: Connection, delivery: Delivery, now: datetime) -> None:
        if _is_away(delivery):
            if circuit.failed(connection, now=now, policy=self._policy.circuit):
                log.warning("receiver.away", code=delivery.error_code, failures=self._policy.circuit.failures)
        elif circuit.answered(connection):
            log.info("receiver.back")

    def _delay(self, claimed: ClaimedNotification, delivery: Delivery) -> float | None:
        if delivery.outcome == "gone":
            return None
        return next_delay(claimed.attempts, self._policy.schedule, delivery.retry_after)


def _is_away(delivery: Delivery) -> bool:
    """Whether every other request would have fared the same; a refusal of this one is an answer."""
    status = delivery.status
    return status is None or status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _traceparent(body: str) -> str | None:
    """The trace that a request belongs to."""
    given = json.loads(body).get("traceparent")
    return given if isinstance(given, str) else None
