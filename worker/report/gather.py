"""What the page shows, gathered: figures of every model, photos to look at, and what was given up."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from models.reasons import TIPS, ReasonCode
from tasks import statistics
from tasks.statistics import Example, ModelFigures
from tasks.tables import ImageState

MOST_EXAMPLES = 72
MOST_MODELS = 6

Thumbnails = Callable[[Sequence[str]], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Report:
    """All that the template needs."""

    generated_at: datetime
    since: datetime
    threshold: float
    share: float
    """Of the photos since then, how many were looked at, 0-1."""
    models: list[ModelFigures]
    examples: list[Example]
    thumbnails: Sequence[str | None]
    outcomes: dict[tuple[str, str | None], int]
    requests: dict[str, int]
    given_up: list[tuple[str, dict[str, int]]]

    @property
    def photos(self) -> int:
        """Photos of the span, whatever came of them."""
        return sum(self.outcomes.values())

    def in_state(self, state: str) -> int:
        """Photos of the span in this state."""
        return sum(count for (each, _), count in self.outcomes.items() if each == state)

    def to_json(self) -> dict[str, Any]:
        """What the page's script needs: counts by score as pairs, flat: [score in hundredths, count, ...]."""
        return {
            "threshold": self.threshold,
            "models": [_model(model) for model in self.models],
            "tips": {code.value: TIPS[code] for code in ReasonCode},
            "photos": [
                _example(example, thumbnail) for example, thumbnail in zip(self.examples, self.thumbnails, strict=True)
            ],
        }


def gather(
    connection: Connection,
    *,
    now: datetime,
    since: datetime,
    threshold: float,
    current_model: str,
    thumbnails: Thumbnails,
) -> Report:
    """Ask the database for everything, and fetch the photos to show."""
    span = statistics.span_since(connection, since)
    models = _current_first(statistics.read_models(connection, span), current_model)[:MOST_MODELS]
    examples = statistics.read_examples(connection, _choose(models[0])) if models else []
    outcomes = statistics.count_outcomes(connection, span)
    return Report(
        generated_at=now,
        since=since,
        threshold=threshold,
        share=span.share,
        models=models,
        examples=examples,
        thumbnails=thumbnails([example.image_url for example in examples]),
        outcomes=outcomes,
        requests=statistics.count_requests(connection, since),
        given_up=_given_up(connection, outcomes, since),
    )


def _current_first(models: list[ModelFigures], current: str) -> list[ModelFigures]:
    return sorted(models, key=lambda model: model.name != current)


def _choose(model: ModelFigures, most: int = MOST_EXAMPLES) -> list[int]:
    """Keys of photos with scores all over the range, evenly, rare scores too."""
    scores = sorted(model.examples)
    step = max(len(scores) / most, 1)
    places = sorted({int(number * step) for number in range(min(most, len(scores)))})
    return [model.examples[scores[place]] for place in places]


def _given_up(
    connection: Connection, outcomes: dict[tuple[str, str | None], int], since: datetime
) -> list[tuple[str, dict[str, int]]]:
    kinds = [("Refused events", statistics.count_letters(connection, since))]
    for state in (ImageState.REJECTED, ImageState.UNREACHABLE, ImageState.FAILED):
        codes = {code or "unknown": count for (each, code), count in outcomes.items() if each == state}
        kinds.append((f"Photos {state.value}", codes))
    kinds.append(("Retake requests given up", statistics.count_dead_requests(connection, since)))
    return [(kind, dict(Counter(codes).most_common())) for kind, codes in kinds]


def _model(model: ModelFigures) -> dict[str, Any]:
    return {
        "name": model.name,
        "photos": _pairs(model.photos),
        "sellers": _pairs(model.sellers),
        "days": {day: _pairs(scores) for day, scores in sorted(model.days.items())},
        "reasons": {code: _pairs(scores) for code, scores in sorted(model.reasons.items())},
    }


def _pairs(counts: Counter[int]) -> list[int]:
    return [number for pair in sorted(counts.items()) for number in pair]


def _example(example: Example, thumbnail: str | None) -> dict[str, Any]:
    return {
        "ad": example.ad_id,
        "image": example.image_id,
        "scores": example.scores,
        "stars": example.stars,
        "reasons": example.reasons,
        "src": thumbnail,
    }
