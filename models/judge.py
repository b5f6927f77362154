"""The judge: a photo in, a score from 0 to 5 with its reasons and evidence out."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.attributes import measure
from models.location import DEFAULT_MODEL
from models.preprocess import to_input
from models.reasons import ReasonCode
from models.runtime import Runtime

MOST_REASONS = 3
"""A seller reads no more tips than this."""

RUNNER_UP = 1 / 3
"""A further reason is given when it is at least this share as likely as the first."""


def sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probability, 0-1, of each logit."""
    return np.asarray(np.exp(-np.logaddexp(0, -logits)), dtype=np.float32)


def rank(logits: NDArray[np.float32]) -> tuple[ReasonCode, ...]:
    """Choose one to three reasons from the `reasons` head (12,), most likely first."""
    likely = sigmoid(logits)
    order = np.argsort(-likely, kind="stable")[:MOST_REASONS]
    codes = tuple(ReasonCode)
    return tuple(codes[index] for index in order if likely[index] >= RUNNER_UP * likely[order[0]])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge says of one photo."""

    score: float
    """Expected number of good votes of five observers, 0.0-5.0, two decimals."""
    ranked: tuple[ReasonCode, ...]
    """One to three reasons against the photo, most likely first, whether or not it needs any."""
    attributes: Mapping[str, float]
    """Measured evidence: see `models.attributes`."""
    model: str
    """The model that said so."""

    @property
    def stars(self) -> int:
        """The score as a whole number, 0-5, half rounded up."""
        return math.floor(self.score + 0.5)

    def reasons(self, threshold: float) -> tuple[ReasonCode, ...]:
        """Say why to take the photo again: nothing at or above the threshold."""
        return self.ranked if self.score < threshold else ()


class Judge:
    """Scores photos with one model file; build it in the process, and the thread, that uses it.

    Raises:
        ModelError: the file is missing or is not a quality model; the message names it and says why.
    """

    def __init__(self, path: Path = DEFAULT_MODEL) -> None:
        self._runtime = Runtime(path)
        self.model = "quality@" + hashlib.sha256(self._runtime.content).hexdigest()[:12]

    def judge(self, image: Image.Image) -> Judgement:
        """Judge an upright RGB photo of any size, at least 1x1."""
        pixels = to_input(image)
        heads = self._runtime.invoke(pixels)
        return Judgement(
            score=round(float(sigmoid(heads["observers"]).sum()), 2),
            ranked=rank(heads["reasons"]),
            attributes=measure(pixels, heads["mask"][..., 0] > 0),
            model=self.model,
        )
