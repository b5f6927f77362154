"""Fine-tuning the teacher on the votes, and asking it, together with a ridge, about every view."""

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from rich import print as show
from rich.progress import track
from scipy.special import expit

from models.training import efficientnet
from models.training.command import Everything, Teacher, Work, run
from models.training.dataset import read_table
from models.training.features import (
    FAULTY,
    POOLED,
    SEED,
    TARGETS,
    TEACHER,
    VOTED,
    Targets,
    read_features,
    read_targets,
    write_targets,
)
from models.training.files import replacing
from models.training.fit import BATCH, batches, fit, start_from_means
from models.training.network import LiteNetwork, converter
from models.training.ridge import Ridge, ask
from models.training.ridge import fit as fit_ridge

EPOCHS = 8

RATE = 1e-3
"""Adam's highest rate."""

TUNED = 0.6
"""Say of the fine-tuned teacher; the rest is the ridge's."""

FAULTY_WEIGHT = 0.1
"""What a view with a fault put on counts in the ridge beside a photo as it came."""

ASKED = 8
"""Photos that the teachers are asked about at once: each question costs the ridge a copy of all that it was taught."""


def learn(work: Path, targets: Targets, rows: NDArray[np.intp]) -> Ridge:
    """Fit the ridge to the photos in `rows` as they came, and to the `FAULTY` view of each that has one."""
    faulty = rows[(targets.reasons[rows, FAULTY] != targets.reasons[rows, 0]).any(axis=-1)]
    photos = np.concatenate([rows, faulty])
    views = np.repeat([0, FAULTY], [len(rows), len(faulty)])
    weights = np.repeat([1, FAULTY_WEIGHT], [len(rows), len(faulty)])
    pooled = read_features(work, POOLED)[photos, views]
    return fit_ridge(pooled, targets.votes[photos, views], targets.reasons[photos, views], weights, efficientnet.GROUPS)


def lessons(teacher: keras.Model, ridge: Ridge, work: Path, targets: Targets, rows: NDArray[np.intp]) -> Targets:
    """Ask both teachers about every view of the photos in `rows`, and mix what they say; the masks stay as they are."""
    features, pooled = read_features(work, TEACHER), read_features(work, POOLED)
    tuned = LiteNetwork(converter(teacher))
    votes, reasons = np.full_like(targets.votes, np.nan), np.full_like(targets.reasons, np.nan)
    for some in track(np.array_split(rows, -(-len(rows) // ASKED)), "Asking the teachers"):
        by_ridge = ask(ridge, np.concatenate(pooled[some]))
        said = [tuned(view) for view in np.concatenate(features[some])]
        votes[some] = _mix([view["observers"] for view in said], by_ridge[0]).reshape(votes[some].shape)
        reasons[some] = _mix([view["reasons"] for view in said], by_ridge[1]).reshape(reasons[some].shape)
    return Targets(votes, reasons, targets.masks)


def main(work: Work, wheel: Teacher = efficientnet.WHEEL, *, everything: Everything = False) -> None:
    """Train both teachers on the train and valid parts: lessons.npz is what they say; or on all: lessons-final.npz."""
    keras.utils.set_random_seed(SEED)
    targets = read_targets(work / "features" / TARGETS)
    rows = read_table(work).taught(everything=everything)
    ridge = learn(work, targets, rows)
    teacher = efficientnet.build_teacher()
    efficientnet.load_imagenet(wheel, teacher)
    start_from_means(teacher, targets, rows)
    steps = EPOCHS * len(rows) // BATCH
    last = fit(teacher, batches(read_features(work, TEACHER), targets, rows, VOTED, steps), steps, RATE)
    path = lesson_file(work, everything=everything)
    with replacing(path.with_suffix(".keras")) as draft:
        teacher.save(draft)
    write_targets(path, lessons(teacher, ridge, work, targets, rows))
    show(f"{path}: the teachers saw {len(rows)} photos, {EPOCHS} epochs, loss {last:.4f}")


def lesson_file(work: Path, *, everything: bool) -> Path:
    """Where the teacher's judgements of every view are."""
    return work / ("lessons-final.npz" if everything else "lessons.npz")


def _mix(logits: list[NDArray[np.float32]], by_ridge: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(TUNED * expit(np.stack(logits)) + (1 - TUNED) * by_ridge)


if __name__ == "__main__":
    run(main)
