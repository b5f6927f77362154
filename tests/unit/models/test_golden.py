"""The committed model's scores of the sample photo and of what sellers do to such a photo.

After a new model, look at what `python tests/unit/models/test_golden.py` prints; it writes golden.json anew.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from models.judge import Judge, Judgement

SAMPLE = Path(__file__).parents[3] / "worker" / "demo" / "samples" / "coffee.jpg"
GOLDEN = Path(__file__).with_name("golden.json")

Spoil = Callable[[Image.Image, float], Image.Image]


def darken(photo: Image.Image, light: float) -> Image.Image:
    return photo.point(lambda level: level * light ** (1 / 2.2))


def add_glare(photo: Image.Image, light: float) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : photo.height * 1j, -1 : 1 : photo.width * 1j]
    flash = 255 * light * np.exp(-(((x / 0.55) ** 2 + (y / 0.6) ** 2) ** 2))
    return Image.fromarray(np.clip(np.asarray(photo) + flash[..., np.newaxis], 0, 255).astype(np.uint8))


def blur(photo: Image.Image, share: float) -> Image.Image:
    return photo.filter(ImageFilter.GaussianBlur(photo.width * share))


def cut_off(photo: Image.Image, share: float) -> Image.Image:
    left, top = photo.width * (1 - share), photo.height * (1 - share)
    return photo.crop((0, round(top), round(photo.width - left), photo.height))


SPOILT: Mapping[str, tuple[Spoil, float, float]] = {
    "dark": (darken, 1 / 12, 1 / 30),
    "glare": (add_glare, 0.8, 1.6),
    "blurred": (blur, 1 / 60, 1 / 30),
    "cut off": (cut_off, 0.6, 0.47),
}
"""Each way to spoil a photo, mild and hard."""


def variants() -> dict[str, Image.Image]:
    with Image.open(SAMPLE) as opened:
        photo = opened.convert("RGB")
    spoilt = {
        f"{name}, {strength}": spoil(photo, amount)
        for name, (spoil, *amounts) in SPOILT.items()
        for strength, amount in zip(("mild", "hard"), amounts, strict=True)
    }
    return {"original": photo, **spoilt}


@cache
def judged() -> dict[str, Judgement]:
    judge = Judge()
    return {name: judge.judge(photo) for name, photo in variants().items()}


def to_golden(judgements: Mapping[str, Judgement]) -> dict[str, object]:
    return {
        "model": judgements["original"].model,
        "photos": {name: {"score": one.score, "reasons": list(one.ranked)} for name, one in judgements.items()},
    }


def test_scores_and_reasons_are_exactly_the_recorded_ones() -> None:
    assert to_golden(judged()) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("name", SPOILT)
def test_harder_scores_below_milder_and_milder_below_the_original(name: str) -> None:
    scores = judged()

    assert scores[f"{name}, hard"].score < scores[f"{name}, mild"].score < scores["original"].score


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(to_golden(judged()), indent=1) + "\n")
    print(GOLDEN.read_text())  # noqa: T201 - to be looked at
