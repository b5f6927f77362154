from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from real_servers import TurnedClock
from rows import received_and_claimed, scored
from scripted_host import ScriptedHost, answer
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from tasks import outbox
from tasks.deliver import Attempt, Deliver, DeliverPolicy
from tasks.tables import Notification, NotificationState
from tasks.webhook import WebhookSender

SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHMsIGJhc2U2NA=="
SCHEDULE = (5.0, 300.0)


@pytest.fixture
def sink() -> Iterator[ScriptedHost]:
    with ScriptedHost({"/retake": answer(status="204 No Content")}) as sink:
        yield sink


@pytest.fixture
def pending(engine: Engine, clock: TurnedClock) -> int:
    image = received_and_claimed(engine, clock())
    scored(engine, image, 1.0, clock())
    with engine.begin() as connection:
        pk = outbox.write(
            connection,
            image,
            "msg_1",
            '{"a":"é"}',
            threshold=2.5,
            now=clock(),
            cooldown=timedelta(hours=24),
            deliver_by=clock() + timedelta(seconds=60),
        )
    assert pk is not None
    return pk


@pytest.fixture
def deliver(engine: Engine, sink: ScriptedHost, clock: TurnedClock) -> Deliver:
    sender = WebhookSender(sink.url("/retake"), [SECRET])
    return Deliver(engine, sender, DeliverPolicy(schedule=SCHEDULE), clock)


def row(engine: Engine) -> Notification:
    with Session(engine) as session:
        return session.scalars(select(Notification)).one()


def header(head: str, name: str) -> str:
    return next(line.split(": ", 1)[1] for line in head.splitlines() if line.lower().startswith(name + ":"))


def test_a_request_is_delivered_once(engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int) -> None:
    attempt = deliver(pending)
    assert attempt.state is NotificationState.DELIVERED
    assert deliver(pending) == Attempt()
    stored = row(engine)
    assert (stored.state, stored.last_status, stored.due_at) == ("delivered", 204, None)
    [head] = sink.requests
    headers = {name: header(head, name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    assert Webhook(SECRET).verify('{"a":"é"}'.encode(), headers) == {"a": "é"}


def test_each_attempt_has_the_same_id_and_its_own_time(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int, clock: TurnedClock
) -> None:
    sink.routes["/retake"] = answer(status="500 Oops")
    assert deliver(pending).state is NotificationState.PENDING
    assert row(engine).error_code is not None
    assert deliver(pending) == Attempt(), "too early"
    sink.routes["/retake"] = answer(status="200 OK")
    clock.turn(seconds=7)
    assert deliver(pending).state is NotificationState.DELIVERED
    assert {header(head, "webhook-id") for head in sink.requests} == {"msg_1"}
    now = datetime.now(UTC).timestamp()
    assert all(abs(now - int(header(head, "webhook-timestamp"))) < 60 for head in sink.requests)


def test_a_request_is_dead_after_the_last_attempt(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int, clock: TurnedClock
) -> None:
    sink.routes["/retake"] = answer(status="302 Found", Location=sink.url("/elsewhere"))
    states = []
    for _ in range(3):
        states.append(deliver(pending).state)
        clock.turn(hours=1)
    assert states == ["pending", "pending", "dead"]
    assert deliver(pending) == Attempt()
    assert row(engine).last_status == 302
    assert all("POST /retake" in head for head in sink.requests), "a redirect is never followed"


def test_gone_is_for_good(engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int) -> None:
    sink.routes["/retake"] = answer(status="410 Gone")
    assert deliver(pending).state is NotificationState.DEAD
    assert row(engine).state == "dead"


@pytest.mark.parametrize("status", ["429 Too Many Requests", "502 Bad", "503 Busy", "504 Late"])
def test_retry_after_is_honoured(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int, clock: TurnedClock, status: str
) -> None:
    sink.routes["/retake"] = answer(status=status, Retry_After="3600")
    deliver(pending)
    assert row(engine).available_at >= clock() + timedelta(hours=1)


def test_a_lost_lease_is_somebody_elses(
    engine: Engine, deliver: Deliver, sink: ScriptedHost, pending: int, clock: TurnedClock
) -> None:
    with engine.begin() as connection:
        assert outbox.claim(connection, pending, now=clock(), lease=timedelta(seconds=60))
    assert deliver(pending) == Attempt()
    assert sink.requests == []
