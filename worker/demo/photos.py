"""The photos of the demo: one good photo, and the ways that sellers spoil one, made from it in code."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SAMPLE = Path(__file__).parent / "samples" / "coffee.jpg"
JPEG_QUALITY = 90
ERROR_PAGE = b"<!doctype html><title>Service unavailable</title><p>Please come back later.</p>\n"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must come of a photo: its final state and, when scored, whether a retake is asked for, and why."""

    state: str
    retake: bool = False
    reason: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo for the image host; `read` gives its bytes, or None where the host must answer 404."""

    name: str
    read: Callable[[], bytes | None]
    expected: Expectation | None = None


def sample_photos() -> list[Photo]:
    """A handful of photos, each with what must come of it."""
    good = Image.open(SAMPLE).convert("RGB")
    return [
        _made("good", good, Expectation("scored")),
        _made("dark", darken(good), Expectation("scored", retake=True, reason="too_dark")),
        _made("glare", add_glare(good), Expectation("scored", retake=True, reason="glare")),
        _made("blurred", blur(good), Expectation("scored", retake=True, reason="blurry")),
        _made("cut off", cut_off(good), Expectation("scored", retake=True, reason="cut_off")),
        Photo("not an image", lambda: ERROR_PAGE, Expectation("rejected", error_code="not_an_image")),
        Photo("missing", lambda: None, Expectation("unreachable", error_code="not_found")),
    ]


def own_photos(paths: list[Path]) -> list[Photo]:
    """The caller's own files, of which nothing is known beforehand."""
    return [Photo(str(path), path.read_bytes) for path in paths]


def darken(photo: Image.Image) -> Image.Image:
    """A photo taken with a thirtieth of the light that it needs (in linear light, gamma 2.2)."""
    return _map_levels(photo, lambda level: level * (1 / 30) ** (1 / 2.2))


def add_glare(photo: Image.Image) -> Image.Image:
    """A lamp that shines into the lens: a flare at the upper right, and a veil of light over all."""
    y, x = np.mgrid[0 : 1 : photo.height * 1j, 0 : 1 : photo.width * 1j]
    flare = np.exp(-((x - 0.75) ** 2 + (y - 0.25) ** 2) / 0.25)
    veil = np.clip(0.3 + 0.85 * flare, 0, 1)[..., np.newaxis]
    return _map_levels(photo, lambda level: level * (1 - veil) + veil)


def blur(photo: Image.Image) -> Image.Image:
    """A lens out of focus: a blur of a fiftieth of the photo's width."""
    return photo.filter(ImageFilter.GaussianBlur(photo.width / 50))


def cut_off(photo: Image.Image) -> Image.Image:
    """The camera held so far off that half of the cup is outside the frame."""
    width, height = photo.size
    return photo.crop((0, int(0.5 * height), int(0.47 * width), height))


def _map_levels(photo: Image.Image, function: Callable[[np.ndarray], np.ndarray]) -> Image.Image:
    """Apply a function to the levels (0-1) of every pixel."""
    levels = function(np.asarray(photo, dtype=np.float64) / 255)
    return Image.fromarray((np.clip(levels, 0, 1) * 255).round().astype(np.uint8))


def _made(name: str, photo: Image.Image, expected: Expectation) -> Photo:
    buffer = BytesIO()
    photo.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return Photo(name, buffer.getvalue, expected)
