"""The quality network: MobileNetV2 0.35 without its batch normalisation, and three heads."""

import io
import os
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from keras import layers, ops
from numpy.typing import NDArray

from models.preprocess import INPUT_SIZE
from models.reasons import ReasonCode
from models.training.errors import TrainingError
from models.training.labels import SEATS

Tensor: TypeAlias = Any
"""A tensor of TensorFlow or of Keras, for which neither has types."""

INPUT_SHAPE = (INPUT_SIZE, INPUT_SIZE, 3)

ALPHA = 0.35
"""Width of MobileNetV2: the share of its usual channels."""

WEIGHTS = Path("backbone", "mobilenet_v2_0.35_224_imagenet_no_top.weights.h5")
"""Where the ImageNet weights lie in the data folder."""

FROZEN = 6
"""Inverted residual blocks, of 17, that keep their ImageNet weights; with 3 the validation error was no lower."""

MASKED = 12
"""Block whose features, 14 by 14, the subject mask is read from."""

WIDTH = 512
"""Channels of the last convolution, of the 1,280 that ImageNet needs for a thousand classes; the strongest are kept."""

DROPOUT = 0.3

ASKED = 64
"""Photos that a trained network is asked about at once, or a few more."""

HEADS = ("observers", "reasons", "mask")


@keras.saving.register_keras_serializable("retake")
class ScaledConv(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A convolution with batch normalisation folded in: `conv(x, kernel * scale) + bias`.

    The kernel of every output channel has unit root mean square, so that one learning rate moves every channel
    by the same share; `scale`, of shape (channels,), is fixed. Costs half of what batch normalisation costs on a CPU.

    Args:
        channels: output channels; for a depthwise convolution, those of the input.
        size: side of the kernel, in pixels.
        stride: 1 or 2.
        depthwise: one kernel for each channel.
        relu6: clip the output to 0-6.
        padding: "same" or "valid".
        **kwargs: what every Keras layer takes.
    """

    def __init__(
        self,
        channels: int,
        *,
        size: int = 1,
        stride: int = 1,
        depthwise: bool = False,
        relu6: bool = True,
        padding: str = "same",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.size, self.stride = channels, size, stride
        self.depthwise, self.relu6, self.padding = depthwise, relu6, padding

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights."""
        deep = (self.channels, 1) if self.depthwise else (input_shape[-1], self.channels)
        self.kernel = self.add_weight(shape=(self.size, self.size, *deep), name="kernel", initializer="random_normal")
        self.scale = self.add_weight(shape=(self.channels,), name="scale", initializer="ones", trainable=False)
        self.bias = self.add_weight(shape=(self.channels,), name="bias", initializer="zeros")

    def call(self, x: Tensor) -> Tensor:
        """Convolve."""
        scale = self.scale[:, None] if self.depthwise else self.scale
        operation = ops.depthwise_conv if self.depthwise else ops.conv
        y = operation(x, self.kernel * scale, strides=self.stride, padding=self.padding) + self.bias
        return ops.relu6(y) if self.relu6 else y

    def set_folded(self, kernel: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Take a folded kernel, of the layer's own shape, and its bias, of shape (channels,)."""
        axes = (0, 1, 3) if self.depthwise else (0, 1, 2)
        scale = np.sqrt(np.mean(np.square(kernel), axis=axes)) + np.float32(1e-8)
        self.set_weights([kernel / (scale[:, None] if self.depthwise else scale), bias, scale])

    def get_config(self) -> dict[str, Any]:
        """Say how to build this layer again."""
        names = ("channels", "size", "stride", "depthwise", "relu6", "padding")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual block of MobileNetV2 (arXiv 1801.04381, table 2) or of an EfficientNet-Lite."""

    index: int
    channels: int
    stride: int
    expand: int
    kernel: int


def make_blocks(stages: Iterable[tuple[int, int, int, int, int]], width: float) -> tuple[Block, ...]:
    """Spell stages out, each (expand, channels before the width, repeats, first stride, kernel).

    Channels are rounded to multiples of eight, by no more than a tenth down.
    """
    blocks: list[Block] = []
    for expand, channels, repeats, stride, kernel in stages:
        rounded = max(8, int(channels * width + 4) // 8 * 8)
        rounded += 8 if rounded < 0.9 * channels * width else 0
        for repeat in range(repeats):
            blocks.append(Block(len(blocks), rounded, stride if repeat == 0 else 1, expand, kernel))
    return tuple(blocks)


BLOCKS = make_blocks(
    (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 32, 3, 2, 3),
        (6, 64, 4, 2, 3),
        (6, 96, 3, 1, 3),
        (6, 160, 3, 2, 3),
        (6, 320, 1, 1, 3),
    ),
    ALPHA,
)


def convolve(x: Tensor, name: str, channels: int, **options: Tensor) -> Tensor:
    """Put a convolution on top."""
    return ScaledConv(channels, name=name, **options)(x)


def add_block(x: Tensor, block: Block) -> Tensor:
    """Put a block on top."""
    prefix = f"block_{block.index}"
    y = x
    if block.expand > 1:
        y = convolve(y, f"{prefix}_expand", x.shape[-1] * block.expand)
    y = convolve(y, f"{prefix}_depthwise", y.shape[-1], size=block.kernel, stride=block.stride, depthwise=True)
    y = convolve(y, f"{prefix}_project", block.channels, relu6=False)
    same = block.stride == 1 and x.shape[-1] == block.channels
    return keras.layers.Add(name=f"{prefix}_add")([x, y]) if same else y


def classifiers(x: Tensor) -> dict[str, Tensor]:
    """Put the heads `observers` (batch, 5) and `reasons` (batch, 12) on top, logits that start from zero weights."""
    pooled = layers.Dropout(DROPOUT)(layers.GlobalAveragePooling2D()(x))
    return {
        "observers": layers.Dense(len(SEATS), kernel_initializer="zeros", name="observers")(pooled),
        "reasons": layers.Dense(len(ReasonCode), kernel_initializer="zeros", name="reasons")(pooled),
    }


def build_stem() -> keras.Model:
    """Build the frozen part: pixels (batch, 224, 224, 3), -1 to 1, to the features after `FROZEN` blocks."""
    image = keras.Input(INPUT_SHAPE, name="image")
    x = convolve(image, "stem", 16, size=3, stride=2)
    for block in BLOCKS[:FROZEN]:
        x = add_block(x, block)
    return keras.Model(image, x, name="stem")


def build_body() -> keras.Model:
    """Build the trained part: the stem's features to `observers` (batch, 5), `reasons` (batch, 12), `mask`.

    All heads are logits; `mask` is (batch, 14, 14, 1). The two classifiers start from zero weights.
    """
    features = keras.Input(build_stem().output_shape[1:], name="features")
    x, masked = features, features
    for block in BLOCKS[FROZEN:]:
        x = add_block(x, block)
        masked = x if block.index == MASKED else masked
    heads = {
        **classifiers(convolve(x, "last", WIDTH)),
        "mask": layers.Conv2D(1, 1, name="mask")(masked),
    }
    return keras.Model(features, heads, name="body")


def join(stem: keras.Model, body: keras.Model) -> keras.Model:
    """Put both parts together: pixels (batch, 224, 224, 3), -1 to 1, to the three heads."""
    image = keras.Input(INPUT_SHAPE, name="image")
    return keras.Model(image, body(stem(image)), name="quality")


def converter(model: keras.Model) -> tf.lite.TFLiteConverter:
    """Prepare a model's conversion to TFLite, for one photo at a time; its signature names inputs and outputs."""
    image = keras.Input(batch_shape=(1, *model.input_shape[1:]), name="image")
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, model(image)))


def converter_int8(model: keras.Model, samples: NDArray[np.uint8]) -> tf.lite.TFLiteConverter:
    """Prepare a model's conversion to int8, weights and activations.

    The ranges of the activations are measured on `samples`, pixels (photos, 224, 224, 3).
    """
    prepared = converter(model)
    prepared.optimizations = [tf.lite.Optimize.DEFAULT]
    prepared.representative_dataset = lambda: ([to_real(pixels[np.newaxis])] for pixels in samples)
    prepared.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    return prepared


def convert(prepared: tf.lite.TFLiteConverter) -> bytes:
    """Convert to a TFLite file, without the list of every variable that Keras prints as it does so."""
    with redirect_stdout(io.StringIO()):
        return bytes(prepared.convert())


class LiteNetwork:
    """A network in LiteRT, on every core: several times faster than TensorFlow for one photo at a time.

    What it says does not depend on the number of cores.
    """

    def __init__(self, prepared: tf.lite.TFLiteConverter) -> None:
        self._interpreter = Interpreter(model_content=convert(prepared), num_threads=os.cpu_count())
        self._run = self._interpreter.get_signature_runner()

    def __call__(self, one: NDArray[np.floating[Any]]) -> dict[str, NDArray[np.float32]]:
        """Give every output for one input; neither has a batch dimension."""
        outputs = self._run(image=one[np.newaxis].astype(np.float32, copy=False))
        return {name: output[0] for name, output in outputs.items()}


def to_real(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale pixels 0-255 to what the network takes, -1 to 1."""
    return pixels.astype(np.float32) / np.float32(127.5) - 1


def ask_observers(
    model: keras.Model, inputs: NDArray[Any], scale: Callable[[NDArray[Any]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Give a trained network's `observers`, logits (photos, 5), for inputs (photos, ...) that `scale` makes ready."""
    batches = np.array_split(inputs, max(1, len(inputs) // ASKED))
    return np.concatenate([np.asarray(model(scale(batch), training=False)["observers"]) for batch in batches])


def load_backbone(path: Path, *models: keras.Model) -> None:
    """Fill the models' convolutions with MobileNetV2's ImageNet weights.

    Raises:
        TrainingError: the file is missing or holds other weights.
    """
    backbone = keras.applications.MobileNetV2(INPUT_SHAPE, alpha=ALPHA, include_top=False, weights=None)
    try:
        backbone.load_weights(path)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: are not the weights of MobileNetV2 {ALPHA}, no top: {reason}") from error
    for layer in (layer for model in models for layer in model.layers if isinstance(layer, ScaledConv)):
        layer.set_folded(*_folded(backbone, layer))


def _folded(backbone: keras.Model, layer: ScaledConv) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    names = {"stem": ("Conv1", "bn_Conv1"), "last": ("Conv_1", "Conv_1_bn")}
    plain = layer.name.replace("block_0", "expanded_conv")
    kernel_name, norm_name = names.get(layer.name, (plain, f"{plain}_BN"))
    norm = backbone.get_layer(norm_name)
    gamma, beta, mean, variance = norm.get_weights()
    gain = gamma / np.sqrt(variance + norm.epsilon)
    kernel = backbone.get_layer(kernel_name).get_weights()[0] * (gain[:, None] if layer.depthwise else gain)
    strongest = np.sort(np.argsort(-np.abs(gamma), kind="stable")[: layer.channels])
    kernel = kernel if layer.depthwise else kernel[..., strongest]
    return kernel, (beta - mean * gain)[strongest]
