from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from models.training.calibrate import FEWEST, anchors, calibrate, offsets
from models.training.dataset import Table
from models.training.network import build_body

# Keras warns of its own ways, which are not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def table() -> Table:
    """Make a first round, in which some photos have a fault, and a second, in which none has."""
    ids = tuple(f"{name}{number:04}" for name in "pu" for number in range(FEWEST))
    faults = tuple((("dark", 0.5),) if name.startswith("p") and name.endswith("7") else () for name in ids)
    count = len(ids)
    nothing = np.zeros((count, 17), np.float32)
    part = np.array(["train"] * count)
    return Table(ids, faults, nothing[:, 0], nothing[:, :5], nothing[:, 5:], part)


def test_mean_votes_become_those_cast() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, (200, 5)).astype(np.float32)
    votes = (random.random((200, 5)) < [0.9, 0.6, 0.4, 0.5, 0.7]).astype(np.float32)
    assert expit(logits + offsets(logits, votes)).mean(axis=0) == pytest.approx(votes.mean(axis=0), abs=1e-4)


def test_votes_that_nobody_cast_move_nothing() -> None:
    logits = np.zeros((4, 5), np.float32)
    votes = np.tile(np.array([1, 0, np.nan, 0.5, 1], np.float32), (4, 1))
    votes[0, 4] = np.nan
    moved = offsets(logits, votes)
    assert moved[2] == 0
    assert moved[3] == pytest.approx(0, abs=1e-6)
    assert moved[[0, 4]] == pytest.approx(-moved[1], abs=1e-3)


def test_the_round_with_faults_calibrates(table: Table) -> None:
    assert all(table.ids[row].startswith("p") for row in anchors(table, np.arange(2 * FEWEST)))


def test_a_round_too_small_does_not_calibrate_alone(table: Table) -> None:
    rows = np.arange(1, 2 * FEWEST)
    assert np.array_equal(anchors(table, rows), rows)


def test_without_faults_all_photos_calibrate(table: Table) -> None:
    rows = np.arange(2 * FEWEST)
    assert np.array_equal(anchors(replace(table, faults=((),) * len(rows)), rows), rows)


def test_a_network_says_good_as_often_as_observers_did() -> None:
    random = np.random.default_rng(0)
    body = build_body()
    features = random.normal(0, 1, (8, *body.input_shape[1:])).astype(np.float16)
    votes = np.tile(np.array([1, 0.5, 0.5, 0.5, 0.25], np.float32), (8, 1))
    calibrate(body, features, votes)
    said = expit(np.asarray(body(features.astype(np.float32))["observers"]))
    assert said.mean(axis=0) == pytest.approx(np.clip(votes[0], 1e-3, 1 - 1e-3), abs=1e-4)
