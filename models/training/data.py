"""Photos and votes as they come: read, checked, and nothing else."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from models.reasons import ReasonCode
from models.training.errors import TrainingError
from models.training.files import read_csv

REASONS: dict[str, ReasonCode | None] = {
    "ok": None,
    "dark": ReasonCode.TOO_DARK,
    "bright": ReasonCode.OVEREXPOSED,
    "glare": ReasonCode.GLARE,
    "flat": ReasonCode.LOW_CONTRAST,
    "uneven": ReasonCode.UNEVEN_LIGHT,
    "blur": ReasonCode.BLURRY,
    "noise": ReasonCode.NOISY,
    "cutoff": ReasonCode.CUT_OFF,
    "small": ReasonCode.TOO_SMALL,
    "blend": ReasonCode.BLENDS_IN,
    "cast": ReasonCode.COLOUR_CAST,
    "other": None,
}
"""An observer's words for a reason, and the code they stand for."""

FEWEST_OBSERVERS = 2
"""Agreement, and an observer's strictness, need somebody to compare with."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One row of photos.csv; `faults` are those put on it, with their severity 0-1."""

    id: str
    category: str
    faults: tuple[tuple[str, float], ...]
    path: Path
    place: str

    def open(self) -> Image.Image:
        """Decode the photo: upright RGB.

        Raises:
            TrainingError: it is not a readable image.
        """
        try:
            with Image.open(self.path) as image:
                return ImageOps.exif_transpose(image).convert("RGB")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise TrainingError(f"{self.place}: {self.path.name} cannot be decoded: {error}") from error


@dataclass(frozen=True, slots=True)
class Vote:
    """One row of votes.csv; `reason` is one of REASONS."""

    photo: str
    observer: str
    good: bool
    reason: str


def read_photos(data: Path) -> list[Photo]:
    """Read photos.csv, in its order.

    Raises:
        TrainingError: a photo is listed twice or missing, or its faults are not of the form; names the row.
    """
    photos: dict[str, Photo] = {}
    for place, row in read_csv(data / "photos.csv", ["id", "category", "faults"]):
        photo = Photo(
            id=row["id"],
            category=row["category"],
            faults=_faults(place, row["faults"]),
            path=data / "photos" / f"{row['id']}.jpg",
            place=place,
        )
        if photo.id in photos:
            raise TrainingError(f"{place}: photo {photo.id} is listed twice")
        if not photo.path.is_file():
            raise TrainingError(f"{place}: photo {photo.path} is missing")
        photos[photo.id] = photo
    if not photos:
        raise TrainingError(f"{data / 'photos.csv'}: lists no photo")
    return list(photos.values())


def _faults(place: str, text: str) -> tuple[tuple[str, float], ...]:
    try:
        return tuple((str(kind), float(severity)) for kind, severity in json.loads(text or "[]"))
    except (ValueError, TypeError) as error:
        raise TrainingError(f'{place}: faults must be empty or like [["dark", 0.5]], not {text}') from error


def read_votes(data: Path, photos: Sequence[Photo]) -> list[Vote]:
    """Read votes.csv, in its order.

    Raises:
        TrainingError: a vote is unusable (names the row), or a photo has none, or there are fewer than two observers.
    """
    path = data / "votes.csv"
    known = {photo.id for photo in photos}
    votes: dict[tuple[str, str], Vote] = {}
    for place, row in read_csv(path, ["id", "observer", "vote", "reason"]):
        vote = _vote(place, row, known)
        if (vote.photo, vote.observer) in votes:
            raise TrainingError(f"{place}: observer {vote.observer} votes twice on photo {vote.photo}")
        votes[vote.photo, vote.observer] = vote
    observers = {vote.observer for vote in votes.values()}
    if len(observers) < FEWEST_OBSERVERS:
        raise TrainingError(f"{path}: has {len(observers)} observers, at least {FEWEST_OBSERVERS} are needed")
    voted = Counter(vote.photo for vote in votes.values())
    for photo in photos:
        if not voted[photo.id]:
            raise TrainingError(f"{photo.place}: nobody voted on photo {photo.id} in {path}")
    return list(votes.values())


def _vote(place: str, row: dict[str, str], known: set[str]) -> Vote:
    if row["id"] not in known:
        raise TrainingError(f"{place}: vote for unknown photo {row['id']}")
    if row["vote"] not in ("0", "1"):
        raise TrainingError(f"{place}: vote must be 1 (good) or 0 (bad), not {row['vote']!r}")
    if row["reason"] not in REASONS:
        raise TrainingError(f"{place}: unknown reason {row['reason']!r}, expected one of {', '.join(REASONS)}")
    if (row["vote"] == "1") != (row["reason"] == "ok"):
        raise TrainingError(f"{place}: reason must be ok for a good vote and only then, not {row['reason']!r}")
    return Vote(row["id"], row["observer"], row["vote"] == "1", row["reason"])
