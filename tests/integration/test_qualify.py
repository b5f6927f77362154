"""One photo's way through the step, with a real image host, the real decoder and model, on both databases."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from real_servers import TurnedClock
from rows import an_event, claim, receive
from scripted_host import ScriptedHost, answer
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from models.judge import Judge
from tasks.decode import DecodedImage, decode
from tasks.errors import LeaseLostError
from tasks.fetch import Fetcher, FetchPolicy
from tasks.images import ClaimedImage
from tasks.qualify import Outcome, Qualify, QualifyPolicy
from tasks.tables import Image, ImageState, Notification, Score
from worker.demo.photos import SAMPLE

PHOTO = SAMPLE.read_bytes()
ALL_GOOD, ALL_BAD = 0.0, 5.0
POLICY = QualifyPolicy(threshold=ALL_GOOD, fetch_schedule=(10.0, 60.0), crash_limit=2)


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge()


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    with ScriptedHost({"/photo.jpg": answer(PHOTO), "/again.jpg": answer(PHOTO)}) as host:
        yield host


class Bench:
    """A step to be tried on photos of one host, and a look at what it stored."""

    def __init__(self, engine: Engine, host: ScriptedHost, judge: Judge, clock: TurnedClock) -> None:
        self.engine, self.host, self.judge, self.clock = engine, host, judge, clock
        self.decode: Callable[[bytes], DecodedImage] = decode

    def qualify(self, pk: int, **policy: object) -> Outcome:
        fetcher = Fetcher(FetchPolicy(private_hosts=frozenset({self.host.address})))
        step = Qualify(
            self.engine,
            fetcher,
            self.decode,
            self.judge,
            replace(POLICY, **policy),  # type: ignore[arg-type]
            crash_codes={KeyError: "time_limit"},
            clock=self.clock,
        )
        return step(pk)

    def receive(self, path: str = "/photo.jpg", image_id: str = "ad1-1", **fields: str) -> int:
        [pk] = receive(self.engine, self.clock(), an_event(image_id, image_url=self.host.url(path), **fields))
        return pk

    def image(self, pk: int) -> Image:
        with Session(self.engine) as session:
            return session.get_one(Image, pk)

    def scores(self) -> list[Score]:
        with Session(self.engine) as session:
            return list(session.scalars(select(Score).order_by(Score.image_pk)))

    def notifications(self) -> list[Notification]:
        with Session(self.engine) as session:
            return list(session.scalars(select(Notification).order_by(Notification.id)))


@pytest.fixture
def bench(engine: Engine, host: ScriptedHost, judge: Judge, clock: TurnedClock) -> Bench:
    return Bench(engine, host, judge, clock)


def test_a_good_photo_is_scored_and_nobody_is_told(bench: Bench) -> None:
    pk = bench.receive()
    outcome = bench.qualify(pk, threshold=ALL_GOOD)
    [score] = bench.scores()
    assert outcome.state is ImageState.SCORED
    assert outcome.score == score.score
    assert outcome.notification_pk is None
    assert score.model == bench.judge.model
    assert 0 <= score.score <= 5
    assert (score.width, score.height) == (600, 400)
    assert score.attributes
    assert bench.image(pk).state == ImageState.SCORED
    assert bench.notifications() == []


def test_a_bad_photo_is_scored_and_its_request_written_with_it(bench: Bench) -> None:
    outcome = bench.qualify(bench.receive(), threshold=ALL_BAD)
    [notification] = bench.notifications()
    assert outcome.notification_pk == notification.id
    headers = {"content-type": "application/cloudevents+json"}
    event = from_http_event(HTTPMessage(headers, notification.body.encode()))
    data = event.get_data()
    [score] = bench.scores()
    assert event.get_id() == notification.webhook_id
    assert isinstance(data, dict)
    assert (data["score"], data["threshold"]) == (score.score, ALL_BAD)
    assert [reason["code"] for reason in data["reasons"]] == score.reasons
    assert all(reason["tip"] for reason in data["reasons"])


def test_twice_is_once(bench: Bench) -> None:
    pk = bench.receive()
    assert bench.qualify(pk, threshold=ALL_BAD).state is ImageState.SCORED
    assert bench.qualify(pk, threshold=ALL_BAD) == Outcome()
    assert len(bench.scores()) == len(bench.notifications()) == 1


def test_a_lease_that_ran_out_meanwhile_stores_nothing(bench: Bench) -> None:
    pk = bench.receive()

    def slow_decode(data: bytes) -> DecodedImage:
        assert claim(bench.engine, pk, bench.clock.turn(seconds=91)) is not None
        return decode(data)

    bench.decode = slow_decode
    with pytest.raises(LeaseLostError):
        bench.qualify(pk, threshold=ALL_BAD)
    assert not bench.scores()
    assert not bench.notifications()
    bench.decode = decode
    bench.clock.turn(seconds=91)
    assert bench.qualify(pk, crash_limit=3).state is ImageState.SCORED


def test_the_same_bytes_reuse_the_score_and_still_notify(bench: Bench) -> None:
    first, second = bench.receive("/photo.jpg", "ad1-1"), bench.receive("/again.jpg", "ad2-1")
    assert not bench.qualify(first).reused

    def must_not_decode(_data: bytes) -> DecodedImage:
        raise AssertionError

    bench.decode = must_not_decode
    outcome = bench.qualify(second, threshold=ALL_BAD)
    one, two = bench.scores()
    assert outcome.reused
    assert (one.score, one.reasons, one.attributes) == (two.score, two.reasons, two.attributes)
    assert len(bench.notifications()) == 1


def test_another_model_scores_the_same_bytes_anew(bench: Bench) -> None:
    bench.qualify(bench.receive())

    class Other:
        model = "quality@000000000000"
        judge = bench.judge.judge

    bench.judge = Other()  # type: ignore[assignment]
    assert not bench.qualify(bench.receive("/again.jpg", "ad2-1")).reused


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "empty"), (b"<html>Not today</html>", "not_an_image"), (PHOTO[: len(PHOTO) // 2], "truncated")],
)
def test_bytes_that_are_no_photo_are_a_result(bench: Bench, body: bytes, code: str) -> None:
    bench.host.routes["/bad"] = answer(body)
    pk = bench.receive("/bad")
    outcome = bench.qualify(pk)
    row = bench.image(pk)
    assert outcome.state is ImageState.REJECTED
    assert (row.state, row.error_code) == ("rejected", code)
    assert row.error_detail
    assert not bench.scores()
    assert not bench.notifications()


def test_a_missing_photo_is_unreachable_at_once(bench: Bench) -> None:
    pk = bench.receive("/missing")
    assert bench.qualify(pk).state is ImageState.UNREACHABLE
    assert bench.image(pk).error_code == "not_found"


def test_a_host_that_is_busy_is_tried_again_until_the_schedule_ends(bench: Bench) -> None:
    bench.host.routes["/busy"] = answer(status="503 Service Unavailable")
    pk = bench.receive("/busy")
    assert bench.qualify(pk).state is ImageState.RECEIVED
    assert bench.qualify(pk) == Outcome(), "too early"
    bench.clock.turn(seconds=13)
    assert bench.qualify(pk).state is ImageState.RECEIVED
    bench.clock.turn(seconds=73)
    assert bench.qualify(pk).state is ImageState.UNREACHABLE
    assert bench.image(pk).error_code == "http_unavailable"
    assert len(bench.host.requests) == 3


def test_a_host_that_comes_back_is_forgiven(bench: Bench) -> None:
    pk = bench.receive("/late")
    bench.host.routes["/late"] = answer(status="500 Oops")
    bench.qualify(pk)
    bench.host.routes["/late"] = answer(PHOTO)
    bench.clock.turn(seconds=13)
    assert bench.qualify(pk).state is ImageState.SCORED
    assert bench.image(pk).error_code is None


def test_retry_after_is_honoured(bench: Bench) -> None:
    bench.host.routes["/busy"] = answer(status="429 Too Many Requests", Retry_After="300")
    pk = bench.receive("/busy")
    bench.qualify(pk)
    assert bench.image(pk).available_at >= bench.clock() + timedelta(seconds=300)


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("?"), "internal"), (KeyError(), "time_limit")])
def test_a_defect_is_raised_noted_and_tried_again_until_the_crash_limit(
    bench: Bench, error: Exception, code: str
) -> None:
    pk = bench.receive()

    def broken(_data: bytes) -> DecodedImage:
        raise error

    bench.decode = broken
    for _ in range(POLICY.crash_limit):
        with pytest.raises(type(error)):
            bench.qualify(pk)
        bench.clock.turn(seconds=5)
    assert bench.qualify(pk).state is ImageState.FAILED
    assert (bench.image(pk).error_code, bench.image(pk).error_detail) == (code, repr(error))


def test_a_photo_that_kills_its_workers_is_failed_at_the_crash_limit(bench: Bench) -> None:
    pk = bench.receive()
    for _ in range(POLICY.crash_limit):
        assert isinstance(claim(bench.engine, pk, bench.clock()), ClaimedImage)  # and then the worker died
        bench.clock.turn(seconds=90)
    assert bench.qualify(pk).state is ImageState.FAILED
    assert bench.image(pk).error_code == "worker_lost"
    assert bench.host.requests == []
