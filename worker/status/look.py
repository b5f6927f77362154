"""One look at the database, the event stream, and the broker: what does not answer is named, the others are told."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import Engine

from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.status import Standing, read_standing
from worker.broker import live_workers, queue_depths

READER_IDLE_MILLISECONDS = 30_000  # a reader that lives asks for more about once a second


@dataclass(frozen=True, slots=True)
class Stream:
    """Events that are not taken in yet, and how many readers take them in."""

    entries: int
    readers: int


@dataclass(frozen=True, slots=True)
class Broker:
    """Messages that wait, by queue, and the workers that answer."""

    queues: Mapping[str, int]
    workers: list[str]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen; `faults` says why a part is None."""

    database: Standing
    stream: Stream | None
    broker: Broker | None
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The look as JSON values; the windows of `finished` are named 1m, 5m and 15m."""
        values = asdict(self)
        values["database"]["finished"] = {f"{each}m": states for each, states in self.database.finished.items()}
        return values


def look(engine: Engine, redis: Redis, app: Celery, stream: str, group: str, clock: Clock = utc_now) -> Look:
    """Look at everything once.

    Raises:
        DBAPIError: the database is away; without it there is nothing to tell.
    """
    with autocommit(engine) as connection:
        database = read_standing(connection, clock())
    seen_stream, stream_fault = _look_at_stream(redis, stream, group)
    seen_broker, broker_fault = _look_at_broker(app)
    return Look(database, seen_stream, seen_broker, tuple(filter(None, (stream_fault, broker_fault))))


def _look_at_stream(redis: Redis, stream: str, group: str) -> tuple[Stream | None, str]:
    try:
        entries: Any = redis.xlen(stream)
        return Stream(entries, _readers(redis, stream, group)), ""
    except RedisError as error:
        return None, f"the event stream does not answer: {error}"


def _readers(redis: Redis, stream: str, group: str) -> int:
    try:
        consumers: Any = redis.xinfo_consumers(stream, group)
    except ResponseError:  # neither stream nor group is there before the first reader or event comes
        return 0
    return sum(consumer["idle"] < READER_IDLE_MILLISECONDS for consumer in consumers)


def _look_at_broker(app: Celery) -> tuple[Broker | None, str]:
    try:
        return Broker(queue_depths(app), live_workers(app)), ""
    except BrokerError as error:
        return None, f"the broker does not answer: {error}"
