"""The sources of the exporter, each a callable that gives its metrics."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from celery import Celery
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from redis import Redis
from redis.exceptions import ResponseError
from sqlalchemy import ColumnElement, Connection, Engine, func, select

from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.status import Backlog, read_standing
from tasks.tables import DeadLetter, Image, ImageState, Notification, NotificationState

READER_IDLE_MILLISECONDS = 30_000  # a reader that lives asks for more about once a second


class DatabaseSource:
    """Open work by state, its age, and what was given up. Looks at indexes of open and failed rows, never at all."""

    def __init__(self, engine: Engine, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    def __call__(self) -> Iterator[Metric]:
        """Ask the database.

        Raises:
            SQLAlchemyError: it is away, or its tables are not those of this version.
        """
        with autocommit(self._engine) as connection:
            standing = read_standing(connection, self._clock())
            waited = _waited(connection, self._clock())
            failed = _count_by_code(connection, Image, Image.state == ImageState.FAILED)
            dead = _count_by_code(connection, Notification, Notification.state == NotificationState.DEAD)
            letters = _letters_by_code(connection)
        yield from _backlog("images", "photos", standing.photos)
        yield from _backlog("notifications", "retake requests", standing.requests)
        yield GaugeMetricFamily(
            "retake_images_oldest_ready_seconds",
            "For how long the photo that has waited longest has been ready for a worker.",
            value=waited,
        )
        yield _by_code("retake_images_failed", "Photos given up after crashes.", failed)
        yield _by_code("retake_notifications_dead", "Retake requests given up.", dead)
        yield _by_code("retake_dead_letters", "Stream entries refused and not replayed since.", letters)


class BrokerSource:
    """Messages that wait, by queue, and messages in the hands of workers."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self) -> Iterator[Metric]:
        """Ask the broker.

        Raises:
            kombu.exceptions.OperationalError: it is away.
        """
        ready = GaugeMetricFamily("retake_queue_messages_ready", "Messages that wait for a worker.", labels=["queue"])
        with self._app.connection_for_read(connect_timeout=5) as connection:
            connection.ensure_connection(max_retries=1, reraise_as_library_errors=True)
            channel: Any = connection.default_channel
            for name, queue in self._app.amqp.queues.items():
                declared: Any = queue(channel).queue_declare()
                ready.add_metric([name], declared.message_count)
            yield ready
            if connection.transport.driver_type == "redis":
                yield GaugeMetricFamily(
                    "retake_queue_messages_unacknowledged",
                    "Messages that a worker has taken and not finished, of all queues.",
                    value=channel.client.hlen(channel.unacked_key),
                )


class StreamSource:
    """Events that nobody has taken in yet, and who takes them in."""

    def __init__(self, redis: Redis, stream: str, group: str, clock: Clock = utc_now) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._clock = clock

    def __call__(self) -> Iterator[Metric]:
        """Ask the stream.

        Raises:
            RedisError: it is away.
        """
        entries: Any = self._redis.xlen(self._stream)
        yield GaugeMetricFamily("retake_stream_entries", "Events not taken in yet.", value=entries)
        yield GaugeMetricFamily(
            "retake_stream_oldest_seconds", "Age of the oldest event not taken in yet.", value=self._oldest()
        )
        yield GaugeMetricFamily(
            "retake_ingest_readers", "Readers of the event stream that are alive.", value=self._readers()
        )

    def _oldest(self) -> float:
        first: Any = self._redis.xrange(self._stream, count=1)
        if not first:
            return 0.0
        written = datetime.fromtimestamp(int(first[0][0].split(b"-")[0]) / 1000, UTC)
        return max(0.0, (self._clock() - written).total_seconds())

    def _readers(self) -> int:
        try:
            consumers: Any = self._redis.xinfo_consumers(self._stream, self._group)
        except ResponseError:  # neither stream nor group is there before the first reader or event comes
            return 0
        return sum(consumer["idle"] < READER_IDLE_MILLISECONDS for consumer in consumers)


def _backlog(name: str, what: str, backlog: Backlog) -> Iterator[Metric]:
    pending = GaugeMetricFamily(f"retake_{name}_pending", f"Open {what}, by state.", labels=["state"])
    for state in ("ready", "claimed", "retrying"):
        pending.add_metric([state], getattr(backlog, state))
    yield pending
    yield GaugeMetricFamily(
        f"retake_{name}_oldest_pending_seconds", f"Age of the oldest open {what}.", value=backlog.oldest_seconds or 0.0
    )


def _waited(connection: Connection, now: datetime) -> float:
    """Seconds; a photo put off after a failure is ready once its time has come."""
    statement = select(func.min(Image.available_at)).where(Image.due_at.is_not(None), Image.available_at <= now)
    since = connection.execute(statement).scalar_one()
    return 0.0 if since is None else (now - since).total_seconds()


def _count_by_code(
    connection: Connection, table: type[Image | Notification], wanted: ColumnElement[bool]
) -> dict[str, int]:
    statement = select(table.error_code, func.count()).where(wanted, table.error_code.is_not(None))
    return {str(code): count for code, count in connection.execute(statement.group_by(table.error_code))}


def _letters_by_code(connection: Connection) -> dict[str, int]:
    statement = select(DeadLetter.code, func.count()).where(DeadLetter.replayed_at.is_(None)).group_by(DeadLetter.code)
    return {str(code): count for code, count in connection.execute(statement)}


def _by_code(name: str, what: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, what, labels=["code"])
    for code, count in counts.items():
        family.add_metric([code], count)
    return family
