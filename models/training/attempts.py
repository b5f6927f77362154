"""What the three attempts share: the same photos, the same split, the same figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.training.data import read_photos, read_votes
from models.training.errors import TrainingError
from models.training.evaluate import read_parts
from models.training.files import write_csv, write_json
from models.training.labels import Label, label
from models.training.metrics import Floats
from models.training.report import Prediction, console, report, to_json, to_table


@dataclass(frozen=True, slots=True)
class Labelled:
    """Every labelled photo and its part; arrays are in the order of `labels`."""

    labels: Sequence[Label]
    parts: NDArray[np.str_]

    @property
    def scores(self) -> Floats:
        """What the votes say, (photos,), 0-5."""
        return np.array([one.score for one in self.labels])

    def of(self, part: str) -> NDArray[np.bool_]:
        """Which photos belong to a part, (photos,)."""
        return np.asarray(self.parts == part)


def read_labelled(data: Path, work: Path) -> Labelled:
    """Label the data and read its split.

    Raises:
        TrainingError: the data is unusable, or the split was made of other data.
    """
    photos = read_photos(data)
    labels, _ = label(photos, read_votes(data, photos))
    parts = read_parts(work)
    for photo in photos:
        if photo.id not in parts:
            raise TrainingError(f"{work / 'split.csv'}: lacks photo {photo.id}: run the split step again")
    return Labelled(labels, np.array([parts[photo.id] for photo in photos]))


def save(work: Path, name: str, labelled: Labelled, scores: Floats, notes: Mapping[str, object]) -> None:
    """Write NAME.json, the figures on the test part with what else is known, and NAME-scores.csv, all scores."""
    test = np.flatnonzero(labelled.of("test")).tolist()
    result = report([labelled.labels[i] for i in test], [Prediction(float(scores[i])) for i in test])
    rows = [
        {"id": one.photo.id, "part": part, "score": round(float(score), 4)}
        for one, part, score in zip(labelled.labels, labelled.parts, scores, strict=True)
    ]
    write_csv(work / f"{name}-scores.csv", rows)
    write_json(work / f"{name}.json", {"notes": notes, name: to_json(result)})
    console().print(to_table(name, result))
