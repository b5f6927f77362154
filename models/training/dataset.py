"""Labels and split as arrays, in the order of labels.csv."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.preprocess import to_input
from models.reasons import ReasonCode
from models.training.data import read_photos
from models.training.errors import TrainingError
from models.training.files import read_csv
from models.training.labels import SEATS

SEED = 20261124

SAMPLES = 200
"""Training photos on which the ranges of int8 activations are measured."""

Fault = tuple[str, float]
"""Kind and severity 0-1."""


@dataclass(frozen=True, slots=True)
class Table:
    """Every labelled photo.

    `votes` is (photos, 5): 1 good, 0 bad, NaN unseen; `reasons` (photos, 12) is the share of observers who call the
    photo bad for that reason, 0-1; `part` is train, valid or test.
    """

    ids: tuple[str, ...]
    faults: tuple[tuple[Fault, ...], ...]
    scores: NDArray[np.float32]
    votes: NDArray[np.float32]
    reasons: NDArray[np.float32]
    part: NDArray[np.str_]

    def rows(self, *parts: str) -> NDArray[np.intp]:
        """Give the row numbers of some parts.

        Raises:
            TrainingError: there is no photo in them.
        """
        rows = np.flatnonzero(np.isin(self.part, parts))
        if not len(rows):
            raise TrainingError(f"split.csv: no photo is in {' or '.join(parts)}")
        return rows

    def taught(self, *, everything: bool) -> NDArray[np.intp]:
        """Give the row numbers to train on: the train and valid parts, or all."""
        return self.rows("train", "valid", *(["test"] if everything else []))


def read_pixels(data: Path, table: Table, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Read photos as the network sees them: (photos, 224, 224, 3)."""
    photos = {photo.id: photo for photo in read_photos(data)}
    return np.array([to_input(photos[table.ids[row]].open()) for row in track(rows, "Reading photos")])


def read_samples(data: Path, table: Table) -> NDArray[np.uint8]:
    """Read the same few photos of the train and valid parts each time: (photos, 224, 224, 3)."""
    taught = table.taught(everything=False)
    few = np.random.default_rng(SEED).choice(taught, min(SAMPLES, len(taught)), replace=False)
    return read_pixels(data, table, few)


def read_table(work: Path) -> Table:
    """Read labels.csv and split.csv.

    Raises:
        TrainingError: one is missing or not of the form, or a labelled photo has no part; names file and row.
    """
    part = {row["id"]: row["part"] for _, row in read_csv(work / "split.csv", ["id", "part"])}
    voted = [f"vote_{seat}" for seat in SEATS]
    named = [f"reason_{code}" for code in ReasonCode]
    places, rows = zip(*read_csv(work / "labels.csv", ["id", "faults", "score", "votes", *voted, *named]), strict=True)
    for place, row in zip(places, rows, strict=True):
        if row["id"] not in part:
            raise TrainingError(f"{place}: photo {row['id']} is not in {work / 'split.csv'}")
    counts = _numbers(rows, named)
    return Table(
        ids=tuple(row["id"] for row in rows),
        faults=tuple(tuple((kind, severity) for kind, severity in json.loads(row["faults"] or "[]")) for row in rows),
        scores=_numbers(rows, ["score"])[:, 0],
        votes=_numbers(rows, voted),
        reasons=(counts / np.maximum(_numbers(rows, ["votes"]), 1)).astype(np.float32),
        part=np.array([part[row["id"]] for row in rows]),
    )


def _numbers(rows: Sequence[dict[str, str]], columns: Sequence[str]) -> NDArray[np.float32]:
    return np.array([[float(row[column] or "nan") for column in columns] for row in rows], dtype=np.float32)
