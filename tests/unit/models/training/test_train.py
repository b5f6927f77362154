from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.runtime import Runtime
from models.training import train
from models.training.errors import TrainingError
from models.training.network import build_body, build_stem, join
from models.training.quantise import quantise
from models.training.train import BATCH, MASK_SIDE, VIEWS, Views, batches, fit, loss, rate, read_mask

# Keras and TensorFlow warn of their own ways, which are not ours to change.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs:UserWarning"),
]


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Views:
    monkeypatch.setattr(train, "BATCH", 8)
    random = np.random.default_rng(0)
    good = (np.arange(8) % 2).astype(np.float32)[:, None, None]
    features = random.normal(0, 1, (8, VIEWS, 28, 28, 16)) + 3 * good[..., None, None]
    return Views(
        features.astype(np.float16),
        np.tile(good, (1, VIEWS, 5)).astype(np.float32),
        np.tile((1 - good) / 12, (1, VIEWS, 12)).astype(np.float32),
        np.full((8, VIEWS, MASK_SIDE, MASK_SIDE, 1), 0.5, np.float16),
    )


def heads(votes: float) -> dict[str, NDArray[np.float32]]:
    return {
        "observers": np.full((1, 5), votes, np.float32),
        "reasons": np.zeros((1, 12), np.float32),
        "mask": np.zeros((1, MASK_SIDE, MASK_SIDE, 1), np.float32),
    }


def lost(logit: float, votes: list[float]) -> float:
    reasons = np.zeros((1, 12), np.float32)
    masks = np.zeros((1, MASK_SIDE, MASK_SIDE, 1), np.float32)
    return float(loss(heads(logit), np.array([votes], np.float32), reasons, masks))


def test_a_right_vote_costs_less_than_a_wrong_one() -> None:
    assert lost(3, [1] * 5) < lost(0, [1] * 5) < lost(-3, [1] * 5)


def test_an_unseen_vote_costs_nothing() -> None:
    nan = float("nan")
    assert lost(3, [1, 1, nan, nan, nan]) < lost(3, [1, 1, 0, 0, 0])
    assert np.isfinite(lost(3, [nan] * 5))


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    assert rate(0, 1000) < rate(100, 1000) > rate(500, 1000) > rate(999, 1000)
    assert rate(999, 1000) < 1e-7


def test_an_epoch_deals_every_photo_once(views: Views) -> None:
    (batch,) = batches(views, 1)
    assert len(batch[0]) == 8
    assert sorted(batch[1][:, 0].tolist()) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert BATCH == 32


def test_a_few_steps_learn_and_a_second_run_is_the_same(views: Views) -> None:
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        body = build_body()
        first = body(views.features[:, 0].astype(np.float32))
        before = float(loss(first, views.votes[:, 0], views.reasons[:, 0], views.masks[:, 0].astype(np.float32)))
        losses.append(fit(body, views, 12))
    assert losses[0] < before
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_an_untrained_network_quantises_with_named_heads(tmp_path: Path) -> None:
    path = tmp_path / "quality.tflite"
    samples = np.random.default_rng(0).integers(0, 256, (4, 224, 224, 3), dtype=np.uint8)
    path.write_bytes(quantise(join(build_stem(), build_body()), samples))
    assert path.stat().st_size < 450_000
    assert {name: head.shape for name, head in Runtime(path).invoke(samples[0]).items()} == {
        "observers": (5,),
        "reasons": (12,),
        "mask": (14, 14, 1),
    }


def test_a_missing_mask_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"masks/a\.png.*run the masks step"):
        read_mask(tmp_path, "a")


def test_a_mask_is_read_at_the_networks_size(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", (50, 40), 200).save(tmp_path / "masks" / "a.png")
    assert read_mask(tmp_path, "a").tolist() == np.full((224, 224), 200).tolist()
