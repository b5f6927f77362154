"""Publishing a catalogue: in batches, no faster than allowed, and only while the queues are short."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from redis import Redis

from tasks.events import ImageUploaded
from worker.backfill.rows import Catalogue, Row
from worker.publish import FIELD

BATCH = 100
LOOK_AGAIN_SECONDS = 0.5


@dataclass(slots=True)
class Pace:
    """Lets at most `rate` events a second through, and none while more than `most_waiting` photos wait.

    `waiting` tells how many wait: on the event stream and for a worker.
    """

    rate: float | None
    most_waiting: int
    waiting: Callable[[], int]
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    on_hold: Callable[[int], None] = lambda _: None
    _next: float = field(default=float("-inf"), init=False)

    @property
    def batch(self) -> int:
        """Events at once: what a second allows, so that a slow rate is even."""
        return BATCH if self.rate is None else max(1, min(BATCH, int(self.rate)))

    def wait(self, count: int) -> None:
        """Return when `count` events may go."""
        while (waiting := self.waiting()) > self.most_waiting:
            self.on_hold(waiting)
            self.sleep(LOOK_AGAIN_SECONDS)
        if self.rate is not None:
            self.sleep(max(0.0, self._next - self.now()))
            self._next = max(self._next, self.now()) + count / self.rate


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one batch: so many events were published, these rows were refused."""

    published: int
    refused: Sequence[Row]


def backfill(catalogue: Catalogue, redis: Redis, stream: str, pace: Pace) -> Iterator[Done]:
    """Publish the catalogue from its place on; after each batch, its place may be kept as a checkpoint.

    Raises:
        RedisError: the stream is away; the batch is published again by the next run, which changes nothing.
    """
    rows = catalogue.rows()
    while batch := list(islice(rows, pace.batch)):
        events = [row.event for row in batch if row.event is not None]
        pace.wait(len(events))
        _publish(redis, stream, events)
        yield Done(len(events), [row for row in batch if row.event is None])


def _publish(redis: Redis, stream: str, events: Sequence[ImageUploaded]) -> None:
    with redis.pipeline(transaction=False) as pipeline:
        for event in events:
            pipeline.xadd(stream, {FIELD: event.to_json()})
        pipeline.execute()
