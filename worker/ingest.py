"""`retake ingest`: from the event stream to `received` rows and queued tasks."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Any, cast

import structlog
from celery import Celery
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, IntegrityError

from tasks import dead_letters, images
from tasks.celery_tasks import qualify
from tasks.clock import Clock, utc_now
from tasks.dead_letters import Letter
from tasks.errors import InvalidEvent
from tasks.events import ImageUploaded, parse_event
from tasks.outage import DATABASE_AWAY, Outage
from tasks.stages import UNWATCHED, Stages

BATCH = 100
BLOCK_MILLISECONDS = 1_000
# An entry unacknowledged for so long belonged to a reader that died: a batch takes well under a second.
IDLE_MILLISECONDS = 30_000
CLAIM_EVERY_SECONDS = 5.0
RETRY_SECONDS = 1.0

# Every error of the stream is waited out: out of memory, read-only after a failover, still loading.
AWAY = (RedisError, BrokerError, *DATABASE_AWAY)
NOT_STORABLE = (DataError, IntegrityError)
Entry = tuple[bytes, dict[bytes, bytes]]

log = structlog.get_logger()


class IntakeCounts:
    """Is told what was taken in; this one counts nothing."""

    def took_in(self, new: int, known: int, refused: Iterable[str]) -> None:
        """One batch; `refused` holds an error code for each refused entry."""


class Ingest:
    """One reader of the consumer group.

    Rows are committed before an entry is acknowledged, so a reader that dies loses nothing; an entry is deleted with
    its acknowledgement, so the stream holds only what is still to be read.
    """

    def __init__(  # noqa: PLR0913 - called by the composition root alone
        self,
        redis: Redis,
        engine: Engine,
        app: Celery,
        *,
        stream: str,
        group: str,
        consumer: str,
        requeue_after: timedelta,
        clock: Clock = utc_now,
        counts: IntakeCounts | None = None,
        stages: Stages = UNWATCHED,
    ) -> None:
        self._redis = redis
        self._engine = engine
        self._app = app
        self._stream = stream
        self._group = group
        self._consumer = consumer
        self._requeue_after = requeue_after
        self._clock = clock
        self._counts = counts or IntakeCounts()
        self._stages = stages
        self._claimed_at = float("-inf")

    def run(self, stop: threading.Event, alive: Callable[[], None] = lambda: None) -> None:
        """Read until `stop` is set, and call `alive` at each look; a broker or database that is away is waited for."""
        outage = Outage("ingest")
        while not stop.is_set():
            alive()
            try:
                self.step()
            except AWAY as error:
                outage.begins(error)
                stop.wait(RETRY_SECONDS)
            else:
                outage.ends()

    def step(self, block: int = BLOCK_MILLISECONDS) -> int:
        """Take one batch, what dead readers left behind first; wait at most `block` ms for it; return its size."""
        try:
            entries = self._claim_abandoned() or self._read(block)
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._create_group()
            return 0
        if entries:
            self._take_in(entries)
        return len(entries)

    def leave(self) -> None:
        """Take this reader's name out of the group, unless entries are still in its hands or the stream is away."""
        try:
            self._leave()
        except RedisError as error:
            log.warning("ingest.not_signed_off", reason=str(error))

    def _leave(self) -> None:
        for consumer in self._redis.xinfo_consumers(self._stream, self._group):
            if consumer["name"] == self._consumer.encode() and not consumer["pending"]:
                self._redis.xgroup_delconsumer(self._stream, self._group, self._consumer)

    def _read(self, block: int) -> list[Entry]:
        streams: dict[Any, Any] = {self._stream: ">"}
        answer: Any = self._redis.xreadgroup(self._group, self._consumer, streams, count=BATCH, block=block)
        return cast("list[Entry]", answer[0][1]) if answer else []

    def _claim_abandoned(self) -> list[Entry]:
        if time.monotonic() < self._claimed_at + CLAIM_EVERY_SECONDS:
            return []
        answer = self._redis.xautoclaim(
            self._stream, self._group, self._consumer, min_idle_time=IDLE_MILLISECONDS, count=BATCH
        )
        entries = cast("list[Entry]", answer[1])
        # A full batch says that there may be more: the next step looks again at once.
        self._claimed_at = float("-inf") if len(entries) == BATCH else time.monotonic()
        return entries

    def _create_group(self) -> None:
        try:
            self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _take_in(self, entries: Sequence[Entry]) -> None:
        events: dict[bytes, ImageUploaded] = {}
        letters: list[Letter] = []
        for entry_id, fields in entries:
            try:
                events[entry_id] = parse_event(fields.get(b"event", b""))
            except InvalidEvent as error:
                letters.append(self._letter(entry_id, fields, error.code, str(error)))
        with ExitStack() as traces:
            for entry_id, event in events.items():
                traceparent = traces.enter_context(self._stages.join("ingest", event.traceparent))
                events[entry_id] = event.model_copy(update={"traceparent": traceparent})
            keys = self._store(events, letters)
            self._enqueue(keys)
        self._acknowledge([entry_id for entry_id, _ in entries])
        for letter in letters:
            log.warning("event.refused", entry_id=letter.entry_id, code=letter.code, reason=letter.reason)
        self._counts.took_in(len(keys), len(events) - len(keys), [letter.code for letter in letters])
        log.info("events.received", new=len(keys), known=len(events) - len(keys), refused=len(letters))

    def _store(self, events: dict[bytes, ImageUploaded], letters: list[Letter]) -> list[int]:
        try:
            return self._commit(list(events.values()), letters)
        except NOT_STORABLE:
            return self._store_one_by_one(events, letters)

    def _store_one_by_one(self, events: dict[bytes, ImageUploaded], letters: list[Letter]) -> list[int]:
        """One event that the database cannot hold must not keep the others out."""
        keys = self._commit([], letters)
        for entry_id, event in events.items():
            try:
                keys += self._commit([event], [])
            except NOT_STORABLE as error:
                fields = {b"event": event.to_json()}
                letters.append(self._letter(entry_id, fields, "event_not_storable", str(error.orig)))
                self._commit([], letters[-1:])
        return keys

    def _commit(self, events: list[ImageUploaded], letters: list[Letter]) -> list[int]:
        now = self._clock()
        with self._engine.begin() as connection:
            dead_letters.bury(connection, letters, now=now)
            return images.receive(connection, events, now=now, requeue_after=self._requeue_after)

    def _enqueue(self, keys: list[int]) -> None:
        with self._app.producer_or_acquire() as producer:
            for key in keys:
                qualify.apply_async((key,), producer=producer)

    def _acknowledge(self, entry_ids: list[bytes]) -> None:
        with self._redis.pipeline() as pipeline:
            pipeline.xack(self._stream, self._group, *entry_ids)
            pipeline.xdel(self._stream, *entry_ids)
            pipeline.execute()

    def _letter(self, entry_id: bytes, fields: dict[bytes, bytes], code: str, reason: str) -> Letter:
        body = fields[b"event"] if b"event" in fields else _as_json(fields)
        return Letter(self._stream, entry_id.decode(), body, code, reason)


def _as_json(fields: dict[bytes, bytes]) -> bytes:
    """All fields of an entry that has no `event`, so that nothing of it is lost."""
    return json.dumps({_text(name): _text(value) for name, value in fields.items()}).encode()


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")
