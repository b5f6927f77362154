import pytest

from tasks.errors import FetchTimeoutError, TooLargeError
from tasks.fetch.budget import Budget, current, spending


def test_gives_the_smaller_of_what_is_left_and_what_is_asked() -> None:
    assert Budget(seconds=60, size=1).seconds(at_most=5) == 5
    assert 0 < Budget(seconds=5, size=1).seconds(at_most=60) <= 5


def test_raises_once_the_time_is_spent() -> None:
    with pytest.raises(FetchTimeoutError):
        Budget(seconds=0, size=1).seconds(at_most=5)


def test_counts_bytes_over_all_reads() -> None:
    budget = Budget(seconds=5, size=10)
    budget.receive(6)
    budget.receive(4)
    with pytest.raises(TooLargeError):
        budget.receive(1)


def test_is_current_inside_the_block_only() -> None:
    outer, inner = Budget(1, 1), Budget(1, 1)
    with spending(outer):
        with spending(inner):
            assert current() is inner
        assert current() is outer
    with pytest.raises(LookupError):
        current()
