from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from models import attributes
from models.attributes import Grey, Mask

RNG = np.random.default_rng(7)
TEXTURE = Image.fromarray(RNG.integers(0, 256, (224, 224), dtype=np.uint8)).filter(ImageFilter.GaussianBlur(1))
NOTHING: Mask = np.zeros((14, 14), dtype=bool)


def plain(level: float) -> Grey:
    return np.full((112, 112), level, dtype=np.float32)


def halves(left: float, right: float) -> Grey:
    grey = plain(left)
    grey[:, 56:] = right
    return grey


@pytest.mark.parametrize(
    ("measure", "grey", "expected"),
    [
        (attributes.brightness, plain(0), 0),
        (attributes.brightness, plain(1), 1),
        (attributes.brightness, halves(0.2, 0.6), 0.4),
        (attributes.contrast, plain(0.3), 0),
        (attributes.contrast, halves(0, 1), 0.5),
        (attributes.sharpness, plain(0.5), 0),
        (attributes.white_share, halves(0.9, 1), 0.5),
        (attributes.black_share, halves(0.1, 0), 0.5),
        (attributes.unevenness, plain(0.7), 0),
        (attributes.unevenness, halves(0.1, 0.9), 0.8),
    ],
)
def test_luma_attribute(measure: Callable[[Grey], float], grey: Grey, expected: float) -> None:
    assert measure(grey) == pytest.approx(expected, abs=1e-6)


def test_blur_takes_sharpness_away_step_by_step() -> None:
    sharpness = [
        attributes.sharpness(attributes.to_grey(TEXTURE.filter(ImageFilter.GaussianBlur(radius))))
        for radius in (0, 1, 2, 4)
    ]

    assert sharpness == sorted(sharpness, reverse=True)
    assert sharpness[0] > 5 * sharpness[-1]


@pytest.mark.parametrize(
    ("colour", "expected"), [((0.5, 0.5, 0.5), 0), ((1, 0, 0), 1), ((0.6, 0.5, 0.4), 0.2), ((1, 1, 1), 0)]
)
def test_colour_cast(colour: tuple[float, float, float], expected: float) -> None:
    rgb = np.full((28, 28, 3), colour, dtype=np.float32)

    assert attributes.colour_cast(rgb) == pytest.approx(expected, abs=1e-4)


def test_subject_in_the_middle_touches_no_edge() -> None:
    subject = NOTHING.copy()
    subject[4:10, 4:11] = True

    assert attributes.subject_share(subject) == pytest.approx(42 / 196)
    assert attributes.subject_at_edge(subject) == 0


def test_subject_against_one_side_covers_that_share_of_the_border() -> None:
    subject = NOTHING.copy()
    subject[:, 0] = True

    assert attributes.subject_at_edge(subject) == pytest.approx(14 / 52)


@pytest.mark.parametrize("subject", [NOTHING, ~NOTHING])
def test_no_difference_without_both_subject_and_background(subject: Mask) -> None:
    assert attributes.subject_difference(halves(0, 1), subject) == 0


def test_difference_between_subject_and_background() -> None:
    subject = NOTHING.copy()
    subject[:, 7:] = True

    assert attributes.subject_difference(halves(0.2, 0.9), subject) == pytest.approx(0.7, abs=1e-6)


@pytest.mark.parametrize("level", [0, 255])
def test_measure_names_every_attribute_and_stays_in_range(level: int) -> None:
    pixels: NDArray[np.uint8] = np.full((224, 224, 3), level, dtype=np.uint8)

    values = attributes.measure(pixels, NOTHING)

    assert values["brightness"] == level / 255
    assert values["white_share"] == (level == 255)
    assert values["black_share"] == (level == 0)
    assert set(values) == {
        "brightness",
        "contrast",
        "sharpness",
        "white_share",
        "black_share",
        "unevenness",
        "colour_cast",
        "subject_share",
        "subject_at_edge",
        "subject_difference",
    }
    assert all(0 <= value <= 1 for value in values.values())
