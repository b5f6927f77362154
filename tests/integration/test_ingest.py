import base64
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from real_servers import TurnedClock
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from rows import an_event
from sqlalchemy import Engine, select, text

from tasks.celery_tasks import IMAGES
from tasks.database import autocommit, make_engine
from tasks.tables import DeadLetter, Image
from worker import ingest
from worker.celery_app import make_app
from worker.ingest import Ingest
from worker.publish import Publisher
from worker.settings import Settings

STREAM, GROUP = "ad-images", "retake"


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_url, protocol=2) as client:
        yield client


@pytest.fixture
def app(valkey_url: str) -> Iterator[Celery]:
    app = make_app(Settings(broker_url=valkey_url))
    yield app
    app.close()


@pytest.fixture
def publisher(valkey_url: str) -> Iterator[Publisher]:
    with Publisher(valkey_url) as publisher:
        yield publisher


def reader(redis: Redis, engine: Engine, app: Celery, clock: TurnedClock, name: str = "reader-1") -> Ingest:
    minute = timedelta(seconds=60)
    return Ingest(redis, engine, app, stream=STREAM, group=GROUP, consumer=name, requeue_after=minute, clock=clock)


def drain(reader: Ingest) -> None:
    reader.step(block=1)  # makes the group
    while reader.step(block=1):
        pass


def queued(redis: Redis) -> list[list[Any]]:
    """The arguments of the queued tasks, oldest first."""
    messages = [json.loads(raw) for raw in reversed(redis.lrange(IMAGES, 0, -1))]
    bodies = [json.loads(base64.b64decode(message["body"])) for message in messages]
    return [body[0] for body in bodies]


def letters(engine: Engine) -> list[Any]:
    with autocommit(engine) as connection:
        return list(connection.execute(select(DeadLetter.code, DeadLetter.body).order_by(DeadLetter.id)))


def test_an_event_becomes_a_row_and_a_task_and_leaves_the_stream(
    redis: Redis, engine: Engine, app: Celery, publisher: Publisher, clock: TurnedClock
) -> None:
    for n in range(3):
        publisher.publish(an_event(f"ad{n}-1"))
    drain(reader(redis, engine, app, clock))
    with autocommit(engine) as connection:
        rows = list(connection.execute(select(Image.id, Image.image_id).order_by(Image.id)))
    assert [image_id for _, image_id in rows] == ["ad0-1", "ad1-1", "ad2-1"]
    assert queued(redis) == [[pk] for pk, _ in rows]
    assert redis.xlen(STREAM) == 0
    assert redis.xpending(STREAM, GROUP)["pending"] == 0


def test_the_second_copy_of_an_event_queues_nothing(
    redis: Redis, engine: Engine, app: Celery, publisher: Publisher, clock: TurnedClock
) -> None:
    event = an_event()
    publisher.publish(event)
    drain(reader(redis, engine, app, clock))
    publisher.publish(event)
    drain(reader(redis, engine, app, clock))
    assert len(queued(redis)) == 1
    assert redis.xlen(STREAM) == 0


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "not JSON": ({"event": b"\xff{"}, "event_not_json"),
    "no event field": ({"evnt": b"{}", "more": b"\x00\xff"}, "event_not_json"),
    "empty": ({"event": b""}, "event_not_json"),
    "wrong version": ({"event": an_event().to_json().replace(b'"1.0"', b'"0.3"')}, "event_version"),
    "wrong type": ({"event": an_event().to_json().replace(b"ad.image.uploaded", b"ad.image.deleted")}, "event_type"),
    "missing field": ({"event": an_event().to_json().replace(b'"seller_id"', b'"vendor_id"')}, "event_invalid"),
    "wrong field": ({"event": an_event().to_json().replace(b'"ad1"', b"17")}, "event_invalid"),
    "not http": ({"event": an_event().to_json().replace(b"https://", b"ftp://")}, "event_url"),
    "oversized": ({"event": b" " * 70_000}, "event_too_large"),
}


@pytest.mark.parametrize(("fields", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_an_event_becomes_a_dead_letter_and_stops_nothing(
    redis: Redis,
    engine: Engine,
    app: Celery,
    publisher: Publisher,
    clock: TurnedClock,
    fields: dict[str, bytes],
    code: str,
) -> None:
    redis.xadd(STREAM, fields)  # type: ignore[arg-type]
    publisher.publish(an_event("ad5-1"))
    drain(reader(redis, engine, app, clock))
    [(kept_code, body)] = letters(engine)
    assert kept_code == code
    assert body == fields["event"] if "event" in fields else json.loads(body)["evnt"] == "{}"
    assert len(queued(redis)) == 1, "the good event behind it went on"
    assert redis.xlen(STREAM) == 0


def test_a_huge_letter_is_kept_up_to_a_bound(redis: Redis, engine: Engine, app: Celery, clock: TurnedClock) -> None:
    redis.xadd(STREAM, {"event": b"x" * 3_000_000})
    drain(reader(redis, engine, app, clock))
    [(_, body)] = letters(engine)
    assert len(body) == 1_048_576


def test_an_event_that_the_database_refuses_is_a_dead_letter_and_the_rest_goes_on(
    redis: Redis, engine: Engine, app: Celery, publisher: Publisher, clock: TurnedClock
) -> None:
    # The parser lets nothing through that the columns refuse; a narrower column stands in for the next mismatch.
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql(
                "CREATE TRIGGER narrow BEFORE INSERT ON images WHEN length(NEW.ad_id) > 8 "
                "BEGIN SELECT RAISE(ABORT, 'ad_id too long'); END"
            )
        else:
            connection.execute(text("ALTER TABLE images ALTER COLUMN ad_id TYPE VARCHAR(8)"))
    for name in ("ad1-1", "ad-that-is-too-long-1", "ad2-1"):
        publisher.publish(an_event(name))
    drain(reader(redis, engine, app, clock))
    [(code, body)] = letters(engine)
    assert code == "event_not_storable"
    assert b"ad-that-is-too-long" in body
    assert len(queued(redis)) == 2


def test_what_a_dead_reader_left_is_claimed_by_another(
    redis: Redis,
    engine: Engine,
    app: Celery,
    publisher: Publisher,
    clock: TurnedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for n in range(3):
        publisher.publish(an_event(f"ad{n}-1"))
    redis.xgroup_create(STREAM, GROUP, id="0")
    assert redis.xreadgroup(GROUP, "dead-reader", {STREAM: ">"})  # and then it died
    monkeypatch.setattr(ingest, "IDLE_MILLISECONDS", 0)
    drain(reader(redis, engine, app, clock, "reader-2"))
    assert len(queued(redis)) == 3
    assert redis.xlen(STREAM) == 0


def test_a_long_stream_is_taken_a_batch_at_a_time(
    redis: Redis, sqlite_url: str, app: Celery, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill() -> None:
        with redis.pipeline() as pipeline:
            for n in range(250):
                pipeline.xadd(STREAM, {"event": an_event(f"ad{n}-1").to_json()})
            pipeline.execute()

    engine = make_engine(sqlite_url)
    running = reader(redis, engine, app, clock)
    running.step(block=1)  # makes the group
    fill()
    assert [running.step(block=1) for _ in range(4)] == [100, 100, 50, 0]
    fill()
    assert redis.xreadgroup(GROUP, "dead-reader", {STREAM: ">"})
    monkeypatch.setattr(ingest, "IDLE_MILLISECONDS", 0)
    following = reader(redis, engine, app, clock, "reader-2")
    assert [following.step(block=1) for _ in range(4)] == [100, 100, 50, 0], "what a dead reader left, likewise"
    engine.dispose()


def test_a_reader_that_dies_before_it_acknowledges_doubles_nothing(
    redis: Redis,
    engine: Engine,
    app: Celery,
    publisher: Publisher,
    clock: TurnedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    publisher.publish(an_event())
    redis.xadd(STREAM, {"event": b"?"})
    dying = reader(redis, engine, app, clock, "dying")
    dying.step(block=1)
    with monkeypatch.context() as patch:
        patch.setattr(dying, "_acknowledge", lambda _ids: None)
        assert dying.step(block=1) == 2
    assert redis.xpending(STREAM, GROUP)["pending"] == 2
    monkeypatch.setattr(ingest, "IDLE_MILLISECONDS", 0)
    drain(reader(redis, engine, app, clock, "next"))
    assert len(queued(redis)) == 1
    assert len(letters(engine)) == 1
    assert redis.xlen(STREAM) == 0


def test_a_reader_that_leaves_takes_its_name_along_but_never_its_entries(
    redis: Redis, engine: Engine, app: Celery, publisher: Publisher, clock: TurnedClock
) -> None:
    leaving = reader(redis, engine, app, clock)
    drain(leaving)
    leaving.leave()
    assert redis.xinfo_consumers(STREAM, GROUP) == []
    publisher.publish(an_event())
    redis.xreadgroup(GROUP, "reader-1", {STREAM: ">"})
    leaving.leave()
    assert [consumer["pending"] for consumer in redis.xinfo_consumers(STREAM, GROUP)] == [1]


def test_a_wiped_stream_is_made_anew(
    redis: Redis, engine: Engine, app: Celery, publisher: Publisher, clock: TurnedClock
) -> None:
    running = reader(redis, engine, app, clock)
    drain(running)
    redis.flushall()
    publisher.publish(an_event())
    drain(running)
    assert len(queued(redis)) == 1


def test_a_broker_that_is_away_is_waited_for(sqlite_url: str, redis: Redis, app: Celery, publisher: Publisher) -> None:
    class Flaky:
        """Stands between the reader and its Valkey, and cuts the first reads off."""

        def __init__(self) -> None:
            self.cuts = 2

        def __getattr__(self, name: str) -> Any:
            if self.cuts:
                self.cuts -= 1
                raise RedisConnectionError("gone")
            return getattr(redis, name)

    engine = make_engine(sqlite_url)
    publisher.publish(an_event())
    stop = threading.Event()
    waiting = Ingest(
        Flaky(),  # type: ignore[arg-type]
        engine,
        app,
        stream=STREAM,
        group=GROUP,
        consumer="patient",
        requeue_after=timedelta(seconds=60),
    )
    thread = threading.Thread(target=waiting.run, args=(stop,))
    thread.start()
    while not queued(redis):
        thread.join(0.05)
        assert thread.is_alive()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    engine.dispose()
