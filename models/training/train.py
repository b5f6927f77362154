"""Training the quality network: everything after the frozen blocks learns to judge every view as the teacher does."""

import keras
from rich import print as show

from models.training.calibrate import anchors, calibrate
from models.training.command import Data, Everything, Work, run
from models.training.dataset import read_table
from models.training.features import FREE, PUPIL, SEED, VOTED, read_features, read_targets
from models.training.files import replacing
from models.training.fit import BATCH, batches, fit, start_from_means
from models.training.network import WEIGHTS, build_body, build_stem, join, load_backbone
from models.training.teacher import lesson_file

EPOCHS = 192

RATE = 2e-3
"""Adam's highest rate."""


def main(data: Data, work: Work, *, everything: Everything = False) -> None:
    """Train on the train and valid parts: network.keras; or on all photos, to ship: final.keras."""
    keras.utils.set_random_seed(SEED)
    features, lessons = read_features(work, PUPIL), read_targets(lesson_file(work, everything=everything))
    table = read_table(work)
    rows = table.taught(everything=everything)
    stem, body = build_stem(), build_body()
    load_backbone(data / WEIGHTS, stem, body)
    start_from_means(body, lessons, rows)
    steps = EPOCHS * len(rows) // BATCH
    last = fit(body, batches(features, lessons, rows, VOTED + FREE, steps), steps, RATE)
    chosen = anchors(table, rows)
    calibrate(body, features[chosen, 0], table.votes[chosen])
    path = work / ("final.keras" if everything else "network.keras")
    with replacing(path) as draft:
        join(stem, body).save(draft)
    show(f"{path}: {len(rows)} photos, {EPOCHS} epochs, loss {last:.4f}")


if __name__ == "__main__":
    run(main)
