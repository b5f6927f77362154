import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.errors import ModelError
from models.judge import Judge, Judgement, rank
from models.reasons import ReasonCode

WriteModel = Callable[..., Path]


def judgement(score: float) -> Judgement:
    return Judgement(score=score, ranked=(ReasonCode.GLARE, ReasonCode.BLURRY), attributes={}, model="quality@0")


def reasons_head(**logits: float) -> np.ndarray:
    return np.array([logits.get(code, -6.0) for code in ReasonCode], dtype=np.float32)


@pytest.mark.parametrize(("score", "stars"), [(0.0, 0), (0.49, 0), (0.5, 1), (2.5, 3), (2.49, 2), (4.5, 5), (5.0, 5)])
def test_stars_round_half_up(score: float, stars: int) -> None:
    assert judgement(score).stars == stars


@pytest.mark.parametrize(("score", "given"), [(2.49, True), (2.5, False), (2.51, False)])
def test_reasons_are_given_below_the_threshold_only(score: float, *, given: bool) -> None:
    expected = (ReasonCode.GLARE, ReasonCode.BLURRY) if given else ()

    assert judgement(score).reasons(2.5) == expected


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        ({}, ["too_dark", "overexposed", "glare"]),
        ({"blurry": 3}, ["blurry"]),
        ({"blurry": 1, "noisy": 0}, ["blurry", "noisy"]),
        ({"cut_off": 4, "glare": 3, "too_dark": 2, "too_small": 1}, ["cut_off", "glare", "too_dark"]),
    ],
)
def test_reasons_are_one_to_three_most_likely_first(logits: dict[str, float], expected: Sequence[str]) -> None:
    assert [str(code) for code in rank(reasons_head(**logits))] == expected


@pytest.mark.parametrize(
    ("colour", "score"), [((0, 0, 0), 0.0), ((128, 128, 128), 2.5), ((255, 255, 255), 5.0), ((0, 128, 255), 2.5)]
)
def test_score_is_the_sum_of_the_observers_probabilities(
    write_model: WriteModel, colour: tuple[int, int, int], score: float
) -> None:
    judge = Judge(write_model(scale=1.0, zero=128))

    assert judge.judge(Image.new("RGB", (300, 200), colour)).score == pytest.approx(score, abs=0.5)


def test_middle_grey_is_exactly_half_way(write_model: WriteModel) -> None:
    judged = Judge(write_model(scale=0.1, zero=128)).judge(Image.new("RGB", (640, 480), (128, 128, 128)))

    assert judged.score == 2.5
    assert judged.ranked == (ReasonCode.TOO_DARK, ReasonCode.OVEREXPOSED, ReasonCode.GLARE)


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (7, 3), (1600, 1200)])
def test_photo_of_any_size_is_judged(write_model: WriteModel, size: tuple[int, int]) -> None:
    judged = Judge(write_model(scale=0.1, zero=128)).judge(Image.new("RGB", size, (10, 200, 30)))

    assert 0 <= judged.score <= 5
    assert 1 <= len(judged.ranked) <= 3
    assert json.loads(json.dumps(dict(judged.attributes))) == judged.attributes


def test_same_photo_gets_the_same_judgement(write_model: WriteModel) -> None:
    judge = Judge(write_model(scale=0.02, zero=128))
    photo = Image.fromarray(np.random.default_rng(1).integers(0, 256, (333, 444, 3), dtype=np.uint8))

    assert judge.judge(photo) == judge.judge(photo)


def test_model_is_named_after_its_content(write_model: WriteModel) -> None:
    path = write_model()

    assert Judge(path).model == "quality@" + hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def test_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone\.tflite"):
        Judge(tmp_path / "gone.tflite")
