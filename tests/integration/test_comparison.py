import pytest
from real_servers import TurnedClock
from rows import content_score, received_and_claimed
from sqlalchemy import Engine

from tasks import scores
from tasks.comparison import compare, find_models
from tasks.database import autocommit

OLD, NEW = "quality@old", "quality@new"


def score_by_both(engine: Engine, clock: TurnedClock, *pairs: tuple[float | None, float | None]) -> None:
    for number, said in enumerate(pairs):
        pk = received_and_claimed(engine, clock(), f"ad{number}-1").pk
        with engine.begin() as connection:
            for model, score in zip((OLD, NEW), said, strict=True):
                if score is not None:
                    scores.record(connection, pk, content_score(score, bytes([number] * 32), model), now=clock())


def test_what_would_change(engine: Engine, clock: TurnedClock) -> None:
    score_by_both(engine, clock, (1, 1.5), (2, 3), (3, 2.4), (4, 4.3), (5, 5), (0.5, None), (None, 0.5))
    with autocommit(engine) as connection:
        assert dict(find_models(connection)) == {OLD: 6, NEW: 6}
        found = compare(connection, OLD, NEW, 2.5)
    assert found is not None
    assert found.photos == 5
    assert (found.both_below, found.only_first_below, found.only_second_below) == (1, 1, 1)
    assert found.agreement == pytest.approx(0.6)
    assert [found.mean_first, found.mean_second] == pytest.approx([3, 3.24])
    assert found.drift == pytest.approx(0.24)
    assert found.drift_spread == pytest.approx(0.5314, abs=1e-4)  # numpy.std of the five differences
    assert found.mean_difference == pytest.approx(0.48)
    assert found.correlation == pytest.approx(0.9273, abs=1e-4)  # numpy.corrcoef of the five pairs
    assert found.even_threshold == 2.5


@pytest.mark.parametrize(
    ("threshold", "even"),
    [(2.0, 2.51), (2.5, 2.51), (3.0, 3.0), (1.0, 1.0), (4.8, 4.8)],
    ids=["next above", "barely", "agree as it is", "none below", "as close as it gets"],
)
def test_as_many_requests_at_the_nearest_threshold(
    engine: Engine, clock: TurnedClock, threshold: float, even: float
) -> None:
    score_by_both(engine, clock, (1.9, 2.5), (3.5, 4), (4.7, 5))
    with autocommit(engine) as connection:
        found = compare(connection, OLD, NEW, threshold)
    assert found is not None
    assert found.even_threshold == even


def test_a_model_agrees_with_itself(engine: Engine, clock: TurnedClock) -> None:
    score_by_both(engine, clock, (1, 1), (3, 3))
    with autocommit(engine) as connection:
        found = compare(connection, OLD, NEW, 2.5)
    assert found is not None
    assert (found.agreement, found.drift, found.drift_spread) == (1, 0, 0)
    assert [found.correlation, found.same_stars, found.even_threshold] == pytest.approx([1, 1, 2.5])


def test_one_that_always_says_the_same_correlates_with_nothing(engine: Engine, clock: TurnedClock) -> None:
    score_by_both(engine, clock, (1, 2), (3, 2))
    with autocommit(engine) as connection:
        found = compare(connection, OLD, NEW, 2.5)
    assert found is not None
    assert found.correlation is None


def test_nothing_in_common_is_nothing(engine: Engine, clock: TurnedClock) -> None:
    score_by_both(engine, clock, (1, None), (None, 2))
    with autocommit(engine) as connection:
        assert compare(connection, OLD, NEW, 2.5) is None
