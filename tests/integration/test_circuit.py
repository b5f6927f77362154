from collections.abc import Iterator
from datetime import timedelta

import pytest
from real_servers import TurnedClock
from rows import received_and_claimed, scored
from scripted_host import ScriptedHost, answer
from sqlalchemy import Engine, func, select
from structlog.testing import capture_logs

from tasks import outbox
from tasks.circuit import CircuitPolicy
from tasks.database import autocommit
from tasks.deliver import Attempt, Deliver, DeliverPolicy
from tasks.sweep import Sweep
from tasks.tables import Notification, NotificationState
from tasks.webhook import WebhookSender

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGJhc2U2NA=="
FAILURES = 3
PAUSE = timedelta(seconds=30)
AWAY = answer(status="503 Service Unavailable")


@pytest.fixture
def sink() -> Iterator[ScriptedHost]:
    with ScriptedHost({"/retake": AWAY}) as sink:
        yield sink


@pytest.fixture
def pending(engine: Engine, clock: TurnedClock) -> list[int]:
    return [bad_photo(engine, clock, number) for number in range(20)]


@pytest.fixture
def deliver(engine: Engine, sink: ScriptedHost, clock: TurnedClock) -> Deliver:
    sender = WebhookSender(sink.url("/retake"), [SECRET])
    return Deliver(engine, sender, DeliverPolicy(circuit=CircuitPolicy(FAILURES, PAUSE)), clock)


@pytest.fixture
def sweep(engine: Engine, clock: TurnedClock) -> Sweep:
    return Sweep(engine, timedelta(seconds=60), clock)


def bad_photo(engine: Engine, clock: TurnedClock, number: int) -> int:
    image = received_and_claimed(engine, clock(), f"ad{number}-1")
    scored(engine, image, 1.0, clock())
    day = timedelta(hours=24)
    with engine.begin() as connection:
        pk = outbox.write(
            connection, image, f"msg_{number}", "{}", threshold=2.5, now=clock(), cooldown=day, deliver_by=clock()
        )
    assert pk is not None
    return pk


def attempts(engine: Engine) -> int:
    with autocommit(engine) as connection:
        return connection.scalar(select(func.sum(Notification.attempts))) or 0


def test_a_dead_receiver_is_left_alone_and_no_attempt_is_counted(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: list[int], sweep: Sweep
) -> None:
    for pk in pending:
        deliver(pk)
    assert len(sink.requests) == attempts(engine) == FAILURES
    assert sweep(100, 100).notifications == []


def test_one_request_in_each_pause_finds_out_whether_it_is_back(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: list[int], sweep: Sweep, clock: TurnedClock
) -> None:
    for pk in pending:
        deliver(pk)
    for probe in range(1, 4):
        clock.turn(seconds=31)
        assert len(sweep(100, 100).notifications) == 1
        for pk in pending[10:]:
            deliver(pk)
        assert len(sink.requests) == attempts(engine) == FAILURES + probe


def test_the_first_answer_closes_the_circuit(
    deliver: Deliver, sink: ScriptedHost, pending: list[int], sweep: Sweep, clock: TurnedClock
) -> None:
    for pk in pending:
        deliver(pk)
    sink.routes["/retake"] = answer(status="204 No Content")
    clock.turn(seconds=31)
    assert deliver(pending[10]).state is NotificationState.DELIVERED
    assert {deliver(pk).state for pk in pending[11:]} == {NotificationState.DELIVERED}
    clock.turn(seconds=60)
    assert sorted(sweep(100, 100).notifications) == pending[:10]


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "204 No Content"])
def test_a_receiver_that_answers_in_between_is_not_away(
    deliver: Deliver, sink: ScriptedHost, pending: list[int], status: str
) -> None:
    for pk in pending[: FAILURES - 1]:
        deliver(pk)
    sink.routes["/retake"] = answer(status=status)
    deliver(pending[5])
    sink.routes["/retake"] = AWAY
    for pk in pending[6:]:
        deliver(pk)
    assert len(sink.requests) == FAILURES - 1 + 1 + FAILURES


def test_a_throttling_receiver_and_one_that_is_gone_from_the_network_open_it_too(
    engine: Engine, clock: TurnedClock, pending: list[int]
) -> None:
    with ScriptedHost({"/retake": answer(status="429 Too Many Requests")}) as sink:
        sender = WebhookSender(sink.url("/retake"), [SECRET])
        deliver = Deliver(engine, sender, DeliverPolicy(circuit=CircuitPolicy(FAILURES, PAUSE)), clock)
        deliver(pending[0])
    deliver(pending[1])
    deliver(pending[2])
    assert deliver(pending[3]) == Attempt()


def test_going_away_and_coming_back_are_one_line_each(
    deliver: Deliver, sink: ScriptedHost, pending: list[int], clock: TurnedClock
) -> None:
    with capture_logs() as lines:
        for pk in pending[:10]:
            deliver(pk)
        clock.turn(seconds=31)
        deliver(pending[10])
        sink.routes["/retake"] = answer(status="204 No Content")
        clock.turn(seconds=31)
        for pk in pending[11:]:
            deliver(pk)
    assert [line["event"] for line in lines] == ["receiver.away", "receiver.back"]
