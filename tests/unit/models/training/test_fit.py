import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from models.training import fit as fitting
from models.training.features import MASK_SIDE, Targets
from models.training.fit import BATCH, batches, fit, loss, rate, start_from_means
from models.training.network import build_body

# Keras and TensorFlow warn of their own ways, which are not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

PHOTOS, VIEWS = 8, 3
ROWS = np.arange(PHOTOS)
NAN = float("nan")


@pytest.fixture
def targets(monkeypatch: pytest.MonkeyPatch) -> Targets:
    """Every other photo is good."""
    monkeypatch.setattr(fitting, "BATCH", PHOTOS)
    good = (ROWS % 2).astype(np.float32)[:, None, None]
    return Targets(
        np.tile(good, (1, VIEWS, 5)),
        np.tile((1 - good) / 12, (1, VIEWS, 12)),
        np.full((PHOTOS, VIEWS, MASK_SIDE, MASK_SIDE, 1), 0.5, np.float16),
    )


@pytest.fixture
def features() -> NDArray[np.float16]:
    """Noise, with good photos brighter."""
    noise = np.random.default_rng(0).normal(0, 1, (PHOTOS, VIEWS, 28, 28, 16))
    return (noise + 3 * (ROWS % 2)[:, None, None, None, None]).astype(np.float16)


def lost(logit: float, votes: list[float], *, mask: float = 0.5) -> float:
    heads = {
        "observers": np.full((1, 5), logit, np.float32),
        "reasons": np.zeros((1, 12), np.float32),
        "mask": np.zeros((1, MASK_SIDE, MASK_SIDE, 1), np.float32),
    }
    masks = np.full((1, MASK_SIDE, MASK_SIDE, 1), mask, np.float32)
    return float(loss(heads, np.array([votes], np.float32), np.zeros((1, 12), np.float32), masks))


def test_a_right_vote_costs_less_than_a_wrong_one() -> None:
    assert lost(3, [1] * 5) < lost(0, [1] * 5) < lost(-3, [1] * 5)


def test_an_unseen_vote_costs_nothing() -> None:
    assert lost(3, [1, 1, NAN, NAN, NAN]) < lost(3, [1, 1, 0, 0, 0])
    assert np.isfinite(lost(3, [NAN] * 5))


def test_an_unknown_mask_costs_nothing() -> None:
    assert lost(3, [1] * 5, mask=NAN) < lost(3, [1] * 5, mask=0.5)


def test_a_teacher_without_a_mask_has_the_same_loss_otherwise() -> None:
    heads = {"observers": np.full((1, 5), 3, np.float32), "reasons": np.zeros((1, 12), np.float32)}
    masks = np.zeros((1, MASK_SIDE, MASK_SIDE, 1), np.float32)
    alone = float(loss(heads, np.ones((1, 5), np.float32), np.zeros((1, 12), np.float32), masks))
    assert alone == pytest.approx(lost(3, [1] * 5, mask=NAN))


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    assert rate(0, 1000, 1e-3) < rate(100, 1000, 1e-3) > rate(500, 1000, 1e-3) > rate(999, 1000, 1e-3)
    assert rate(999, 1000, 1e-3) < 1e-7


def test_an_epoch_deals_every_photo_once(features: NDArray[np.float16], targets: Targets) -> None:
    (batch,) = batches(features, targets, ROWS, VIEWS, 1)
    assert len(batch[0]) == PHOTOS
    assert sorted(batch[1][:, 0].tolist()) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert BATCH == 32


def test_only_the_rows_and_views_that_are_asked_for_are_dealt(features: NDArray[np.float16], targets: Targets) -> None:
    targets.votes[2:] = NAN
    targets.votes[:, 1:] = NAN
    for batch in batches(features, targets, ROWS[:2], 1, 5):
        assert np.isfinite(batch[1]).all()


def test_the_classifiers_start_from_the_usual_votes(targets: Targets) -> None:
    body = build_body()
    start_from_means(body, targets, ROWS)
    assert body.get_layer("observers").bias.numpy() == pytest.approx(np.zeros(5), abs=1e-6)


def test_a_few_steps_learn_and_a_second_run_is_the_same(features: NDArray[np.float16], targets: Targets) -> None:
    losses = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        body = build_body()
        (batch,) = batches(features, targets, ROWS, VIEWS, 1)
        before = float(loss(body(batch[0]), *batch[1:]))
        losses.append(fit(body, batches(features, targets, ROWS, VIEWS, 12), 12, 2e-3))
    assert losses[0] < before
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
