"""How well scores agree with votes: each figure with the interval that resampling the photos gives it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]
Metric = Callable[[Floats, Floats], Floats]
"""From scores and votes (..., photos), 0-5, to one figure for each leading index."""

RESAMPLES = 1000
SEED = 20261124

GOOD = 2.5
"""Score from which a photo counts as good: three or more of five votes."""

BINS = 10
"""Scores are compared with votes in this many bins of equal size."""


def rmse(scores: Floats, votes: Floats) -> Floats:
    """Root of the mean squared difference, in stars."""
    return np.asarray(np.sqrt(np.mean((scores - votes) ** 2, axis=-1)))


def spearman(scores: Floats, votes: Floats) -> Floats:
    """Correlation of ranks, -1 to 1; NaN when either never varies."""
    middle = (scores.shape[-1] + 1) / 2
    first, second = rankdata(scores, axis=-1) - middle, rankdata(votes, axis=-1) - middle
    size = np.sqrt((first**2).sum(axis=-1) * (second**2).sum(axis=-1))
    return np.asarray((first * second).sum(axis=-1) / np.where(size, size, np.nan))


def auc(scores: Floats, votes: Floats) -> Floats:
    """Chance that a good photo scores above a bad one (area under the ROC curve); NaN without both."""
    good = votes >= GOOD
    positive = good.sum(axis=-1)
    pairs = positive * (good.shape[-1] - positive)
    ranks = (rankdata(scores, axis=-1) * good).sum(axis=-1)
    return np.asarray((ranks - positive * (positive + 1) / 2) / np.where(pairs, pairs, np.nan))


def accuracy(scores: Floats, votes: Floats) -> Floats:
    """Share of photos that score and votes put on the same side of good, 0-1."""
    return np.asarray(((scores >= GOOD) == (votes >= GOOD)).mean(axis=-1))


def calibration_error(scores: Floats, votes: Floats) -> Floats:
    """Mean distance, in stars, between what is said and what is voted, over bins of like scores."""
    order = np.argsort(scores, axis=-1, kind="stable")
    apart = np.take_along_axis(scores - votes, order, axis=-1)
    gaps = [np.abs(one.sum(axis=-1)) for one in np.array_split(apart, BINS, axis=-1)]
    return np.asarray(np.sum(gaps, axis=0) / scores.shape[-1])


def spread(scores: Floats, _votes: Floats) -> Floats:
    """Standard deviation of the scores, in stars."""
    return np.asarray(scores.std(axis=-1))


METRICS: Mapping[str, Metric] = {
    "rmse": rmse,
    "spearman": spearman,
    "auc": auc,
    "accuracy": accuracy,
    "calibration_error": calibration_error,
    "spread": spread,
}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and its 95% bootstrap interval; NaN where it has no meaning."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.3f}\n{self.low:.2f}..{self.high:.2f}"

    def as_list(self) -> list[float | None]:
        """Write for JSON: value, low, high, rounded to four decimals; null where it has no meaning."""
        return [None if np.isnan(one) else round(one, 4) for one in (self.value, self.low, self.high)]


def resample(count: int) -> NDArray[np.intp]:
    """Draw photos with replacement, the same way every time: (RESAMPLES, count)."""
    return np.random.default_rng(SEED).integers(0, count, (RESAMPLES, count))


def bootstrap(value: Floats, draws: Floats) -> Figure:
    """Give a value the middle 95% of its resampled values (RESAMPLES,)."""
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Figure(float(value), float("nan"), float("nan"))
    low, high = np.percentile(known, [2.5, 97.5])
    return Figure(float(value), float(low), float(high))


def measure(scores: Floats, votes: Floats) -> dict[str, Figure]:
    """Compute every metric of the scores against the votes' scores, both (photos,), 0-5."""
    chosen = resample(len(scores))
    return {
        name: bootstrap(metric(scores, votes), metric(scores[chosen], votes[chosen]))
        for name, metric in METRICS.items()
    }


def measure_share(right: NDArray[np.bool_]) -> Figure:
    """Share of what is right, 0-1; NaN of nothing."""
    if not len(right):
        return Figure(float("nan"), float("nan"), float("nan"))
    return bootstrap(right.mean(), right[resample(len(right))].mean(axis=-1))


def compare(scores: Floats, others: Floats, votes: Floats) -> dict[str, Figure]:
    """Difference of every metric, first scores less the others, resampled in pairs."""
    chosen = resample(len(scores))
    return {
        name: bootstrap(
            metric(scores, votes) - metric(others, votes),
            metric(scores[chosen], votes[chosen]) - metric(others[chosen], votes[chosen]),
        )
        for name, metric in METRICS.items()
    }
