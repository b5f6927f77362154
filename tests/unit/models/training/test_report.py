from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from models.reasons import ReasonCode
from models.training.data import Photo
from models.training.labels import Label
from models.training.report import Prediction, is_right, judge_reasons, main_reasons, report, slices


def a_label(good: int = 0, faults: tuple[tuple[str, float], ...] = (), category: str = "car", **reasons: int) -> Label:
    photo = Photo("g", category, faults, Path("g.jpg"), "photos.csv row 2")
    return Label(photo, float(good), good, 5, (0, 0, 0, 0, 0), Counter(reasons))


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (a_label(1, blurry=3, too_dark=1), {"blurry"}),
        (a_label(1, blurry=2, too_dark=2), {"blurry", "too_dark"}),
        (a_label(2, blurry=3), {"blurry"}),
        (a_label(3, blurry=2), set()),
        (a_label(0, other=4, blurry=1), set()),
        (a_label(1, other=2, blurry=2), {"blurry"}),
    ],
)
def test_main_reasons_are_those_most_bad_votes_give(label: Label, expected: set[str]) -> None:
    assert main_reasons(label) == expected


@pytest.mark.parametrize(
    ("reason", "expected", "right"),
    [
        ("noisy", {"noisy"}, True),
        ("noisy", {"low_resolution"}, True),
        ("low_resolution", {"noisy"}, True),
        ("noisy", {"blurry"}, False),
        ("blurry", {"noisy"}, False),
        ("blurry", {"blurry", "glare"}, True),
    ],
)
def test_one_word_of_the_observers_stands_for_noisy_and_low_resolution(
    reason: str, expected: set[str], *, right: bool
) -> None:
    assert is_right(ReasonCode(reason), {ReasonCode(one) for one in expected}) is right


def test_photos_without_a_main_reason_do_not_count() -> None:
    labels = [a_label(0, glare=5), a_label(0, blurry=5), a_label(5), a_label(0, other=5)]
    predictions = [Prediction(1, ReasonCode.GLARE)] * 4

    assert judge_reasons(labels, predictions).value == 0.5


def test_model_without_reasons_has_no_main_reason_figure() -> None:
    assert np.isnan(judge_reasons([a_label(0, glare=5)], [Prediction(1)]).value)


def test_photo_with_two_faults_is_in_both_slices() -> None:
    both, one, none = a_label(faults=(("dark", 0.5), ("glare", 0.2))), a_label(faults=(("dark", 0.5),)), a_label()

    chosen = {name: which.tolist()[:3] for name, which in slices([both, one, none] * 10)}

    assert chosen["all"] == [True, True, True]
    assert chosen["untouched"] == [False, False, True]
    assert chosen["touched"] == [True, True, False]
    assert chosen["fault dark"] == [True, True, False]
    assert chosen["fault glare"] == [True, False, False]
    assert chosen["category car"] == [True, True, True]


def test_small_slices_are_left_out_of_a_report() -> None:
    labels = [a_label(index % 6) for index in range(30)] + [a_label(2, category="sofa")] * 3
    predictions = [Prediction(label.score) for label in labels]

    result = report(labels, predictions)

    assert set(result) == {"all", "untouched", "category car"}
    assert result["all"]["photos"].value == 33
    assert result["category car"]["rmse"].value == 0
