"""The first attempt: NIMA (Talebi and Milanfar 2018) with idealo's aesthetic weights.

As it is, its mean rating of 1-10 is laid over 0-5. Then a new head, trained with the squared earth mover's
distance on its frozen features, is given the votes.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from rich.progress import track

from models.preprocess import INPUT_SIZE, to_input
from models.training.attempts import Labelled, read_labelled, save
from models.training.command import Data, Work, run
from models.training.data import Photo
from models.training.errors import TrainingError
from models.training.files import replacing
from models.training.labels import SEATS
from models.training.metrics import Floats

WEIGHTS = Path("nima/weights_mobilenet_aesthetic_0.07.hdf5")
"""Where the data folder keeps idealo's weights."""

RATINGS = np.arange(1, 11)
STARS = np.arange(len(SEATS) + 1)
BATCH = 32
EPOCHS = 200
PATIENCE = 20
SEED = 20261124


def load(path: Path) -> Any:  # noqa: ANN401 - Keras has no type information
    """Build idealo's network and load its weights: MobileNet, pooled to 1024 features, and ten ratings.

    Raises:
        TrainingError: the file is missing, unreadable or of another network.
    """
    base = keras.applications.MobileNet((INPUT_SIZE, INPUT_SIZE, 3), include_top=False, pooling="avg", weights=None)
    ratings = keras.layers.Dense(len(RATINGS), activation="softmax")(keras.layers.Dropout(0.75)(base.output))
    try:
        with warnings.catch_warnings(action="ignore"):  # of groups that another network's file lacks
            keras.Model(base.input, ratings).load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TrainingError(f"{path}: not the weights of NIMA on MobileNet: {reason}") from error
    return keras.Model(base.input, [base.output, ratings])


def extract(network: Any, photos: Sequence[Photo]) -> tuple[Floats, Floats]:  # noqa: ANN401
    """Run the network: features (photos, 1024) and mean rating (photos,), 1-10."""
    features, ratings = [], []
    for start in track(range(0, len(photos), BATCH), "Running NIMA"):
        pixels = np.stack([to_input(photo.open()) for photo in photos[start : start + BATCH]])
        batch = network.predict_on_batch(pixels.astype(np.float32) / 127.5 - 1)
        features.append(batch[0])
        ratings.append(batch[1] @ RATINGS)
    return np.concatenate(features), np.concatenate(ratings)


def to_stars(ratings: Floats) -> Floats:
    """Lay mean ratings of 1-10 linearly over 0-5."""
    return np.asarray((ratings - RATINGS[0]) / (RATINGS[-1] - RATINGS[0]) * STARS[-1])


def to_distribution(scores: Floats) -> Floats:
    """Spread each score (photos,), 0-5, over the two whole stars beside it, (photos, 6)."""
    return np.asarray(np.clip(1 - np.abs(scores[:, np.newaxis] - STARS), 0, 1))


def squared_emd(expected: Any, predicted: Any) -> Any:  # noqa: ANN401
    """Mean squared difference of the two cumulative distributions (Hou et al. 2016)."""
    return ops.mean(ops.square(ops.cumsum(expected, axis=-1) - ops.cumsum(predicted, axis=-1)), axis=-1)


def train_head(features: Floats, labelled: Labelled) -> Floats:
    """Train a distribution over 0-5 stars on frozen features; stop when the valid part no longer gains.

    Returns:
        The expected stars of every photo, (photos,).
    """
    keras.utils.set_random_seed(SEED)
    head = keras.Sequential(
        [
            keras.Input((features.shape[1],)),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(len(STARS), activation="softmax"),
        ]
    )
    head.compile(keras.optimizers.Adam(1e-3), squared_emd)
    train, valid = labelled.of("train"), labelled.of("valid")
    targets = to_distribution(labelled.scores)
    head.fit(
        features[train],
        targets[train],
        validation_data=(features[valid], targets[valid]),
        epochs=EPOCHS,
        callbacks=[keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    return np.asarray(head.predict(features, verbose=0) @ STARS)


def width(ratings: Floats) -> dict[str, float]:
    """Say how little of its scale of 1-10 NIMA uses."""
    quantiles = np.percentile(ratings, [0, 5, 50, 95, 100])
    named = dict(zip(("lowest", "p5", "median", "p95", "highest"), quantiles, strict=True))
    return {name: round(float(value), 3) for name, value in (named | {"sd": ratings.std()}).items()}


def main(data: Data, work: Work) -> None:
    """Write the scores and figures of NIMA as it is, and of NIMA with a head trained on the votes."""
    labelled = read_labelled(data, work)
    network = load(data / WEIGHTS)
    features, ratings = extract(network, [one.photo for one in labelled.labels])
    with replacing(work / "nima-ratings.npy") as draft, draft.open("wb") as file:
        np.save(file, ratings)
    save(work, "nima", labelled, to_stars(ratings), {"ratings": width(ratings)})
    save(work, "nima-head", labelled, train_head(features, labelled), {"features": features.shape[1]})


if __name__ == "__main__":
    run(main)
