from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from PIL import Image as PillowImage
from real_servers import TurnedClock
from rows import an_event, content_score, receive, received_and_claimed, scored
from sqlalchemy import Engine, delete, select

from models.errors import ModelError
from models.judge import Judgement
from models.reasons import ReasonCode
from tasks.celery_tasks import IMAGES, RESCORES
from tasks.database import autocommit
from tasks.decode import DecodedImage
from tasks.errors import NotFoundError
from tasks.qualify import Qualify, QualifyPolicy
from tasks.rescore import ModelFile, Rescore, count_without_score, keys_without_score
from tasks.second_opinion import SecondOpinion
from tasks.tables import Image, Notification, Score
from worker.broker import queue_depths
from worker.celery_app import make_app
from worker.rescore.feed import BATCH, MOST_QUEUED, feed, wait_until_done
from worker.settings import Settings

NEW = ModelFile("/models/new.tflite", "quality@new")


class Constant:
    """A judge that says the same of every photo."""

    def __init__(self, model: str, score: float) -> None:
        self.model, self.score = model, score

    def judge(self, _image: PillowImage.Image) -> Judgement:
        return Judgement(self.score, (ReasonCode.BLURRY,), {}, self.model)


class Broken(Constant):
    def judge(self, _image: PillowImage.Image) -> Judgement:
        raise ZeroDivisionError


class Host:
    """Hands out the URL as the photo's bytes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if "gone" in url:
            raise NotFoundError
        return url.encode()


def decode(_data: bytes) -> DecodedImage:
    return DecodedImage(PillowImage.new("RGB", (8, 8)), 8, 8, "JPEG")


def make_rescore(engine: Engine, clock: TurnedClock, host: Host, name: str = NEW.name) -> Rescore:
    return Rescore(engine, host, decode, lambda _path: Constant(name, 1.5), clock)


def stored(engine: Engine) -> list[tuple[int, str, float]]:
    with autocommit(engine) as connection:
        rows = connection.execute(
            select(Score.image_pk, Score.model, Score.score).order_by(Score.image_pk, Score.model)
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]


def a_scored_photo(engine: Engine, clock: TurnedClock, image_id: str = "ad1-1", **fields: Any) -> int:
    image = received_and_claimed(engine, clock(), image_id, **fields)
    scored(engine, image, 4.0, clock())
    return image.pk


def test_a_stored_photo_gets_a_second_score_and_nobody_a_request(engine: Engine, clock: TurnedClock) -> None:
    pk = a_scored_photo(engine, clock)
    rescore = make_rescore(engine, clock, host := Host())
    assert rescore(pk, NEW) is not None
    assert rescore(pk, NEW) is None, "it has that score"
    assert stored(engine) == [(pk, "quality@0123456789ab", 4.0), (pk, "quality@new", 1.5)]
    assert host.asked == ["https://img.example.com/ad1-1.jpg"]
    with autocommit(engine) as connection:
        assert connection.scalar(select(Notification.id)) is None


def test_bytes_that_were_scored_before_are_not_downloaded(engine: Engine, clock: TurnedClock) -> None:
    first, second = a_scored_photo(engine, clock, "ad1-1"), a_scored_photo(engine, clock, "ad2-1")
    rescore = make_rescore(engine, clock, host := Host())
    with engine.begin() as connection:
        connection.execute(delete(Score).where(Score.image_pk == second))
    rescore(first, NEW)
    with engine.begin() as connection:
        known = connection.scalar(select(Score.content_sha256).where(Score.model == NEW.name))
        from tasks import scores

        scores.record(connection, second, content_score(3.0, known or b""), now=clock())
    assert rescore(second, NEW) is not None
    assert len(host.asked) == 1


def test_a_photo_that_is_not_scored_or_gone_is_left_alone(engine: Engine, clock: TurnedClock) -> None:
    [pk] = receive(engine, clock(), an_event())
    rescore = make_rescore(engine, clock, Host())
    assert rescore(pk, NEW) is None
    assert rescore(99, NEW) is None


def test_a_photo_that_cannot_be_downloaded_stays_without_that_score(engine: Engine, clock: TurnedClock) -> None:
    pk = a_scored_photo(engine, clock, image_url="https://img.example.com/gone.jpg")
    with pytest.raises(NotFoundError):
        make_rescore(engine, clock, Host())(pk, NEW)
    with autocommit(engine) as connection:
        assert keys_without_score(connection, NEW.name, after=0, limit=5) == [pk]
        assert count_without_score(connection, NEW.name) == 1


def test_another_file_than_was_asked_for_scores_nothing(engine: Engine, clock: TurnedClock) -> None:
    pk = a_scored_photo(engine, clock)
    with pytest.raises(ModelError, match="is quality@other here, not quality@new"):
        make_rescore(engine, clock, Host(), "quality@other")(pk, NEW)


Shadowed = Callable[[Constant], Qualify]


@pytest.fixture
def shadowed(engine: Engine, clock: TurnedClock) -> Shadowed:
    def make(judge: Constant) -> Qualify:
        shadow = SecondOpinion(engine, judge, clock)
        return Qualify(
            engine, Host(), decode, Constant("quality@now", 4.0), QualifyPolicy(), clock=clock, shadow=shadow
        )

    return make


def test_a_shadow_model_scores_beside_the_first_and_nobody_is_notified(
    engine: Engine, clock: TurnedClock, shadowed: Shadowed
) -> None:
    [pk] = receive(engine, clock(), an_event())
    assert shadowed(Constant("quality@shadow", 0.5))(pk).score == 4.0
    assert stored(engine) == [(pk, "quality@now", 4.0), (pk, "quality@shadow", 0.5)]
    with autocommit(engine) as connection:
        assert connection.scalar(select(Notification.id)) is None


def test_a_shadow_model_that_fails_does_no_harm(engine: Engine, clock: TurnedClock, shadowed: Shadowed) -> None:
    [pk] = receive(engine, clock(), an_event())
    assert shadowed(Broken("quality@shadow", 0))(pk).score == 4.0
    assert stored(engine) == [(pk, "quality@now", 4.0)]
    with autocommit(engine) as connection:
        assert connection.scalar(select(Image.state)) == "scored"


@pytest.fixture
def broker(valkey_url: str) -> Celery:
    return make_app(Settings(broker_url=valkey_url))


def test_the_feed_keeps_its_queue_short_and_waits_for_uploads(
    engine: Engine, clock: TurnedClock, broker: Celery
) -> None:
    receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(3 * BATCH)))
    with engine.begin() as connection:
        connection.execute(Image.__table__.update().values(state="scored"))  # type: ignore[attr-defined]
    depths, purges = [], iter([IMAGES, *[RESCORES] * 5])
    for _ in range(20):
        broker.send_task("retake.qualify", (1,))

    def sleep(_seconds: float) -> None:
        depths.append({name: depth for name, depth in queue_depths(broker).items() if depth})
        with broker.connection_for_write() as connection:
            connection.default_channel.queue_purge(next(purges))  # type: ignore[attr-defined]  # a worker got through it

    assert list(feed(broker, engine, NEW, sleep)) == [BATCH] * 3
    assert depths == [{IMAGES: 20}, {RESCORES: MOST_QUEUED}, {RESCORES: MOST_QUEUED}]
    left = iter([1, 0])
    assert wait_until_done(broker, lambda: next(left), 5, sleep) == 0


def test_what_is_left_is_told(broker: Celery) -> None:
    slept: list[float] = []
    assert wait_until_done(broker, lambda: 7, 5, slept.append) == 7
    assert sum(slept) >= 5


def test_a_model_stays_loaded_until_another_is_asked_for(engine: Engine, clock: TurnedClock) -> None:
    loaded: list[Path] = []

    def load(path: Path) -> Constant:
        loaded.append(path)
        return Constant(path.stem, 1.0)

    rescore = Rescore(engine, Host(), decode, load, clock)
    for name in ("a", "a", "b", "a"):
        rescore(1, ModelFile(f"/models/{name}.tflite", name))
    assert [path.stem for path in loaded] == ["a", "b", "a"]
