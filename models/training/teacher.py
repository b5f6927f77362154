"""Fine-tuning the teacher on the votes, and asking it about every view."""

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
from models.training.features import SEED, TARGETS, TEACHER, VOTED, Targets, read_features, read_targets, write_targets
from models.training.files import replacing
from models.training.fit import BATCH, batches, fit, start_from_means
from models.training.network import LiteNetwork

EPOCHS = 6

RATE = 1e-3
"""Adam's highest rate."""


def lessons(teacher: keras.Model, features: NDArray[np.float16], targets: Targets) -> Targets:
    """Ask the teacher about every view; the masks stay as they are."""
    ask = LiteNetwork(teacher)
    votes, reasons = np.empty_like(targets.votes), np.empty_like(targets.reasons)
    for photo in track(range(len(features)), "Asking the teacher"):
        for view in range(features.shape[1]):
            said = ask(features[photo, view])
            votes[photo, view], reasons[photo, view] = expit(said["observers"]), expit(said["reasons"])
    return Targets(votes, reasons, targets.masks)


def main(work: Work, wheel: Teacher = efficientnet.WHEEL, *, everything: Everything = False) -> None:
    """Fine-tune the teacher on the train and valid parts: lessons.npz is what it says; or on all: lessons-final.npz."""
    keras.utils.set_random_seed(SEED)
    features, targets = read_features(work, TEACHER), read_targets(work / "features" / TARGETS)
    rows = read_table(work).taught(everything=everything)
    teacher = efficientnet.build_teacher()
    efficientnet.load_imagenet(wheel, teacher)
    start_from_means(teacher, targets, rows)
    steps = EPOCHS * len(rows) // BATCH
    last = fit(teacher, batches(features, targets, rows, VOTED, steps), steps, RATE)
    path = lesson_file(work, everything=everything)
    with replacing(path.with_suffix(".keras")) as draft:
        teacher.save(draft)
    write_targets(path, lessons(teacher, features, targets))
    show(f"{path}: the teacher saw {len(rows)} photos, {EPOCHS} epochs, loss {last:.4f}")


def lesson_file(work: Path, *, everything: bool) -> Path:
    """Where the teacher's judgements of every view are."""
    return work / ("lessons-final.npz" if everything else "lessons.npz")


if __name__ == "__main__":
    run(main)
