from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from models.training.errors import TrainingError
from models.training.network import (
    ALPHA,
    INPUT_SHAPE,
    LiteNetwork,
    ScaledConv,
    build_body,
    build_stem,
    convert,
    converter,
    converter_int8,
    join,
    load_backbone,
    to_real,
)

# Keras reads its own weights in a way that numpy has given up.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def backbone() -> keras.Model:
    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNetV2(INPUT_SHAPE, alpha=ALPHA, include_top=False, weights=None)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def weights(backbone: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("backbone") / "small.weights.h5"
    backbone.save_weights(path)
    return path


@pytest.fixture
def photos() -> NDArray[np.uint8]:
    return np.random.default_rng(2).integers(0, 256, (4, *INPUT_SHAPE), dtype=np.uint8)


def test_folding_keeps_what_the_backbone_computes(backbone: keras.Model, weights: Path) -> None:
    stem = build_stem()
    load_backbone(weights, stem)
    image = to_real(np.random.default_rng(1).integers(0, 256, (1, *INPUT_SHAPE), dtype=np.uint8))
    until = keras.Model(backbone.input, backbone.get_layer("block_5_add").output)
    expected = np.asarray(until(image, training=False))
    assert np.asarray(stem(image)) == pytest.approx(expected, rel=1e-3, abs=1e-3 * float(np.abs(expected).max()))


def test_kernels_have_unit_root_mean_square(weights: Path) -> None:
    body = build_body()
    load_backbone(weights, body)
    kernel = body.get_layer("block_7_expand").kernel.numpy()
    assert np.sqrt((kernel**2).mean(axis=(0, 1, 2))) == pytest.approx(np.ones(kernel.shape[-1]), rel=1e-3)


def test_heads_have_the_shapes_of_the_contract() -> None:
    heads = build_body()(np.zeros((2, 28, 28, 16), np.float32))
    shapes = {name: tuple(head.shape) for name, head in heads.items()}
    assert shapes == {"observers": (2, 5), "reasons": (2, 12), "mask": (2, 14, 14, 1)}


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_the_frozen_part_in_int8_sees_nearly_what_it_sees_in_float(weights: Path, photos: NDArray[np.uint8]) -> None:
    stem = build_stem()
    load_backbone(weights, stem)
    (exact,) = LiteNetwork(converter(stem))(to_real(photos[0])).values()
    (stored,) = LiteNetwork(converter_int8(stem, photos))(to_real(photos[0])).values()
    assert len(np.unique(stored)) <= 256 < len(np.unique(exact))
    assert 0 < np.abs(stored - exact).mean() < 0.2 * np.abs(exact).mean()


@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_the_frozen_part_alone_has_the_int8_scale_that_it_has_in_the_whole(
    weights: Path, photos: NDArray[np.uint8]
) -> None:
    stem = build_stem()
    load_backbone(weights, stem)
    assert _last_scale(stem, photos) == _last_scale(join(stem, build_body()), photos)


@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
def test_wrong_weights_are_one_line_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save_weights(path)
    with pytest.raises(TrainingError, match=r"other\.weights\.h5") as caught:
        load_backbone(path, build_stem())
    assert "\n" not in str(caught.value)


def test_a_layer_survives_saving() -> None:
    layer = ScaledConv(4, size=3, stride=2, depthwise=True, padding="valid", relu6=False, name="one")
    assert ScaledConv.from_config(layer.get_config()).get_config() == layer.get_config()


def test_pixels_span_minus_one_to_one() -> None:
    assert to_real(np.array([0, 255], np.uint8)).tolist() == [-1.0, 1.0]


def _last_scale(model: keras.Model, photos: NDArray[np.uint8]) -> tuple[float, int]:
    """Scale and zero point of what follows the frozen blocks."""
    details = Interpreter(model_content=convert(converter_int8(model, photos))).get_tensor_details()
    tensors = [one for one in details if list(one["shape"]) == [1, 28, 28, 16] and one["dtype"] is np.int8]
    scale, zero = tensors[-1]["quantization"]
    return scale, zero
