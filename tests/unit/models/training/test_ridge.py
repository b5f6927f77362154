import numpy as np
import pytest

from models.training.ridge import Kernel, Ridge, ask
from models.training.ridge import fit as fit_groups

GROUPS = (2, 6)


def fit(pooled: np.ndarray, votes: np.ndarray, reasons: np.ndarray) -> Ridge:
    return fit_groups(pooled, votes, reasons, np.ones(len(pooled)), GROUPS)


def photos(seed: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pooled = np.random.default_rng(seed).normal(0, 1, (number, 8)).astype(np.float16)
    votes = np.repeat((pooled[:, :1] > 0).astype(np.float32), 5, axis=1)
    reasons = np.repeat((pooled[:, 1:2] > 0).astype(np.float32), 12, axis=1)
    return pooled, votes, reasons


def test_it_judges_photos_that_it_has_not_seen() -> None:
    ridge = fit(*photos(0, 400))
    pooled, votes, reasons = photos(1, 200)
    said_votes, said_reasons = ask(ridge, pooled)
    assert np.mean((said_votes > 0.5) == votes) > 0.8
    assert np.mean((said_reasons > 0.5) == reasons) > 0.8


def test_answers_are_probabilities() -> None:
    pooled, *_ = photos(1, 50)
    for said in ask(fit(*photos(0, 100)), pooled * 4):
        assert said.dtype == np.float32
        assert said.min() >= 0
        assert said.max() <= 1


def test_far_from_every_photo_it_gives_the_usual_answer() -> None:
    pooled, votes, reasons = photos(0, 100)
    votes[:, 0] = 1
    pooled[0] = 0
    said, _ = ask(fit(pooled, votes, reasons), np.full((1, 8), 1000, np.float16))
    assert said[0, 0] == pytest.approx(1, abs=1e-3)


def test_a_vote_that_nobody_gave_counts_as_the_others() -> None:
    pooled, votes, reasons = photos(0, 100)
    gaps = votes.copy()
    gaps[::2, 3] = np.nan
    assert np.array_equal(ask(fit(pooled, gaps, reasons), pooled)[0], ask(fit(pooled, votes, reasons), pooled)[0])


def test_a_photo_without_weight_teaches_nothing() -> None:
    pooled, votes, reasons = photos(0, 100)
    wrong = votes.copy()
    wrong[50:] = 1 - wrong[50:]
    weights = np.repeat([1, 1e-9], 50)
    by_wrong, by_votes = (fit_groups(pooled, one, reasons, weights, GROUPS) for one in (wrong, votes))
    assert ask(by_wrong, pooled[:50])[0] == pytest.approx(ask(by_votes, pooled[:50])[0], abs=1e-3)


def test_an_outlier_in_one_channel_is_clipped() -> None:
    pooled, votes, reasons = photos(0, 100)
    ridge = fit(pooled, votes, reasons)
    one, two = pooled[:1].copy(), pooled[:1].copy()
    one[0, 5], two[0, 5] = 100, 1000
    assert np.array_equal(ask(ridge, one)[0], ask(ridge, two)[0])


def test_a_photo_is_most_like_itself() -> None:
    pooled, *_ = photos(0, 50)
    likeness = Kernel.of(pooled, GROUPS)(pooled)
    assert np.diagonal(likeness) == pytest.approx(1, abs=1e-3)
    assert (likeness.argmax(axis=1) == np.arange(50)).all()
    assert likeness.min() >= 0


def test_each_group_of_features_has_the_same_say() -> None:
    pooled, *_ = photos(0, 50)
    kernel = Kernel.of(pooled, GROUPS)
    for group in (slice(0, 2), slice(2, 8)):
        changed = pooled[:1].copy()
        changed[:, group] = 1000
        assert kernel(changed)[0, 0] == pytest.approx(0.5, abs=0.1)
