"""Figures over many photos, aggregated by the database: the answer is small, however many rows there are.

Scores have two decimals, so that a group for each score is at most 501 groups, and every threshold can be tried on
the answer without asking again. Above `MOST_PHOTOS` a sample of evenly spread blocks of rows stands for all.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, String, cast, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from tasks.tables import DeadLetter, Image, Notification, NotificationState, Score

MOST_PHOTOS = 1_000_000
BLOCKS = 200  # of a sample


@dataclass(frozen=True, slots=True)
class Span:
    """Photos whose keys lie in any of these ranges, both ends included; `share` of all asked for, 0-1."""

    ranges: tuple[tuple[int, int], ...]
    share: float = 1.0

    def holds(self, key: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        """The span as a condition on a photo's key."""
        return or_(*(key.between(first, last) for first, last in self.ranges))


@dataclass(slots=True)
class ModelFigures:
    """What one model said: photos by score, sellers by the lowest score of their photos, and more by score.

    Scores are in hundredths, 0-500.
    """

    name: str
    photos: Counter[int] = field(default_factory=Counter)
    sellers: Counter[int] = field(default_factory=Counter)
    days: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    reasons: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    examples: dict[int, int] = field(default_factory=dict)
    """The key of a photo for each score."""


@dataclass(frozen=True, slots=True)
class Example:
    """A photo to show, with what every model said of it; `scores` in 0-5 by model."""

    key: int
    ad_id: str
    image_id: str
    image_url: str
    scores: dict[str, float]
    stars: dict[str, int]
    reasons: dict[str, list[str]]


def span_since(connection: Connection, since: datetime, most: int = MOST_PHOTOS) -> Span:
    """The photos received at `since` or later: all of them, or a sample of at most `most`.

    Keys grow with the time of receipt, which has no index of its own: the first key is found by bisection.
    """
    first, last = connection.execute(select(func.min(Image.id), func.max(Image.id))).one()
    if last is None:
        return Span(((0, -1),))
    first = _bisect(connection, first, last, since)
    count = last - first + 1
    if count <= most:
        return Span(((first, last),))
    size, stride = most // BLOCKS, count / BLOCKS
    starts = [first + int(number * stride) for number in range(BLOCKS)]
    return Span(tuple((start, start + size - 1) for start in starts), most / count)


def read_models(connection: Connection, span: Span) -> list[ModelFigures]:
    """The figures of every model that scored photos of the span, the one with most photos first."""
    models: dict[str, ModelFigures] = {}
    for name, day, score, count, newest in connection.execute(_by_day(connection, span)):
        model = models.setdefault(name, ModelFigures(name))
        hundredths = _hundredths(score)
        model.photos[hundredths] += count
        model.days[str(day)][hundredths] += count
        model.examples[hundredths] = max(newest, model.examples.get(hundredths, newest))
    for name, lowest, count in connection.execute(_by_seller(span)):
        models[name].sellers[_hundredths(lowest)] += count
    for name, score, codes, count in connection.execute(_by_reasons(span)):
        for code in json.loads(codes):
            models[name].reasons[str(code)][_hundredths(score)] += count
    return sorted(models.values(), key=lambda model: (-model.photos.total(), model.name))


def read_examples(connection: Connection, keys: Sequence[int]) -> list[Example]:
    """The photos with these keys that are still there, in the order of their keys."""
    rows = connection.execute(
        select(Image.id, Image.ad_id, Image.image_id, Image.image_url, Score.model, Score.score, Score.stars,
               Score.reasons)
        .join(Score, Score.image_pk == Image.id)
        .where(Image.id.in_(keys))
        .order_by(Image.id)
    )  # fmt: skip
    examples: dict[int, Example] = {}
    for key, ad_id, image_id, url, model, score, stars, reasons in rows:
        example = examples.setdefault(key, Example(key, ad_id, image_id, url, {}, {}, {}))
        example.scores[model], example.stars[model], example.reasons[model] = score, stars, reasons
    return list(examples.values())


def count_outcomes(connection: Connection, span: Span) -> dict[tuple[str, str | None], int]:
    """Photos of the span by state and error code."""
    statement = (
        select(Image.state, Image.error_code, func.count())
        .where(span.holds(Image.id))
        .group_by(Image.state, Image.error_code)
    )
    return {(state, code): count for state, code, count in connection.execute(statement)}


def count_requests(connection: Connection, since: datetime) -> dict[str, int]:
    """Retake requests written since then, by state."""
    rows = select(Notification.state, func.count()).where(
        Notification.state.in_(list(NotificationState)), Notification.created_at >= since
    )
    return {str(state): int(count) for state, count in connection.execute(rows.group_by(Notification.state))}


def count_dead_requests(connection: Connection, since: datetime) -> dict[str, int]:
    """Retake requests written since then and given up, by error code."""
    rows = select(func.coalesce(Notification.error_code, "unknown"), func.count()).where(
        Notification.state == NotificationState.DEAD, Notification.created_at >= since
    )
    return {str(code): int(count) for code, count in connection.execute(rows.group_by(Notification.error_code))}


def count_letters(connection: Connection, since: datetime) -> dict[str, int]:
    """Events refused since then, by code, replayed or not."""
    rows = select(DeadLetter.code, func.count()).where(DeadLetter.created_at >= since)
    return {str(code): int(count) for code, count in connection.execute(rows.group_by(DeadLetter.code))}


def _bisect(connection: Connection, first: int, last: int, since: datetime) -> int:
    while first <= last:
        middle = (first + last) // 2
        row = connection.execute(
            select(Image.id, Image.received_at).where(Image.id >= middle).order_by(Image.id).limit(1)
        ).one()
        if row.received_at < since:
            first = row.id + 1
        else:
            last = middle - 1
    return first


def _by_day(connection: Connection, span: Span) -> Any:  # noqa: ANN401 - a select's type is long and says nothing
    at = Score.scored_at
    day = func.date(at) if connection.dialect.name == "sqlite" else func.date(func.timezone("UTC", at))
    return (
        select(Score.model, day, Score.score, func.count(), func.max(Score.image_pk))
        .where(span.holds(Score.image_pk))
        .group_by(Score.model, day, Score.score)
    )


def _by_seller(span: Span) -> Any:  # noqa: ANN401 - as above
    lowest = (
        select(Score.model, func.min(Score.score).label("lowest"))
        .join(Image, Image.id == Score.image_pk)
        .where(span.holds(Score.image_pk))
        .group_by(Score.model, Image.seller_id)
        .subquery()
    )
    return select(lowest.c.model, lowest.c.lowest, func.count()).group_by(lowest.c.model, lowest.c.lowest)


def _by_reasons(span: Span) -> Any:  # noqa: ANN401 - as above
    codes = cast(Score.reasons, String)  # one to three of twelve: at most 1464 different texts
    return (
        select(Score.model, Score.score, codes, func.count())
        .where(span.holds(Score.image_pk))
        .group_by(Score.model, Score.score, codes)
    )


def _hundredths(score: float) -> int:
    return min(max(round(score * 100), 0), 500)
