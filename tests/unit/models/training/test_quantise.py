from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.location import DEFAULT_MODEL
from models.runtime import Runtime
from models.training.errors import TrainingError
from models.training.network import build_body, build_stem, join
from models.training.quantise import LARGEST, load, quantise, rmse, time_invokes, to_int8, uncut

HEADS = {"observers": (5,), "reasons": (12,), "mask": (14, 14, 1)}


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)


def test_the_shipped_file_is_small() -> None:
    assert DEFAULT_MODEL.stat().st_size < LARGEST == 450_000


def test_the_shipped_file_names_its_heads(pixels: NDArray[np.uint8]) -> None:
    heads = Runtime(DEFAULT_MODEL).invoke(pixels)
    assert {name: head.shape for name, head in heads.items()} == HEADS


def test_the_shipped_file_sees_a_difference(pixels: NDArray[np.uint8]) -> None:
    runtime = Runtime(DEFAULT_MODEL)
    noise, grey = runtime.invoke(pixels), runtime.invoke(np.full_like(pixels, 128))
    assert not np.array_equal(noise["observers"], grey["observers"])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_an_untrained_network_quantises_with_named_heads(tmp_path: Path) -> None:
    path = tmp_path / "quality.tflite"
    samples = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    path.write_bytes(quantise(join(build_stem(), build_body()), samples))
    assert path.stat().st_size < LARGEST
    assert {name: head.shape for name, head in Runtime(path).invoke(samples[0]).items()} == HEADS


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning")
def test_invokes_are_timed_beside_the_uncut_network_s(pixels: NDArray[np.uint8]) -> None:
    content = to_int8(uncut(), pixels[np.newaxis])
    assert len(content) > LARGEST
    assert min(time_invokes([DEFAULT_MODEL.read_bytes(), content], pixels)) > 0


def test_rmse_is_in_stars() -> None:
    assert rmse(np.array([1, 3], np.float32), np.array([2, 5], np.float32)) == pytest.approx(2.5**0.5)


def test_a_missing_network_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"network\.keras"):
        load(tmp_path / "network.keras")
