"""The time and the bytes that one download may use, however it is cut into redirects and reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from tasks.errors import FetchTimeoutError, TooLargeError


class Budget:
    """Seconds on the clock and bytes off the wire."""

    __slots__ = ("_bytes_left", "_ends_at")

    def __init__(self, seconds: float, size: int) -> None:
        self._ends_at = monotonic() + seconds
        self._bytes_left = size

    def seconds(self, at_most: float) -> float:
        """Seconds that the next step may take.

        Raises:
            FetchTimeoutError: no time is left.
        """
        left = self._ends_at - monotonic()
        if left <= 0:
            raise FetchTimeoutError
        return min(left, at_most)

    def receive(self, size: int) -> None:
        """Count bytes that arrived.

        Raises:
            TooLargeError: more arrived than the download may take.
        """
        self._bytes_left -= size
        if self._bytes_left < 0:
            raise TooLargeError


_current: ContextVar[Budget] = ContextVar("budget")


def current() -> Budget:
    """Return the budget of the download that runs now."""
    return _current.get()


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Make everything that is received inside the block count against the budget."""
    token = _current.set(budget)
    try:
        yield
    finally:
        _current.reset(token)
