import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.training.efficientnet import (
    BLOCKS,
    MEMBER,
    _names,
    build_teacher,
    build_teacher_stem,
    load_imagenet,
    to_real,
)
from models.training.errors import TrainingError
from models.training.network import ScaledConv


def test_blocks_are_those_of_lite2() -> None:
    assert [block.channels for block in BLOCKS] == [16] + 3 * [24] + 3 * [48] + 4 * [88] + 4 * [120] + 5 * [208] + [352]
    assert [block.index for block in BLOCKS if block.stride == 2] == [1, 4, 7, 15]


def test_both_parts_fit_together() -> None:
    stem, teacher = build_teacher_stem(), build_teacher()
    heads = teacher(stem(np.zeros((1, 224, 224, 3), np.float32)))
    assert {name: tuple(head.shape) for name, head in heads.items()} == {"observers": (1, 5), "reasons": (1, 12)}


def test_every_layer_has_names_of_its_own_in_the_file() -> None:
    layers = [
        layer.name
        for model in (build_teacher_stem(), build_teacher())
        for layer in model.layers
        if isinstance(layer, ScaledConv)
    ]
    kernels, norms = zip(*map(_names, layers), strict=True)
    assert len(set(kernels)) == len(set(norms)) == len(layers) == 2 + 3 * len(BLOCKS) - 1


def test_a_missing_wheel_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"lite2\.whl: EfficientNet-Lite2 cannot be read"):
        load_imagenet(tmp_path / "lite2.whl")


def test_another_network_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "lite2.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(MEMBER, b"something else")
    with pytest.raises(TrainingError, match="is not the expected EfficientNet-Lite2"):
        load_imagenet(wheel)


def test_pixels_span_minus_one_to_one() -> None:
    assert to_real(np.array([0, 127, 255], np.uint8)).tolist() == [-127 / 128, 0, 1]
