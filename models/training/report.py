"""What an evaluation says: the figures of all photos and of each slice of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.reasons import ReasonCode
from models.training.labels import SEATS, Label
from models.training.metrics import METRICS, Figure, Floats, measure, measure_share

MAJORITY = 3
"""A photo has a main reason when at least this many of five votes are bad."""

FEWEST = 5
"""Smaller slices are left out: their figures would say nothing."""

WIDTH = 130
"""Columns that a table of figures takes, also where no terminal says how wide it is."""

COARSE = {ReasonCode.NOISY, ReasonCode.LOW_RESOLUTION}
"""An observer has one word, noise, for both: either is right for the other."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says of one photo; `reason` is its first, or None for a model that gives none."""

    score: float
    reason: ReasonCode | None = None


Report = dict[str, dict[str, Figure]]
"""Slice, metric, figure."""


def main_reasons(label: Label) -> set[ReasonCode]:
    """Name the reasons that most of the bad votes give: several on a tie.

    Empty without a majority of bad votes, and when most of them say `other`, which has no code.
    """
    bad = label.count - label.good
    if bad * len(SEATS) < MAJORITY * label.count or not label.reasons:
        return set()
    most = max(label.reasons.values())
    return {ReasonCode(name) for name, count in label.reasons.items() if count == most and name != "other"}


def is_right(reason: ReasonCode, expected: set[ReasonCode]) -> bool:
    """Whether a predicted main reason is among the expected ones."""
    return reason in expected or (reason in COARSE and bool(COARSE & expected))


def slices(labels: Sequence[Label]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Cut the photos, where enough are left: all, untouched or touched, by category, by fault.

    A photo with two faults is in both of their slices.
    """
    faults = [dict(label.photo.faults) for label in labels]
    categories = np.array([label.photo.category for label in labels])
    cuts = {"untouched": [not one for one in faults], "touched": [bool(one) for one in faults]}
    cuts |= {f"category {name}": (categories == name).tolist() for name in sorted(set(categories.tolist()))}
    cuts |= {
        f"fault {name}": [name in one for one in faults] for name in sorted({kind for one in faults for kind in one})
    }
    yield "all", np.ones(len(labels), dtype=bool)
    yield from ((name, np.array(chosen)) for name, chosen in cuts.items() if sum(chosen) >= FEWEST)


def judge_reasons(labels: Sequence[Label], predictions: Sequence[Prediction]) -> Figure:
    """Share of photos with a main reason whose first predicted reason is it."""
    right = [
        is_right(prediction.reason, expected)
        for label, prediction in zip(labels, predictions, strict=True)
        if prediction.reason is not None and (expected := main_reasons(label))
    ]
    return measure_share(np.array(right, dtype=bool))


def report(labels: Sequence[Label], predictions: Sequence[Prediction]) -> Report:
    """Measure predictions on every slice that is large enough."""
    scores: Floats = np.array([prediction.score for prediction in predictions])
    votes: Floats = np.array([label.score for label in labels])
    result: Report = {}
    for name, chosen in slices(labels):
        indices = np.flatnonzero(chosen).tolist()
        result[name] = {
            "photos": Figure(len(indices), len(indices), len(indices)),
            **measure(scores[chosen], votes[chosen]),
            "main_reason": judge_reasons([labels[i] for i in indices], [predictions[i] for i in indices]),
        }
    return result


def to_json(result: Report) -> dict[str, dict[str, object]]:
    """Write a report as plain values: the number of photos, and value, low, high of each figure."""
    return {
        name: {
            metric: int(figure.value) if metric == "photos" else figure.as_list() for metric, figure in figures.items()
        }
        for name, figures in result.items()
    }


def console() -> Console:
    """Open standard output, wide enough for a table of figures."""
    return Console(width=max(WIDTH, Console().width))


def to_table(title: str, result: Report) -> Table:
    """Lay a report out for the terminal."""
    columns = [*METRICS, "main_reason"]
    caption = "below each figure its 95% bootstrap interval; scores 0-5; good is three or more of five votes"
    table = Table(title=title, caption=caption)
    table.add_column("slice", no_wrap=True)
    table.add_column("photos", justify="right")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, figures in result.items():
        table.add_row(name, f"{figures['photos'].value:.0f}", *(str(figures[column]) for column in columns))
    return table
