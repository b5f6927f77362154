"""The exporter against real servers, and against servers that are away."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from kombu.exceptions import OperationalError as BrokerError
from prometheus_client import CollectorRegistry
from real_servers import TurnedClock
from redis import Redis
from redis.exceptions import RedisError
from rows import an_event, claim, receive
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tasks import dead_letters, images
from tasks.celery_tasks import IMAGES, qualify
from tasks.database import make_engine
from tasks.dead_letters import Letter
from tasks.images import Fault
from tasks.tables import ImageState
from worker.celery_app import make_app
from worker.exporter.collector import Standing
from worker.exporter.sources import BrokerSource, DatabaseSource, StreamSource
from worker.settings import Settings

NOWHERE = "redis://127.0.0.1:1/0"
STREAM, GROUP = "ad-images", "retake"


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_url) as client:
        yield client


def registry_of(**sources: object) -> CollectorRegistry:
    away = {"database": (SQLAlchemyError,), "broker": (BrokerError,), "stream": (RedisError,)}
    registry = CollectorRegistry()
    registry.register(Standing({name: (source, away[name]) for name, source in sources.items()}))  # type: ignore[misc]
    return registry


def test_open_work_is_told_by_state_with_how_long_it_has_waited(engine: Engine, clock: TurnedClock) -> None:
    receive(engine, clock(), an_event("ad1-1"), an_event("ad2-1"))
    clock.turn(seconds=30)
    [third] = receive(engine, clock(), an_event("ad3-1"))
    assert claim(engine, third, clock())
    value = registry_of(database=DatabaseSource(engine, clock)).get_sample_value
    assert value("retake_images_pending", {"state": "ready"}) == 2
    assert value("retake_images_pending", {"state": "claimed"}) == 1
    assert value("retake_images_oldest_ready_seconds") == 30
    assert value("retake_source_up", {"source": "database"}) == 1


def test_a_photo_put_off_has_not_waited_until_its_time_comes(engine: Engine, clock: TurnedClock) -> None:
    [pk] = receive(engine, clock())
    image = claim(engine, pk, clock())
    assert image is not None
    with engine.begin() as connection:
        images.put_off(connection, image, Fault("fetch_timeout", ""), until=clock() + timedelta(hours=2))
    value = registry_of(database=DatabaseSource(engine, clock)).get_sample_value
    clock.turn(hours=1)
    assert value("retake_images_pending", {"state": "retrying"}) == 1
    assert value("retake_images_oldest_pending_seconds") == 3600
    assert value("retake_images_oldest_ready_seconds") == 0
    clock.turn(hours=1, seconds=10)
    assert value("retake_images_oldest_ready_seconds") == 10


def test_what_was_given_up_is_told_by_code(engine: Engine, clock: TurnedClock) -> None:
    [pk] = receive(engine, clock())
    image = claim(engine, pk, clock())
    assert image is not None
    letter = Letter(STREAM, "1-0", b"{", "event_not_json", "not JSON")
    with engine.begin() as connection:
        images.finish(connection, image, ImageState.FAILED, now=clock(), fault=Fault("worker_lost", ""))
        dead_letters.bury(connection, [letter, replace(letter, entry_id="2-0")], now=clock())
    value = registry_of(database=DatabaseSource(engine, clock)).get_sample_value
    assert value("retake_images_failed", {"code": "worker_lost"}) == 1
    assert value("retake_dead_letters", {"code": "event_not_json"}) == 2
    assert value("retake_images_pending", {"state": "claimed"}) == 0


def test_messages_are_told_by_queue(valkey_url: str) -> None:
    app = make_app(Settings(broker_url=valkey_url))
    for pk in range(3):
        qualify.apply_async((pk,))
    value = registry_of(broker=BrokerSource(app)).get_sample_value
    assert value("retake_queue_messages_ready", {"queue": IMAGES}) == 3
    assert value("retake_queue_messages_unacknowledged") == 0


def test_the_stream_is_told_with_its_age_and_its_readers(redis: Redis, clock: TurnedClock) -> None:
    value = registry_of(stream=StreamSource(redis, STREAM, GROUP, clock)).get_sample_value
    assert value("retake_stream_entries") == 0
    assert value("retake_stream_oldest_seconds") == 0
    assert value("retake_ingest_readers") == 0
    milliseconds = int(clock().timestamp() * 1000)
    redis.xadd(STREAM, {"event": "{}"}, id=f"{milliseconds}-0")
    redis.xadd(STREAM, {"event": "{}"}, id=f"{milliseconds + 5000}-0")
    redis.xgroup_create(STREAM, GROUP, id="0")
    redis.xreadgroup(GROUP, "reader-1", {STREAM: ">"}, count=1)
    clock.turn(seconds=20)
    assert value("retake_stream_entries") == 2
    assert value("retake_stream_oldest_seconds") == 20
    assert value("retake_ingest_readers") == 1


def test_a_source_that_is_away_is_said_to_be_and_takes_no_other_with_it(redis: Redis, clock: TurnedClock) -> None:
    away = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    app = make_app(Settings(broker_url=NOWHERE))
    registry = registry_of(
        database=DatabaseSource(away), broker=BrokerSource(app), stream=StreamSource(redis, STREAM, GROUP, clock)
    )
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    assert samples["retake_source_up", "database"] == 0
    assert samples["retake_source_up", "broker"] == 0
    assert samples["retake_source_up", "stream"] == 1
    assert samples[("retake_stream_entries",)] == 0
