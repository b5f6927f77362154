"""The Celery tasks: a few lines each, around the steps that know no queue."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import structlog
from celery import Celery, Task, shared_task
from kombu.exceptions import OperationalError as BrokerError

from models.errors import ModelError
from tasks.deliver import Attempt, Deliver
from tasks.errors import DecodeError, FetchError, LeaseLostError, OutOfMemoryError
from tasks.images import Fault
from tasks.outage import broker, patiently
from tasks.qualify import Outcome, Qualify
from tasks.rescore import ModelFile, Rescore
from tasks.sweep import Sweep
from tasks.tables import ImageState, NotificationState

IMAGES = "retake.images"
NOTIFICATIONS = "retake.notifications"
SWEEPS = "retake.sweeps"
RESCORES = "retake.rescores"
ROUTES = {
    "retake.qualify": IMAGES,
    "retake.deliver": NOTIFICATIONS,
    "retake.sweep": SWEEPS,
    "retake.note_lost": SWEEPS,
    "retake.rescore": RESCORES,
}
# A receiver that comes back is not flooded: after these it gets one more for each that it has taken.
MOST_NOTIFICATIONS_SWEPT = 100
_STEPS = "retake_steps"

log = structlog.get_logger()
_IMAGE_LINES = {state: f"image.{state}" for state in ImageState}
_NOTIFICATION_LINES = {state: f"notification.{state}" for state in NotificationState}


class Counts:
    """Is told what the tasks do; this one counts nothing."""

    def image(self, outcome: Outcome) -> None:
        """An attempt at a photo has ended."""

    def notification(self, attempt: Attempt) -> None:
        """An attempt to deliver a request has ended."""

    def lease_lost(self, task: str) -> None:
        """A result came too late."""

    def swept(self, task: str, rows: int) -> None:
        """Rows were queued again."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What the tasks call; the worker's composition root builds it in every pool process.

    `delivery_slot` gives whether there is a free one: deliveries must leave processes for photos.
    """

    qualify: Qualify
    deliver: Deliver
    sweep: Sweep
    rescore: Rescore
    sweep_batch: int
    delivery_slot: Callable[[], AbstractContextManager[bool]]
    counts: Counts = field(default_factory=Counts)


@shared_task(name="retake.qualify", bind=True)
def qualify(self: Task[Any, None], image_pk: int) -> None:
    """Qualify one photo, and deliver the request that comes of it, if any."""
    steps = _steps(self)
    try:
        with _kept_from_celery():
            outcome = patiently(partial(steps.qualify, image_pk))
    except LeaseLostError as error:
        steps.counts.lease_lost("qualify")
        log.warning("image.lease_lost", image_pk=image_pk, reason=str(error))
        return
    if outcome is None:
        return
    steps.counts.image(outcome)
    _report_outcome(image_pk, outcome)
    if outcome.notification_pk is not None:
        _enqueue(deliver, outcome.notification_pk)


@shared_task(name="retake.deliver", bind=True)
def deliver(self: Task[Any, None], notification_pk: int) -> None:
    """Make one attempt to deliver a retake request; one that finds no free slot follows another that was delivered."""
    steps = _steps(self)
    try:
        with steps.delivery_slot() as free:
            attempt = patiently(partial(steps.deliver, notification_pk)) if free else None
    except LeaseLostError as error:
        steps.counts.lease_lost("deliver")
        log.warning("notification.lease_lost", notification_pk=notification_pk, reason=str(error))
        return
    if not free:
        _let_wait(steps, notification_pk)
    if attempt is None:
        return
    steps.counts.notification(attempt)
    _report_attempt(notification_pk, attempt)
    if attempt.state is NotificationState.DELIVERED:
        _deliver_next(steps)


@shared_task(name="retake.sweep", bind=True)
def sweep(self: Task[[], None]) -> None:
    """Queue again what is due; a long queue already holds work enough."""
    steps = _steps(self)
    most = {IMAGES: steps.sweep_batch, NOTIFICATIONS: min(steps.sweep_batch, MOST_NOTIFICATIONS_SWEPT)}
    room = {queue: batch - _depth(self.app, queue) for queue, batch in most.items()}
    swept = patiently(partial(steps.sweep, room[IMAGES], room[NOTIFICATIONS]))
    if swept is None:
        return
    # The first that the broker does not take is the last that is tried: all come due again.
    all(_enqueue(qualify, pk) for pk in swept.images)
    all(_enqueue(deliver, pk) for pk in swept.notifications)
    steps.counts.swept("qualify", len(swept.images))
    steps.counts.swept("deliver", len(swept.notifications))
    if swept.images or swept.notifications:
        log.info("swept", images=len(swept.images), notifications=len(swept.notifications))


@shared_task(name="retake.note_lost", bind=True)
def note_lost(self: Task[Any, None], image_pk: int, code: str, detail: str) -> None:
    """Note why the process that worked on a photo is gone: its main process has seen it, the photo's row has not."""
    patiently(partial(_steps(self).qualify.note_lost, image_pk, Fault(code, detail)))


@shared_task(name="retake.rescore", bind=True)
def rescore(self: Task[Any, None], image_pk: int, path: str, name: str) -> None:
    """Score one stored photo with another model; one that cannot be scored now is left to the next rescoring."""
    try:
        with _kept_from_celery():
            content = _steps(self).rescore(image_pk, ModelFile(path, name))
    except (ModelError, FetchError, DecodeError) as error:
        log.warning("rescore.failed", image_pk=image_pk, model=name, code=error.code, reason=str(error))
        return
    log.info("rescore.done", image_pk=image_pk, model=name, score=content.score if content else None)


def install(app: Celery, steps: Steps) -> None:
    """Give the tasks of an application the steps that they call."""
    app.conf[_STEPS] = steps


def _steps(task: Task[Any, Any]) -> Steps:
    return cast("Steps", task.app.conf[_STEPS])


@contextmanager
def _kept_from_celery() -> Iterator[None]:
    """Celery ends the whole worker, other photos and all, when a task of one pool process raises MemoryError."""
    try:
        yield
    except MemoryError:
        raise OutOfMemoryError from None


def _enqueue(task: Task[Any, None], pk: int) -> bool:
    """Queue a task; one that the broker does not take is found by the sweeper."""
    try:
        task.delay(pk)
    except BrokerError as error:
        broker.begins(error)
        return False
    broker.ends()
    return True


def _let_wait(steps: Steps, notification_pk: int) -> None:
    """Have a request taken up by who delivers now, or by the sweeper if that fails."""
    patiently(partial(steps.deliver.let_wait, notification_pk))
    with steps.delivery_slot() as free:
        pass
    if free:  # who delivered has looked for more already, maybe too early to find this one
        _enqueue(deliver, notification_pk)


def _deliver_next(steps: Steps) -> None:
    """Queue one request that is due: the receiver answers, and a slot is free again."""
    swept = patiently(partial(steps.sweep, image_room=0, notification_room=1))
    for pk in swept.notifications if swept else ():
        _enqueue(deliver, pk)


def _depth(app: Celery, queue: str) -> int:
    with app.connection_for_read() as connection:
        declared: Any = app.amqp.queues[queue](connection.default_channel).queue_declare()
        return int(declared.message_count)


def _report_outcome(image_pk: int, outcome: Outcome) -> None:
    if outcome.image is None or outcome.state is None:
        log.debug("image.skipped", image_pk=image_pk)
        return
    log.info(
        _IMAGE_LINES[outcome.state],
        attempt=outcome.image.attempts,
        score=outcome.score,
        reused=outcome.reused or None,
        code=outcome.fault.code if outcome.fault else None,
        reason=outcome.fault.detail if outcome.fault else None,
    )


def _report_attempt(notification_pk: int, attempt: Attempt) -> None:
    if attempt.notification is None or attempt.state is None or attempt.delivery is None:
        log.debug("notification.skipped", notification_pk=notification_pk)
        return
    log.info(
        _NOTIFICATION_LINES[attempt.state],
        attempt=attempt.notification.attempts,
        status=attempt.delivery.status,
        code=attempt.delivery.error_code,
    )
