"""Votes to labels: a score from 0 to 5, the votes themselves, and the reasons counted."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich import print as show

from models.reasons import ReasonCode
from models.training.command import Data, Work, run
from models.training.data import REASONS, Photo, Vote, read_photos, read_votes
from models.training.files import write_csv, write_json
from models.training.strictness import Floats, Panel, fit, fleiss_kappa

SEATS = "ABCDE"
"""The network predicts this many votes; a score is their sum."""

BLOCKY = 1.25
"""A photo whose luma steps this much more at every eighth column is blocky: of the photos with added noise
none does, of those with added JPEG compression 19 in 20."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the observers say of one photo.

    `votes` has one number for each seat, 0-1, or NaN where nobody on that seat saw the photo.
    """

    photo: Photo
    score: float
    good: int
    count: int
    votes: tuple[float, ...]
    reasons: Counter[str]

    def row(self) -> dict[str, object]:
        """Write as a row of labels.csv."""
        names = [*ReasonCode, "other"]
        return {
            "id": self.photo.id,
            "category": self.photo.category,
            "faults": json.dumps(self.photo.faults) if self.photo.faults else "",
            "score": round(self.score, 4),
            "good": self.good,
            "votes": self.count,
            **{
                f"vote_{seat}": "" if np.isnan(vote) else f"{vote:g}"
                for seat, vote in zip(SEATS, self.votes, strict=True)
            },
            **{f"reason_{name}": self.reasons[name] for name in names},
        }


def to_seats(observers: Sequence[str], strictness: Floats) -> list[list[int]]:
    """Seat the observers, by index: five in their order; fewer or more by strictness, sharing or repeated."""
    if len(observers) == len(SEATS):
        return [[index] for index in range(len(SEATS))]
    order = np.argsort(strictness, kind="stable")
    if len(observers) > len(SEATS):
        return [part.tolist() for part in np.array_split(order, len(SEATS))]
    return [[int(order[seat * len(observers) // len(SEATS)])] for seat in range(len(SEATS))]


def blockiness(image: Image.Image) -> float:
    """Mean luma step at the strongest of the eight phases of an 8-pixel grid, over the mean of all; 1 is none."""
    luma = np.asarray(image.convert("L"), dtype=np.float32)
    steps = np.abs(np.diff(luma, axis=1)).mean(axis=0)
    strongest = max((steps[phase::8].mean() for phase in range(min(8, len(steps)))), default=0.0)
    return float(strongest / steps.mean()) if strongest > 0 else 1.0


def to_matrix(photos: Sequence[Photo], votes: Sequence[Vote], observers: Sequence[str]) -> NDArray[np.float64]:
    """Lay the votes out as (photos, observers): 1 good, 0 bad, NaN not seen."""
    row = {photo.id: index for index, photo in enumerate(photos)}
    column = {observer: index for index, observer in enumerate(observers)}
    matrix = np.full((len(photos), len(observers)), np.nan)
    for vote in votes:
        matrix[row[vote.photo], column[vote.observer]] = vote.good
    return matrix


def count_reasons(photos: Sequence[Photo], votes: Sequence[Vote]) -> dict[str, Counter[str]]:
    """Count the bad votes of each photo by reason code, or `other`; a blocky photo is coarse, not noisy."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        if not vote.good:
            counts[vote.photo][REASONS[vote.reason] or "other"] += 1
    for photo in photos:
        reasons = counts[photo.id]
        if ReasonCode.NOISY in reasons and blockiness(photo.open()) > BLOCKY:
            reasons[ReasonCode.LOW_RESOLUTION] = reasons.pop(ReasonCode.NOISY)
    return counts


def label(photos: Sequence[Photo], votes: Sequence[Vote]) -> tuple[list[Label], Panel]:
    """Label every photo.

    The score is the number of good votes of five. Where observers did not see the photo it is what five of the
    panel would be expected to give: see `models.training.strictness`.
    """
    observers = sorted({vote.observer for vote in votes})
    matrix = to_matrix(photos, votes, observers)
    panel = fit(matrix)
    scores = len(SEATS) * panel.expected(matrix).mean(axis=1)
    seats = to_seats(observers, panel.strictness)
    reasons = count_reasons(photos, votes)
    return [
        Label(
            photo=photo,
            score=float(scores[index]),
            good=int(np.nansum(matrix[index])),
            count=int((~np.isnan(matrix[index])).sum()),
            votes=tuple(_mean(matrix[index, seat]) for seat in seats),
            reasons=reasons[photo.id],
        )
        for index, photo in enumerate(photos)
    ], panel


def _mean(votes: NDArray[np.float64]) -> float:
    cast = votes[~np.isnan(votes)]
    return float(cast.mean()) if len(cast) else float("nan")


def main(data: Data, work: Work) -> None:
    """Turn votes into labels.csv, and what is known of the observers into observers.json."""
    photos = read_photos(data)
    votes = read_votes(data, photos)
    labels, panel = label(photos, votes)
    observers = sorted({vote.observer for vote in votes})
    matrix = to_matrix(photos, votes, observers)
    summary = {
        "photos": len(photos),
        "votes": len(votes),
        "fleiss_kappa": round(fleiss_kappa(matrix), 4),
        "spread": round(panel.spread, 4),
        "strictness": {name: round(float(value), 4) for name, value in zip(observers, panel.strictness, strict=True)},
        "share_good": {name: round(_mean(matrix[:, index]), 4) for index, name in enumerate(observers)},
        "photos_by_good_votes": dict(sorted(Counter(label.good for label in labels).items())),
    }
    write_csv(work / "labels.csv", [label.row() for label in labels])
    write_json(work / "observers.json", summary)
    show(summary)


if __name__ == "__main__":
    run(main)
