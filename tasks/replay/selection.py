"""Which rows somebody asks for: every condition that is given must hold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Selection:
    """Rows by key, error code, state and ad; `since` is when they were written, or given up."""

    ids: Sequence[int] = ()
    codes: Sequence[str] = ()
    states: Sequence[str] = ()
    ad_id: str | None = None
    since: datetime | None = None


def chunks(keys: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Cut keys into runs of at most `size`: one statement or transaction each."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
