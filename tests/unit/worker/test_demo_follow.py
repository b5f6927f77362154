from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from real_servers import *  # noqa: F403 - fixtures
from real_servers import TurnedClock
from rich.console import Console
from rows import received_and_claimed, scored
from sqlalchemy import Engine

from tasks import images, outbox
from tasks.database import make_engine
from tasks.images import Fault
from tasks.tables import ImageState
from worker.demo import follow as follow_module
from worker.demo.follow import Outcome, StalledError, follow, read_outcomes

EVENT: dict[str, Any] = {"data": {"reasons": []}}
SCORED = Outcome("scored", score=1.0, stars=1)


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    engine = make_engine(sqlite_url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("outcome", "settled"),
    [
        (Outcome(), False),
        (Outcome("scored", score=4.0, stars=4), True),
        (Outcome("rejected", "empty"), True),
        (Outcome("unreachable", "not_found"), True),
        (Outcome("failed", "worker_lost"), True),
        (replace(SCORED, notification="pending"), False),
        (replace(SCORED, notification="pending", request=EVENT), False),
        (replace(SCORED, notification="delivered"), False),
        (replace(SCORED, notification="delivered", request=EVENT), True),
        (replace(SCORED, notification="dead"), True),
        (SCORED, True),
    ],
)
def test_photo_has_settled_when_nothing_more_is_to_come(outcome: Outcome, *, settled: bool) -> None:
    assert outcome.settled is settled


def quiet() -> Console:
    return Console(file=StringIO())


def one_after_another(*looks: list[Outcome]) -> Callable[[], list[Outcome]]:
    rest = iter(looks)
    return lambda: next(rest)


def test_following_ends_when_all_have_settled() -> None:
    done, open_ = Outcome("rejected", "empty"), Outcome()
    look = one_after_another([open_, open_], [done, open_], [done, done])

    assert follow(look, lambda: None, ["a", "b"], quiet()) == [done, done]


def test_following_names_what_never_settles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "STALL_SECONDS", 0.2)
    outcomes = [Outcome("rejected", "empty"), replace(SCORED, notification="pending")]

    with pytest.raises(StalledError, match=r"still open: b \(scored, request pending\)$"):
        follow(lambda: outcomes, lambda: None, ["a", "b"], quiet())


def test_following_ends_with_what_the_check_raises() -> None:
    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(lambda: [Outcome()], check, ["a"], quiet())


def test_outcomes_come_in_the_order_asked_for_with_what_is_known_of_each(
    sqlite_engine: Engine, clock: TurnedClock
) -> None:
    bad = received_and_claimed(sqlite_engine, clock(), "ad1-1")
    scored(sqlite_engine, bad, 1.0, clock())
    with sqlite_engine.begin() as connection:
        outbox.write(
            connection,
            bad,
            "msg_1",
            "{}",
            threshold=2.5,
            now=clock(),
            cooldown=timedelta(hours=1),
            deliver_by=clock(),
        )
    missing = received_and_claimed(sqlite_engine, clock(), "ad2-1")
    with sqlite_engine.begin() as connection:
        images.finish(connection, missing, ImageState.UNREACHABLE, now=clock(), fault=Fault("not_found", "404"))

    outcomes = read_outcomes(sqlite_engine, {"msg_1": EVENT}, ["ad3-1", "ad2-1", "ad1-1"])

    assert outcomes == [
        Outcome(),
        Outcome("unreachable", "not_found"),
        Outcome("scored", None, 1.0, 1, ["too_dark"], "pending", EVENT),
    ]
