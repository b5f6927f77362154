import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from models.training import metrics
from models.training.metrics import Figure

VOTES = np.array([0, 1, 2, 3, 4, 5], dtype=np.float64)
RNG = np.random.default_rng(2)
MANY_VOTES = RNG.integers(0, 6, 300).astype(np.float64)
MANY_SCORES = np.clip(MANY_VOTES + RNG.normal(0, 1.5, 300), 0, 5).round(1)


def test_perfect_scores() -> None:
    assert metrics.rmse(VOTES, VOTES) == 0
    assert metrics.spearman(VOTES, VOTES) == pytest.approx(1)
    assert metrics.auc(VOTES, VOTES) == 1
    assert metrics.accuracy(VOTES, VOTES) == 1
    assert metrics.calibration_error(VOTES, VOTES) == 0


def test_upside_down_scores() -> None:
    assert metrics.spearman(5 - VOTES, VOTES) == pytest.approx(-1)
    assert metrics.auc(5 - VOTES, VOTES) == 0
    assert metrics.accuracy(5 - VOTES, VOTES) == 0


def test_constant_score_ranks_nothing() -> None:
    constant = np.full(6, 2.5)

    assert np.isnan(metrics.spearman(constant, VOTES))
    assert metrics.auc(constant, VOTES) == 0.5
    assert metrics.spread(constant, VOTES) == 0
    assert metrics.rmse(constant, VOTES) == pytest.approx(np.sqrt(35 / 12))


def test_auc_without_both_classes_is_undefined() -> None:
    assert np.isnan(metrics.auc(VOTES, np.full(6, 5.0)))


def test_ties_count_as_the_libraries_count_them() -> None:
    assert metrics.auc(MANY_SCORES, MANY_VOTES) == pytest.approx(roc_auc_score(MANY_VOTES >= 2.5, MANY_SCORES))
    assert metrics.spearman(MANY_SCORES, MANY_VOTES) == pytest.approx(spearmanr(MANY_SCORES, MANY_VOTES).statistic)


def test_score_that_is_half_a_star_too_high_is_that_far_from_calibrated() -> None:
    assert metrics.calibration_error(MANY_VOTES + 0.5, MANY_VOTES) == pytest.approx(0.5)


def test_interval_holds_the_value_and_is_the_same_every_time() -> None:
    first, again = (metrics.measure(MANY_SCORES, MANY_VOTES) for _ in range(2))

    assert first == again
    assert all(figure.low < figure.value < figure.high for figure in first.values())


def test_interval_of_a_share_is_that_of_the_binomial() -> None:
    figure = metrics.measure_share(np.arange(400) < 100)

    assert figure.value == 0.25
    assert figure.high - figure.low == pytest.approx(2 * 1.96 * np.sqrt(0.25 * 0.75 / 400), rel=0.1)


def test_share_of_nothing_is_undefined() -> None:
    assert np.isnan(metrics.measure_share(np.zeros(0, dtype=bool)).value)


def test_same_scores_do_not_differ() -> None:
    assert all(figure == Figure(0, 0, 0) for figure in metrics.compare(MANY_SCORES, MANY_SCORES, MANY_VOTES).values())


def test_paired_interval_of_a_better_model_excludes_zero() -> None:
    worse = np.clip(MANY_VOTES + np.random.default_rng(3).normal(0, 3, 300), 0, 5)

    assert metrics.compare(MANY_SCORES, worse, MANY_VOTES)["rmse"].high < 0


def test_figure_without_meaning_is_null_in_json_and_a_dash_in_print() -> None:
    figure = Figure(float("nan"), float("nan"), float("nan"))

    assert json.dumps(figure.as_list()) == "[null, null, null]"
    assert str(figure) == "-"
    assert str(Figure(0.91234, 0.9, 1)) == "0.912\n0.90..1.00"
