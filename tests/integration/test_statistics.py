from datetime import timedelta

import pytest
from real_servers import TurnedClock
from rows import an_event, content_score, receive, received_and_claimed
from sqlalchemy import Engine, delete

from tasks import dead_letters, images, scores, statistics
from tasks.database import autocommit
from tasks.dead_letters import Letter
from tasks.images import Fault
from tasks.statistics import BLOCKS, Span, span_since
from tasks.tables import Image, ImageState

OLD, NEW = "quality@old", "quality@new"


def score(engine: Engine, clock: TurnedClock, image_id: str, seller_id: str, **said: float) -> int:
    pk = received_and_claimed(engine, clock(), image_id, seller_id=seller_id).pk
    with engine.begin() as connection:
        for name, value in said.items():
            content = content_score(value, pk.to_bytes(32), f"quality@{name}")
            scores.record(connection, pk, content, now=clock())
    return pk


def _held(span: Span) -> list[int]:
    """Which of the photos that are left the span holds."""
    [(first, last)] = span.ranges
    return [key for key in (1, 3, 5, 6, 7) if first <= key <= last]


def test_the_span_begins_with_the_first_photo_received_since(engine: Engine, clock: TurnedClock) -> None:
    start = clock()
    for hour in range(7):
        receive(engine, clock(), an_event(f"ad{hour}-1"))
        clock.turn(hours=1)
    with engine.begin() as connection:
        connection.execute(delete(Image).where(Image.id.in_([2, 4])))  # keys have gaps
    with autocommit(engine) as connection:
        since = [start + timedelta(hours=hours) for hours in (-9, 0, 1, 2, 3.5, 6)]
        held = [_held(span_since(connection, moment)) for moment in since]
        assert held == [[1, 3, 5, 6, 7], [1, 3, 5, 6, 7], [3, 5, 6, 7], [3, 5, 6, 7], [5, 6, 7], [7]]
        assert span_since(connection, start + timedelta(hours=9)).ranges == ((8, 7),)


def test_an_empty_database_has_an_empty_span(engine: Engine, clock: TurnedClock) -> None:
    with autocommit(engine) as connection:
        span = span_since(connection, clock())
        assert statistics.read_models(connection, span) == []
        assert statistics.count_outcomes(connection, span) == {}
        assert statistics.count_requests(connection, clock()) == {}
        assert statistics.read_examples(connection, []) == []


def test_above_the_bound_even_blocks_stand_for_all(engine: Engine, clock: TurnedClock) -> None:
    receive(engine, clock(), *(an_event(f"ad{n}-1") for n in range(10 * BLOCKS)))
    with autocommit(engine) as connection:
        span = span_since(connection, clock(), most=2 * BLOCKS)
        assert statistics.count_outcomes(connection, span) == {("received", None): 2 * BLOCKS}
    assert span.share == pytest.approx(0.2)
    assert span.ranges[0] == (1, 2)
    assert span.ranges[-1] == (10 * BLOCKS - 9, 10 * BLOCKS - 8)


def test_figures_of_every_model(engine: Engine, clock: TurnedClock) -> None:
    score(engine, clock, "ad1-1", "s1", old=1.0, new=2.0)
    score(engine, clock, "ad1-2", "s1", old=4.25)
    clock.turn(hours=13)  # the next day in UTC
    newest = score(engine, clock, "ad2-1", "s2", old=4.25)
    with autocommit(engine) as connection:
        old, new = statistics.read_models(connection, Span(((1, 3),)))
    assert (old.name, new.name) == (OLD, NEW)
    assert old.photos == {100: 1, 425: 2}
    assert old.sellers == {100: 1, 425: 1}, "a seller counts with the worst photo"
    assert old.days == {"2026-11-24": {100: 1, 425: 1}, "2026-11-25": {425: 1}}
    assert old.reasons == {"too_dark": {100: 1, 425: 2}}
    assert old.examples == {100: 1, 425: newest}
    assert new.photos == new.sellers == {200: 1}


def test_a_day_is_a_day_in_utc_whatever_the_session_says(postgres_url: str, clock: TurnedClock) -> None:
    from tasks.database import make_engine

    engine = make_engine(postgres_url)
    score(engine, clock, "ad1-1", "s1", old=1.0)
    with autocommit(engine) as connection:
        connection.exec_driver_sql("SET TIME ZONE 'Pacific/Kiritimati'")  # fourteen hours ahead
        [model] = statistics.read_models(connection, Span(((1, 1),)))
    engine.dispose()
    assert set(model.days) == {"2026-11-24"}


def test_what_was_given_up_is_counted_by_code(engine: Engine, clock: TurnedClock) -> None:
    for number in range(3):
        image = received_and_claimed(engine, clock(), f"ad{number}-1")
        with engine.begin() as connection:
            fault = Fault("timeout" if number else "not_found", "?")
            images.finish(connection, image, ImageState.UNREACHABLE, now=clock(), fault=fault)
    with engine.begin() as connection:
        dead_letters.bury(connection, [Letter("s", f"1-{n}", b"?", "event_url", "?") for n in range(2)], now=clock())
    with autocommit(engine) as connection:
        span = span_since(connection, clock())
        outcomes = statistics.count_outcomes(connection, span)
        assert outcomes == {("unreachable", "timeout"): 2, ("unreachable", "not_found"): 1}
        assert statistics.count_letters(connection, clock()) == {"event_url": 2}
        assert statistics.count_letters(connection, clock.turn(seconds=1)) == {}


def test_examples_carry_what_every_model_said(engine: Engine, clock: TurnedClock) -> None:
    pk = score(engine, clock, "ad1-1", "s1", old=1.0, new=2.0)
    with autocommit(engine) as connection:
        [example] = statistics.read_examples(connection, [pk, 99])
    assert (example.ad_id, example.image_id) == ("ad1", "ad1-1")
    assert example.scores == {OLD: 1.0, NEW: 2.0}
    assert example.reasons == {OLD: ["too_dark"], NEW: ["too_dark"]}
