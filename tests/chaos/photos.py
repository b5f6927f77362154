"""Photos whose judgement is known beforehand: a few generated ones, each copy with bytes of its own."""

from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from models.judge import Judge
from tasks.decode import decode
from tests.chaos.plan import Kind, Upload

SIZE = 480, 360
START_OF_IMAGE = 2  # bytes of the marker that a JPEG begins with


@dataclass(frozen=True, slots=True)
class Album:
    """JPEG files to each side of a threshold that lies in the widest gap between their scores."""

    good: list[bytes]
    bad: list[bytes]
    threshold: float

    def photo(self, upload: Upload) -> bytes:
        """The bytes of one upload: no other upload has the same, so each is scored anew."""
        if upload.kind is Kind.BROKEN:
            return b"<!doctype html><title>%d</title>" % upload.number
        files = self.bad if upload.kind is Kind.BAD else self.good
        return with_comment(files[upload.number % len(files)], b"%d" % upload.number)


def make_album(model: Path) -> Album:
    """Draw the photos and have the model judge them once."""
    judge = Judge(model)
    scored = sorted((judge.judge(decode(photo).image).score, photo) for photo in _pictures())
    scores = [score for score, _ in scored]
    below = max(range(1, len(scores)), key=lambda at: scores[at] - scores[at - 1])
    assert any(low != high for low, high in pairwise(scores))
    threshold = (scores[below - 1] + scores[below]) / 2
    return Album([photo for _, photo in scored[below:]], [photo for _, photo in scored[:below]], threshold)


def with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """The same pixels in other bytes."""
    segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
    return jpeg[:START_OF_IMAGE] + segment + jpeg[START_OF_IMAGE:]


def _pictures() -> list[bytes]:
    """Light, shade, blur and noise, the same in every run."""
    width, height = SIZE
    noise = np.random.default_rng(5).random((height, width, 3))
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    waves = np.stack([np.sin(9 * x), np.cos(7 * y), np.sin(11 * (x + y))], axis=-1) / 2 + 0.5
    levels = [waves, waves * 0.08, waves * 0.5 + 0.5, noise, waves * 0.7 + noise * 0.3, np.full_like(waves, 0.02)]
    return [_jpeg(level) for level in levels]


def _jpeg(levels: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray((np.clip(levels, 0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()
