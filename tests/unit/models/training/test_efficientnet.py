import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from models.training.efficientnet import (
    BLOCKS,
    CELL,
    FROZEN,
    GRID,
    GROUPS,
    LAST,
    MEMBER,
    POOLED,
    SIDE,
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
    heads = teacher(stem(np.zeros((1, SIDE, SIDE, 3), np.float32))["features"])
    assert {name: tuple(head.shape) for name, head in heads.items()} == {"observers": (1, 5), "reasons": (1, 12)}


def test_pooled_features_are_moments_of_their_channels() -> None:
    stem = build_teacher_stem()
    tap = keras.Model(stem.input, {"features": stem.output["features"], "pooled": stem.output["pooled"]})
    seen = tap(np.random.default_rng(0).normal(0, 1, (1, SIDE, SIDE, 3)).astype(np.float32))
    channels = [BLOCKS[index].channels for index in POOLED]
    start = 2 * sum(channels[: POOLED.index(FROZEN - 1)])
    means, deviations = np.split(np.asarray(seen["pooled"])[0, start : start + 2 * channels[2]], 2)
    features = np.asarray(seen["features"])[0]
    assert means == pytest.approx(features.mean((0, 1)), rel=1e-3, abs=1e-5)
    assert deviations == pytest.approx(features.std((0, 1)), rel=1e-2, abs=1e-3)
    assert seen["pooled"].shape == (1, 2 * sum(channels) + 2 * LAST + GRID**2 * features.shape[-1])
    assert seen["pooled"].shape == (1, sum(GROUPS))


def test_the_last_pooled_features_tell_what_is_where() -> None:
    seen = build_teacher_stem()(np.random.default_rng(0).normal(0, 1, (1, SIDE, SIDE, 3)).astype(np.float32))
    cells = np.asarray(seen["pooled"])[0, -GROUPS[-1] :].reshape(GRID, GRID, -1)
    features = np.asarray(seen["features"])[0]
    assert cells[0, 0] == pytest.approx(features[:CELL, :CELL].mean((0, 1)), rel=1e-3, abs=1e-5)
    assert cells[1, 2] == pytest.approx(features[CELL : 2 * CELL, 2 * CELL :].mean((0, 1)), rel=1e-3, abs=1e-5)


def test_every_layer_has_names_of_its_own_in_the_file() -> None:
    layers = [layer.name for layer in build_teacher_stem().layers if isinstance(layer, ScaledConv)]
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


@pytest.mark.parametrize(("grey", "real"), [(0, -127 / 128), (127, 0), (255, 1)])
def test_pixels_are_enlarged_and_span_minus_one_to_one(grey: int, real: float) -> None:
    assert np.array_equal(to_real(np.full((224, 224, 3), grey, np.uint8)), np.full((SIDE, SIDE, 3), real, np.float32))


def test_the_trained_part_has_layers_of_the_same_names() -> None:
    names = [layer.name for layer in build_teacher_stem().layers if isinstance(layer, ScaledConv)]
    trained = [layer.name for layer in build_teacher().layers if isinstance(layer, ScaledConv)]
    assert trained == names[-len(trained) :]
