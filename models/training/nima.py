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
from rich.progress import track
from scipy.optimize import minimize
from scipy.special import softmax

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
DECAYS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


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
    return np.concatenate(features).astype(np.float64), np.concatenate(ratings).astype(np.float64)


def to_stars(ratings: Floats) -> Floats:
    """Lay mean ratings of 1-10 linearly over 0-5."""
    return np.asarray((ratings - RATINGS[0]) / (RATINGS[-1] - RATINGS[0]) * STARS[-1])


def to_distribution(scores: Floats) -> Floats:
    """Spread each score (photos,), 0-5, over the two whole stars beside it, (photos, 6)."""
    return np.asarray(np.clip(1 - np.abs(scores[:, np.newaxis] - STARS), 0, 1))


def squared_emd(logits: Floats, expected: Floats) -> tuple[float, Floats]:
    """Mean squared difference of two cumulative distributions (Hou et al. 2016), and its slope by the logits.

    `logits` predict the distributions `expected`, both (photos, 6).
    """
    predicted = softmax(logits, axis=1)
    apart = np.cumsum(predicted - expected, axis=1)
    by_predicted = 2 * np.cumsum(apart[:, ::-1], axis=1)[:, ::-1] / apart.size
    slope = predicted * (by_predicted - (predicted * by_predicted).sum(axis=1, keepdims=True))
    return float((apart**2).mean()), slope


def fit_head(features: Floats, expected: Floats, decay: float) -> Floats:
    """Fit a linear layer, (features, 6), to the squared earth mover's distance, with weight decay."""
    shape = features.shape[1], expected.shape[1]

    def loss(flat: Floats) -> tuple[float, Floats]:
        weights = flat.reshape(shape)
        value, slope = squared_emd(features @ weights, expected)
        return value + decay * float(flat @ flat), (features.T @ slope).ravel() + 2 * decay * flat

    return np.asarray(minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape))


def train_head(features: Floats, labelled: Labelled) -> tuple[Floats, float]:
    """Train a distribution over 0-5 stars on frozen features, with the weight decay that suits the valid part best.

    Returns:
        The expected stars of every photo, (photos,), and the weight decay.
    """
    train, valid = labelled.of("train"), labelled.of("valid")
    scaled = (features - features[train].mean(axis=0)) / (features[train].std(axis=0) + 1e-6)
    inputs = np.column_stack([scaled, np.ones(len(scaled))])
    expected = to_distribution(labelled.scores)
    heads = {decay: fit_head(inputs[train], expected[train], decay) for decay in DECAYS}
    best = min(DECAYS, key=lambda decay: squared_emd(inputs[valid] @ heads[decay], expected[valid])[0])
    return softmax(inputs @ heads[best], axis=1) @ STARS, best


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
    scores, decay = train_head(features, labelled)
    save(work, "nima-head", labelled, scores, {"features": features.shape[1], "weight_decay": decay})


if __name__ == "__main__":
    run(main)
