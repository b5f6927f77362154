"""Photos to parts: train, valid and test, so that near-duplicates never meet across a border."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import imagehash
import numpy as np
from numpy.typing import NDArray
from rich import print as show
from rich.progress import track
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedGroupKFold

from models.training.command import Data, Work, run
from models.training.data import Photo, read_photos, read_votes
from models.training.errors import TrainingError
from models.training.files import write_csv
from models.training.labels import Label, label

NEAR = 12
"""Photos whose 64-bit perceptual hashes differ in at most this many bits are near-duplicates. Seen by eye: up to 10
most pairs show the same thing, at 12 many do, and beyond 13 chance links hundreds of photos into one group."""

FOLDS = 5
SEED = 20261124

PARTS = ("test", "valid", "train", "train", "train")
"""The part of each fold."""

COMMON = 100
"""Categories with fewer photos than this are balanced together."""

GOOD = 2.5
"""Score from which a photo counts as good: three or more of five votes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a photo belongs: its near-duplicate group and its fold."""

    group: int
    fold: int

    @property
    def part(self) -> str:
        """`train`, `valid` or `test`."""
        return PARTS[self.fold]


def hash_photos(photos: Sequence[Photo]) -> NDArray[np.bool_]:
    """Hash every photo perceptually, (photos, 64): the signs of its lowest frequencies (DCT)."""
    return np.array([imagehash.phash(photo.open()).hash.ravel() for photo in track(photos, "Hashing photos")])


def group(hashes: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Number the near-duplicate groups: photos linked by any chain of near pairs share a number."""
    bits = hashes.astype(np.float32)
    apart = bits @ (1 - bits).T
    _, groups = connected_components(apart + apart.T <= NEAR, directed=False)
    return np.asarray(groups, dtype=np.int32)


def strata(labels: Sequence[Label]) -> list[str]:
    """Name what should be as frequent in every fold: score and category."""
    sizes = Counter(one.photo.category for one in labels)
    return [
        f"{one.photo.category if sizes[one.photo.category] >= COMMON else 'rare'} {round(one.score)}" for one in labels
    ]


def fold(labels: Sequence[Label], groups: NDArray[np.int32]) -> NDArray[np.int32]:
    """Deal whole groups into folds of like size and strata, the same way every time."""
    found = len(np.unique(groups))
    if found < FOLDS:
        raise TrainingError(f"photos.csv: {found} groups of photos cannot be dealt into {FOLDS} folds")
    folds = np.zeros(len(labels), dtype=np.int32)
    dealer = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # such strata are dealt as they fall
        for number, (_, held_out) in enumerate(dealer.split(folds, _numbered(strata(labels)), groups)):
            folds[held_out] = number
    return folds


def _numbered(names: Sequence[str]) -> NDArray[np.int32]:
    """Number the strata, those too small for every fold together as 0."""
    count = Counter(names)
    number = {name: index for index, name in enumerate(sorted(count), start=1) if count[name] >= FOLDS}
    return np.array([number.get(name, 0) for name in names], dtype=np.int32)


def check_classes(labels: Sequence[Label], places: Sequence[Place]) -> None:
    """Refuse a split in which a part has no good or no bad photo."""
    seen = {(place.part, one.score >= GOOD) for one, place in zip(labels, places, strict=True)}
    for part in dict.fromkeys(PARTS):
        for is_good, word in ((True, "good"), (False, "bad")):
            if (part, is_good) not in seen:
                raise TrainingError(f"split.csv: part {part} has no {word} photo: more photos are needed")


def split(labels: Sequence[Label]) -> list[Place]:
    """Place every labelled photo.

    Raises:
        TrainingError: a photo cannot be decoded, or a part would lack good or bad photos.
    """
    groups = group(hash_photos([one.photo for one in labels]))
    places = [Place(int(number), int(part)) for number, part in zip(groups, fold(labels, groups), strict=True)]
    check_classes(labels, places)
    return places


def main(data: Data, work: Work) -> None:
    """Write split.csv: the group, part and fold of every photo."""
    photos = read_photos(data)
    labels, _ = label(photos, read_votes(data, photos))
    places = split(labels)
    rows = [
        {"id": one.photo.id, "group": place.group, "part": place.part, "fold": place.fold}
        for one, place in zip(labels, places, strict=True)
    ]
    write_csv(work / "split.csv", rows)
    show(Counter(place.part for place in places), "in", len({place.group for place in places}), "groups")


if __name__ == "__main__":
    run(main)
