"""What a replay does to one run of rows; each gives the number of rows by what came of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from redis import Redis
from sqlalchemy import Engine

from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.events import ImageUploaded
from tasks.replay import letters, photos, requests
from tasks.replay.letters import RefusedEvent
from worker.publish import FIELD

LETTERS_AT_ONCE = 20  # each may have a megabyte
ROWS_AT_ONCE = 100  # in one transaction, which workers may wait for


@dataclass(frozen=True, slots=True)
class Job:
    """Rows to replay: what they are called, and the step that replays at most `at_once` of them."""

    noun: str
    keys: Sequence[int]
    at_once: int
    step: Callable[[Sequence[int]], Counter[str]]


def letters_job(engine: Engine, redis: Redis, keys: Sequence[int], clock: Clock = utc_now) -> Job:
    """Refused events go to their streams again, byte for byte.

    They are published first and marked then, so that none is lost in between; one that was published and not marked
    is published twice when the command is given again, and a second copy of an event changes nothing.
    """

    def publish(some: Sequence[int]) -> Counter[str]:
        with autocommit(engine) as connection:
            batch = letters.bodies(connection, some)
        with redis.pipeline(transaction=False) as pipeline:
            for _, stream, body in batch:
                pipeline.xadd(stream, {FIELD: body})
            pipeline.execute()
        with engine.begin() as connection:
            letters.mark(connection, [key for key, _, _ in batch], now=clock())
        return Counter(published=len(batch))

    return Job("refused events", keys, LETTERS_AT_ONCE, publish)


def correction_job(
    engine: Engine, redis: Redis, found: Sequence[RefusedEvent], event: ImageUploaded, clock: Clock = utc_now
) -> Job:
    """Publish a valid event in the place of one that was refused; `found` is that one, or nothing."""

    def publish(some: Sequence[int]) -> Counter[str]:
        redis.xadd(found[0].stream, {FIELD: event.to_json()})
        with engine.begin() as connection:
            letters.mark(connection, some, now=clock())
        return Counter(published=1)

    return Job("refused events, corrected", [letter.id for letter in found], 1, publish)


def photos_job(engine: Engine, keys: Sequence[int], clock: Clock = utc_now) -> Job:
    """Photos that were given up are received again; the sweeper queues them as the queue has room."""

    def receive(some: Sequence[int]) -> Counter[str]:
        with engine.begin() as connection:
            return Counter(received=photos.replay(connection, some, now=clock()))

    return Job("photos", keys, ROWS_AT_ONCE, receive)


def requests_job(
    engine: Engine, keys: Sequence[int], *, threshold: float, cooldown: timedelta, clock: Clock = utc_now
) -> Job:
    """Dead requests are decided on anew; the sweeper queues those that are pending."""

    def revive(some: Sequence[int]) -> Counter[str]:
        with engine.begin() as connection:
            return requests.replay(connection, some, threshold=threshold, now=clock(), cooldown=cooldown)

    return Job("dead requests", keys, ROWS_AT_ONCE, revive)
