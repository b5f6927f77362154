"""Two models over the photos that both have scored: do they agree, which way does one drift, and what would change."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from sqlalchemy import Connection, case, func, select
from sqlalchemy.orm import aliased

from tasks.tables import Score

MOST_STARS = 5


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two models say of the same `photos`; scores in 0-5, `drift` is the second's score less the first's."""

    photos: int
    mean_first: float
    mean_second: float
    drift: float
    drift_spread: float
    """Standard deviation of the drift."""
    mean_difference: float
    """Mean of the drift's size."""
    correlation: float | None
    """Pearson's; None where one of them says the same of every photo."""
    same_stars: float
    """Share of the photos that both give the same whole number of stars."""
    both_below: int
    only_first_below: int
    only_second_below: int
    even_threshold: float
    """At this threshold, the nearest to the one compared at, the second calls for as many requests as the first."""

    @property
    def agreement(self) -> float:
        """Share of the photos that lie on the same side of the threshold for both."""
        return 1 - (self.only_first_below + self.only_second_below) / self.photos


def find_models(connection: Connection) -> Mapping[str, int]:
    """The models that have scored photos, and how many; walks through an index."""
    rows = connection.execute(select(Score.model, func.count()).group_by(Score.model).order_by(func.count().desc()))
    return {str(name): int(count) for name, count in rows}


def compare(connection: Connection, first: str, second: str, threshold: float) -> Comparison | None:
    """Compare two models in one walk; None if no photo has a score by both."""
    one, two = aliased(Score), aliased(Score)
    a, b = one.score, two.score
    sums: list[Any] = [
        func.count(), func.sum(a), func.sum(b), func.sum(a * a), func.sum(b * b), func.sum(a * b),
        func.sum(func.abs(b - a)),
        func.count(case((one.stars == two.stars, 1))),
        func.count(case(((a < threshold) & (b < threshold), 1))),
        func.count(case(((a < threshold) & (b >= threshold), 1))),
        func.count(case(((a >= threshold) & (b < threshold), 1))),
    ]  # fmt: skip
    both = select(*sums).join(two, two.image_pk == one.image_pk).where(one.model == first, two.model == second)
    n, sa, sb, saa, sbb, sab, size, same, below, only_a, only_b = tuple(connection.execute(both).one())
    if not n:
        return None
    scores = (
        select(b, func.count()).select_from(one).join(two, two.image_pk == one.image_pk)
        .where(one.model == first, two.model == second).group_by(b).order_by(b)
    )  # fmt: skip
    counts = [(float(score), int(count)) for score, count in connection.execute(scores)]
    drift = (sb - sa) / n
    return Comparison(
        photos=n,
        mean_first=sa / n,
        mean_second=sb / n,
        drift=drift,
        drift_spread=math.sqrt(max((saa + sbb - 2 * sab) / n - drift * drift, 0)),
        mean_difference=size / n,
        correlation=_pearson(n, sa, sb, saa, sbb, sab),
        same_stars=same / n,
        both_below=below,
        only_first_below=only_a,
        only_second_below=only_b,
        even_threshold=_threshold_for(counts, below + only_a, threshold),
    )


def _pearson(n: int, sa: float, sb: float, saa: float, sbb: float, sab: float) -> float | None:
    spread = (n * saa - sa * sa) * (n * sbb - sb * sb)
    # Below this, what is left of the spread is rounding.
    return None if spread <= 1e-9 * n * n else (n * sab - sa * sb) / math.sqrt(spread)


def _threshold_for(counts: list[tuple[float, int]], wanted: int, current: float) -> float:
    """The threshold, to two decimals, below which the number of photos comes closest to `wanted`.

    Every threshold between two scores has as many photos below it: of these it is the nearest to the current one.
    """
    scores = [score for score, _ in counts]
    lows, highs = (0.0, *(round(score + 0.01, 2) for score in scores)), (*scores, MOST_STARS)
    fits = []
    for below, low, high in zip(accumulate((count for _, count in counts), initial=0), lows, highs, strict=True):
        if low <= high:
            nearest = min(max(current, low), high)
            fits.append((abs(below - wanted), abs(nearest - current), nearest))
    return round(min(fits)[2], 2)
