"""Fine-tuning: everything after the frozen blocks, on many views of every photo.

The frozen blocks see every view once, in LiteRT, which runs them several times faster than TensorFlow does; the
rest is then trained on their features.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import typer
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from PIL import Image
from rich import print as show
from rich.progress import track

from models.preprocess import INPUT_SIZE, to_input
from models.training.command import Data, Work, run
from models.training.data import read_photos
from models.training.dataset import Table, read_table
from models.training.degrade import Cost, read_costs
from models.training.errors import TrainingError
from models.training.files import replacing
from models.training.network import WEIGHTS, Tensor, build_body, build_stem, converter, join, load_backbone, to_real
from models.training.views import View, make_view, plain_view

SEED = 20261124

VIEWS = 12
"""Views of every photo: the photo itself and eleven changed ones."""

EPOCHS = 10
BATCH = 32

RATE = 2e-3
"""Adam's highest rate, of kernels with unit root mean square: a step moves a weight by 0.2 % at most."""

WARM_UP = 60
"""Steps until the rate is at its highest; from there it falls along a half cosine to nothing."""

MEMORY = 0.995
"""The weights that are kept are a moving average over about the last 200 steps."""

SCORE_WEIGHT = 0.05
REASON_WEIGHT = 0.5
MASK_WEIGHT = 0.2
"""What an error of the score (squared stars), of the reasons and of the mask counts beside one of the votes."""

MASK_SIDE = 14

Everything = Annotated[bool, typer.Option("--everything", help="Train on the test part too, to ship: final.keras.")]


@dataclass(frozen=True, slots=True)
class Views:
    """Every view of the photos, as (photos, VIEWS, ...); masks are 0-1, features those of the frozen blocks."""

    features: NDArray[np.float16]
    votes: NDArray[np.float32]
    reasons: NDArray[np.float32]
    masks: NDArray[np.float16]


class FrozenBlocks:
    """The frozen part of the network in LiteRT, on one thread."""

    def __init__(self, stem: keras.Model) -> None:
        self._interpreter = Interpreter(model_content=to_lite(stem), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def see(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn pixels (224, 224, 3) into features (28, 28, 16)."""
        self._interpreter.set_tensor(self._input, to_real(pixels)[np.newaxis])
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output)[0])


def to_lite(model: keras.Model) -> bytes:
    """Convert to a float TFLite file for one photo at a time."""
    return bytes(converter(model).convert())


def read_mask(work: Path, photo: str) -> NDArray[np.uint8]:
    """Read the subject mask of a photo: (224, 224), 0-255.

    Raises:
        TrainingError: it is missing or no image.
    """
    path = work / "masks" / f"{photo}.png"
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L").resize((INPUT_SIZE, INPUT_SIZE)))
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: run the masks step: {error}") from error


def prepare(data: Path, work: Path, table: Table, rows: NDArray[np.intp], costs: dict[str, Cost]) -> Views:
    """Make every view of the photos in `rows`, and let the frozen blocks see it. Takes 4 ms a view."""
    paths = {photo.id: photo for photo in read_photos(data)}
    stem = build_stem()
    load_backbone(data / WEIGHTS, stem)
    blocks = FrozenBlocks(stem)
    shape = (len(rows), VIEWS)
    views = Views(
        np.empty((*shape, *stem.output_shape[1:]), np.float16),
        np.empty((*shape, table.votes.shape[1]), np.float32),
        np.empty((*shape, table.reasons.shape[1]), np.float32),
        np.empty((*shape, MASK_SIDE, MASK_SIDE, 1), np.float16),
    )
    for line, row in enumerate(track(rows, "Looking at every view")):
        photo = paths[table.ids[row]]
        first = View(to_input(photo.open()), read_mask(work, photo.id), table.votes[row], table.reasons[row])
        for number in range(VIEWS):
            random = np.random.default_rng((SEED, int(row), number))
            clean = not table.faults[row]
            view = make_view(first, random, costs if clean else {}) if number else plain_view(first)
            views.features[line, number] = blocks.see(view.pixels)
            views.votes[line, number], views.reasons[line, number] = view.votes, view.reasons
            views.masks[line, number] = _coarse(view.mask)
    return views


def _coarse(mask: NDArray[np.uint8]) -> NDArray[np.float16]:
    cell = INPUT_SIZE // MASK_SIDE
    means = mask.reshape(MASK_SIDE, cell, MASK_SIDE, cell).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(means[..., np.newaxis] / 255, dtype=np.float16)


def batches(views: Views, steps: int) -> Iterator[list[NDArray[np.float32]]]:
    """Deal batches of features, votes, reasons and masks: every photo once an epoch, in any of its views."""
    random = np.random.default_rng(SEED)
    photos = len(views.votes)
    deck = np.concatenate([random.permutation(photos) for _ in range(steps * BATCH // photos + 1)])
    for step in range(steps):
        rows = deck[step * BATCH : (step + 1) * BATCH]
        numbers = random.integers(0, VIEWS, BATCH)
        arrays = (views.features, views.votes, views.reasons, views.masks)
        yield [one[rows, numbers].astype(np.float32) for one in arrays]


def loss(heads: dict[str, Tensor], votes: Tensor, reasons: Tensor, masks: Tensor) -> Tensor:
    """Sum the cross-entropies of votes, reasons and mask, and the score's squared error. NaN votes are left out."""
    seen = tf.cast(~tf.math.is_nan(votes), tf.float32)
    votes = tf.where(seen > 0, votes, 0.0)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits
    by_vote = tf.reduce_sum(seen * entropy(votes, heads["observers"])) / tf.maximum(tf.reduce_sum(seen), 1)
    off = tf.reduce_sum(seen * (tf.sigmoid(heads["observers"]) - votes), axis=1)
    return (
        by_vote
        + SCORE_WEIGHT * tf.reduce_mean(tf.square(off))
        + REASON_WEIGHT * tf.reduce_mean(tf.reduce_sum(entropy(reasons, heads["reasons"]), axis=1)) / 5
        + MASK_WEIGHT * tf.reduce_mean(entropy(masks, heads["mask"]))
    )


def start_from_means(body: keras.Model, views: Views) -> None:
    """Let the classifiers begin with the usual votes and reasons."""
    for name, values in (("observers", views.votes), ("reasons", views.reasons)):
        usual = np.clip(np.nanmean(values, axis=(0, 1)), 1e-3, 1 - 1e-3)
        body.get_layer(name).bias.assign(np.log(usual / (1 - usual)))


def rate(step: int, steps: int) -> float:
    """Learning rate of a step."""
    return float(RATE * min(1, (step + 1) / WARM_UP) * (1 + np.cos(np.pi * step / steps)) / 2)


def fit(body: keras.Model, views: Views, steps: int) -> float:
    """Train the body and leave the moving average of its weights in it; returns the mean loss of the last tenth."""
    start_from_means(body, views)
    weights = body.trainable_variables
    optimiser = keras.optimizers.Adam(RATE, global_clipnorm=1.0)
    optimiser.build(weights)
    average = [tf.Variable(weight) for weight in weights]

    @tf.function  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def learn(features: Tensor, votes: Tensor, reasons: Tensor, masks: Tensor, keep: Tensor) -> Tensor:
        with tf.GradientTape() as tape:
            value = loss(body(features, training=True), votes, reasons, masks)
        optimiser.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
        for mean, weight in zip(average, weights, strict=True):
            mean.assign(mean * keep + weight * (1 - keep))
        return value

    values = []
    for step, batch in enumerate(track(batches(views, steps), "Fine-tuning", total=steps)):
        optimiser.learning_rate.assign(rate(step, steps))
        keep = tf.constant(min(MEMORY, (1 + step) / (10 + step)), tf.float32)
        values.append(float(learn(*map(tf.constant, batch), keep)))
    for mean, weight in zip(average, weights, strict=True):
        weight.assign(mean)
    return float(np.mean(values[-max(1, steps // 10) :]))


def main(data: Data, work: Work, *, everything: Everything = False) -> None:
    """Fine-tune on the train and valid parts: network.keras; or on all photos, to ship: final.keras."""
    keras.utils.set_random_seed(SEED)
    table = read_table(work)
    parts = ("train", "valid", "test") if everything else ("train", "valid")
    views = prepare(data, work, table, table.rows(*parts), read_costs(work))
    stem, body = build_stem(), build_body()
    load_backbone(data / WEIGHTS, stem, body)
    last = fit(body, views, EPOCHS * len(views.votes) // BATCH)
    path = work / ("final.keras" if everything else "network.keras")
    with replacing(path) as draft:
        join(stem, body).save(draft)
    show(f"{path}: {len(views.votes)} photos, {EPOCHS} epochs, loss {last:.4f}")


if __name__ == "__main__":
    run(main)
