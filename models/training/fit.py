"""Training a network on the features of many views: the loss, the schedule, and the steps."""

from collections.abc import Iterator
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from rich.progress import track

from models.training.features import SEED, Targets
from models.training.network import Tensor

BATCH = 32

WARM_UP = 60
"""Steps until the rate is at its highest; from there it falls along a half cosine to nothing."""

MEMORY = 0.995
"""The weights that are kept are a moving average over about the last 200 steps."""

SCORE_WEIGHT = 0.05
REASON_WEIGHT = 0.5
MASK_WEIGHT = 0.2
"""What an error of the score (squared stars), of the reasons and of the mask counts beside one of the votes."""

Batch: TypeAlias = list[NDArray[np.float32]]
"""Features, votes, reasons and masks of some views."""


def batches(
    features: NDArray[np.float16], targets: Targets, rows: NDArray[np.intp], views: int, steps: int
) -> Iterator[Batch]:
    """Deal batches: every photo in `rows` once an epoch, in any of its first `views` views."""
    random = np.random.default_rng(SEED)
    deck = np.concatenate([random.permutation(rows) for _ in range(steps * BATCH // len(rows) + 1)])
    for step in range(steps):
        photos = deck[step * BATCH : (step + 1) * BATCH]
        numbers = random.integers(0, views, len(photos))
        arrays = (features, targets.votes, targets.reasons, targets.masks)
        yield [one[photos, numbers].astype(np.float32) for one in arrays]


def loss(heads: dict[str, Tensor], votes: Tensor, reasons: Tensor, masks: Tensor) -> Tensor:
    """Sum the cross-entropies of votes, reasons and mask, and the score's squared error. NaN targets are left out."""
    known, seen = _known(votes)
    off = tf.reduce_sum(known * (tf.sigmoid(heads["observers"]) - seen), axis=1)
    total = (
        _entropy(votes, heads["observers"])
        + SCORE_WEIGHT * tf.reduce_mean(tf.square(off))
        + REASON_WEIGHT * reasons.shape[1] / votes.shape[1] * _entropy(reasons, heads["reasons"])
    )
    return total + MASK_WEIGHT * _entropy(masks, heads["mask"]) if "mask" in heads else total


def rate(step: int, steps: int, highest: float) -> float:
    """Learning rate of a step."""
    return float(highest * min(1, (step + 1) / WARM_UP) * (1 + np.cos(np.pi * step / steps)) / 2)


def start_from_means(model: keras.Model, targets: Targets, rows: NDArray[np.intp]) -> None:
    """Let the classifiers begin with the usual votes and reasons."""
    for name, values in (("observers", targets.votes[rows]), ("reasons", targets.reasons[rows])):
        usual = np.clip(np.nanmean(values, axis=(0, 1)), 1e-3, 1 - 1e-3)
        model.get_layer(name).bias.assign(np.log(usual / (1 - usual)))


def fit(model: keras.Model, deal: Iterator[Batch], steps: int, highest: float) -> float:
    """Train a model and leave the moving average of its weights in it; returns the mean loss of the last tenth.

    `highest` is Adam's highest rate, of kernels with unit root mean square: a step moves a weight by no more.
    """
    weights = model.trainable_variables
    optimiser = keras.optimizers.Adam(highest, global_clipnorm=1.0)
    optimiser.build(weights)
    average = [tf.Variable(weight) for weight in weights]

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def learn(features: Tensor, votes: Tensor, reasons: Tensor, masks: Tensor, keep: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            value = loss(model(features, training=True), votes, reasons, masks)
        optimiser.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        for mean, weight in zip(average, weights, strict=True):
            mean.assign(mean * keep + weight * (1 - keep))
        return value

    values = []
    for step, batch in enumerate(track(deal, "Training", total=steps)):
        optimiser.learning_rate.assign(rate(step, steps, highest))
        keep = tf.constant(min(MEMORY, (1 + step) / (10 + step)), tf.float32)
        values.append(float(learn(*map(tf.constant, batch), keep)))
    for mean, weight in zip(average, weights, strict=True):
        weight.assign(mean)
    return float(np.mean(values[-max(1, steps // 10) :]))


def _known(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Say which targets are known, 1 or 0, and put 0 for the others."""
    known = tf.cast(~tf.math.is_nan(targets), tf.float32)
    return known, tf.where(known > 0, targets, 0.0)


def _entropy(targets: Tensor, logits: Tensor) -> Tensor:
    """Mean cross-entropy of the targets that are known."""
    known, targets = _known(targets)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_sum(known * entropy) / tf.maximum(tf.reduce_sum(known), 1)
