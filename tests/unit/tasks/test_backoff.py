from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.backoff import DAY, FETCH_SCHEDULE, JITTER, NOTIFY_SCHEDULE, next_delay


def middle() -> float:
    return 0.5


def test_the_schedule_is_the_one_of_the_contract() -> None:
    hours = [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    assert pytest.approx([hour * 3600 for hour in hours]) == NOTIFY_SCHEDULE


@pytest.mark.parametrize("schedule", [NOTIFY_SCHEDULE, FETCH_SCHEDULE])
def test_waits_grow(schedule: tuple[float, ...]) -> None:
    assert all(earlier < later for earlier, later in pairwise(schedule))


@pytest.mark.parametrize("schedule", [NOTIFY_SCHEDULE, FETCH_SCHEDULE])
def test_one_wait_after_each_failure_then_none(schedule: tuple[float, ...]) -> None:
    waits = [next_delay(attempts, schedule, jitter=middle) for attempts in range(1, len(schedule) + 2)]
    assert waits == [*schedule, None]


@given(st.integers(1, len(NOTIFY_SCHEDULE)), st.floats(0, 1))
def test_jitter_keeps_near_the_schedule(attempts: int, share: float) -> None:
    wait = next_delay(attempts, NOTIFY_SCHEDULE, jitter=lambda: share)
    assert wait == pytest.approx(NOTIFY_SCHEDULE[attempts - 1], rel=JITTER + 1e-9)


def test_jitter_differs_between_calls() -> None:
    assert len({next_delay(3, NOTIFY_SCHEDULE) for _ in range(50)}) > 1


@given(st.integers(1, len(NOTIFY_SCHEDULE)), st.floats(0, DAY), st.floats(0, 1))
def test_retry_after_is_never_undercut(attempts: int, asked: float, share: float) -> None:
    wait = next_delay(attempts, NOTIFY_SCHEDULE, asked, lambda: share)
    assert wait is not None
    assert wait >= asked


@given(st.floats(0, 1))
def test_retry_after_is_capped_at_a_day(share: float) -> None:
    assert next_delay(1, NOTIFY_SCHEDULE, 10 * DAY, lambda: share) == DAY


def test_a_shorter_retry_after_does_not_hurry() -> None:
    assert next_delay(2, NOTIFY_SCHEDULE, 1, middle) == NOTIFY_SCHEDULE[1]


def test_retry_after_does_not_revive_a_used_up_schedule() -> None:
    assert next_delay(len(NOTIFY_SCHEDULE) + 1, NOTIFY_SCHEDULE, 5) is None
