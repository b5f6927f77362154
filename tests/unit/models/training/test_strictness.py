import numpy as np
import pytest
from scipy.special import expit

from models.training.strictness import Floats, fit, fleiss_kappa

STRICTNESS = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])


@pytest.fixture(scope="module")
def votes() -> Floats:
    rng = np.random.default_rng(11)
    quality = 3 * rng.standard_normal(600)
    return np.asarray(rng.random((600, 5)) < expit(quality[:, np.newaxis] - STRICTNESS), dtype=np.float64)


def hide(votes: Floats, seen: int) -> Floats:
    """Leave every photo to `seen` observers drawn at random."""
    order = np.random.default_rng(5).random(votes.shape).argsort(axis=1)
    return np.where(order < seen, votes, np.nan)


def test_fit_recovers_the_observers(votes: Floats) -> None:
    panel = fit(votes)

    assert panel.spread == pytest.approx(3, abs=0.4)
    assert panel.strictness == pytest.approx(STRICTNESS, abs=0.4)


def test_complete_votes_are_left_as_they_are(votes: Floats) -> None:
    assert (fit(votes).expected(votes) == votes).all()


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_expected_score_beats_five_times_the_mean_of_the_votes_cast(votes: Floats, seen: int) -> None:
    partial = hide(votes, seen)
    truth = votes.sum(axis=1)

    expected = fit(partial).expected(partial).sum(axis=1)

    plain = 5 * np.nanmean(partial, axis=1)
    error = np.sqrt(np.mean((expected - truth) ** 2))
    assert error < 0.85 * np.sqrt(np.mean((plain - truth) ** 2))
    assert expected.mean() == pytest.approx(truth.mean(), abs=0.1)


def test_good_vote_of_a_strict_observer_is_worth_more(votes: Floats) -> None:
    panel = fit(votes)
    nan = np.nan

    easy, strict = panel.expected(np.array([[1, nan, nan, nan, nan], [nan, nan, nan, nan, 1]])).sum(axis=1)

    assert strict > easy + 1


def test_observer_who_always_says_good_stays_finite(votes: Floats) -> None:
    votes = votes.copy()
    votes[:, 0] = 1

    assert np.isfinite(fit(votes).strictness).all()


def test_kappa_of_fleiss_own_kind_of_table() -> None:
    votes = np.array([[1, 1, 1], [0, 0, 0], [1, 1, 0], [1, 0, 0]], dtype=np.float64)

    # Agreement (1 + 1 + 1/3 + 1/3) / 4 = 2/3, half of the votes good: chance 1/2.
    assert fleiss_kappa(votes) == pytest.approx((2 / 3 - 1 / 2) / (1 / 2))


def test_kappa_passes_over_photos_with_one_vote() -> None:
    votes = np.array([[1, 1], [0, 0], [1, np.nan]], dtype=np.float64)

    assert fleiss_kappa(votes) == 1


def test_kappa_of_one_sided_votes_is_undefined() -> None:
    assert np.isnan(fleiss_kappa(np.ones((4, 3))))
