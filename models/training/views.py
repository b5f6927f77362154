"""Views of a photo: changes that a buyer would not mind, and faults that he would."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.preprocess import to_input
from models.training.degrade import DEGRADATIONS, Cost, relabel

DEGRADED = 0.25
"""Share of free views that get a fault."""

SHIFT = 8
"""Pixels by which a view is moved at most: 4 % of the picture, so that its framing stays what was voted on."""

MIRRORED = 0.5
"""Share of views that are mirrored; also of covered corners that are the left one."""

COVERED = 0.4
"""Share of views in which one upper corner, where the site's watermark is, is covered by its own mean colour."""

TINTED = 0.5
"""Share of views with a white background that get an off-white one."""

WHITE = 238
"""Grey level of the darkest channel from which a pixel counts as white."""


SMALLEST_CROP = 0.5
"""Least share of each side that a free view keeps."""

MIXED = 0.5
"""Share of free views that another photo is mixed into; half of them are blended, half get a piece of it."""


@dataclass(frozen=True, slots=True)
class View:
    """Pixels (224, 224, 3), the subject's mask (224, 224), both 0-255, and the votes and reasons they deserve."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    votes: NDArray[np.float32]
    reasons: NDArray[np.float32]


def make_view(view: View, random: np.random.Generator) -> View:
    """Change a photo at random, so little that its votes still hold."""
    view = move(flip(view) if random.random() < MIRRORED else view, random)
    pixels = view.pixels.copy()
    if random.random() < COVERED:
        cover_corner(pixels, random)
    if random.random() < TINTED:
        tint_background(pixels, random)
    return replace(view, pixels=relight(pixels, random))


def flip(view: View) -> View:
    """Mirror left and right."""
    return replace(view, pixels=view.pixels[:, ::-1], mask=view.mask[:, ::-1])


def move(view: View, random: np.random.Generator) -> View:
    """Shift by a few pixels; the edge is repeated."""
    down, right = random.integers(-SHIFT, SHIFT + 1, 2)
    rows = np.clip(np.arange(view.mask.shape[0]) + down, 0, view.mask.shape[0] - 1)
    columns = np.clip(np.arange(view.mask.shape[1]) + right, 0, view.mask.shape[1] - 1)
    return replace(view, pixels=view.pixels[rows][:, columns], mask=view.mask[rows][:, columns])


def cover_corner(pixels: NDArray[np.uint8], random: np.random.Generator) -> None:
    """Paint over a watermark's place at the top right, or its mirror, in place."""
    height, width = random.integers(14, 36), random.integers(40, 100)
    top, inset = random.integers(0, 12, 2)
    left = inset if random.random() < MIRRORED else pixels.shape[1] - width - inset
    corner = pixels[top : top + height, left : left + width]
    corner[:] = np.clip(corner.mean(axis=(0, 1)) + random.normal(0, 10), 0, 255)


def tint_background(pixels: NDArray[np.uint8], random: np.random.Generator) -> None:
    """Turn a white background off-white, in place, so that whiteness itself means nothing."""
    white = pixels.min(axis=-1) > WHITE
    if white.mean() > 0.25:  # noqa: PLR2004 - a quarter of the picture makes a background
        pixels[white] = (pixels[white] * random.uniform(0.85, 1, 3)).astype(np.uint8)


def relight(pixels: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Change contrast by 7 % and brightness by 8 grey levels at most."""
    levels = (np.arange(256) - 128) * random.uniform(0.93, 1.07) + 128 + random.uniform(-8, 8)
    return np.asarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8)[pixels])


@dataclass(frozen=True, slots=True)
class DrawnFault:
    """A fault of some kind and severity, 0-1; put on twice with the same `seed`, it falls on the same place."""

    kind: str
    severity: float
    seed: int

    @classmethod
    def draw(cls, kinds: Iterable[str], random: np.random.Generator) -> "DrawnFault":
        """Choose one of any of these kinds, of any severity."""
        return cls(str(random.choice(sorted(kinds))), float(random.uniform()), int(random.integers(2**32)))

    def on(self, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Put it on a photo, (height, width, 3)."""
        return DEGRADATIONS[self.kind](photo, self.severity, np.random.default_rng(self.seed))

    def on_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Show where the subject then is: only what is cut off is elsewhere."""
        return self.on(mask) if self.kind == "cutoff" else mask


def degrade(view: View, photo: NDArray[np.uint8], random: np.random.Generator, costs: Mapping[str, Cost]) -> View:
    """Put a fault of any kind in `costs`, of any severity, on a photo, and expect the votes it would get.

    `photo` is what `view` shows, at the size it came in.
    """
    fault = DrawnFault.draw(costs, random)
    votes, reasons = relabel(view.votes, view.reasons, costs[fault.kind], fault.severity)
    return View(to_input(Image.fromarray(fault.on(photo))), fault.on_mask(view.mask), votes, reasons)


def make_free_view(
    photo: NDArray[np.uint8], other: NDArray[np.uint8], random: np.random.Generator, costs: Mapping[str, Cost]
) -> NDArray[np.uint8]:
    """Make a picture that nobody voted on: a part of a photo, squeezed or stretched, maybe with another photo in it.

    `photo` has the size that it came in, `other` that of the result, (224, 224, 3). A share of `DEGRADED` gets a fault
    first, if there are kinds in `costs`.

    The teacher says what it is worth. Such views are what makes its pupil generalise as it does (Beyer et al. 2021,
    "Knowledge distillation: A good teacher is patient and consistent").
    """
    if costs and random.random() < DEGRADED:
        photo = DrawnFault.draw(costs, random).on(photo)
    part = crop(photo, random)
    part = part[:, ::-1] if random.random() < MIRRORED else part
    return relight(mix(part, other, random) if random.random() < MIXED else part, random)


def crop(photo: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Take a part of a photo at random, as the network would see it: from its own pixels, so that it is as sharp."""
    size = np.array(photo.shape[:2])
    least = random.uniform(SMALLEST_CROP, 1)
    height, width = np.ceil(size * random.uniform(least, 1, 2)).astype(int)
    top, left = random.integers(0, size - (height, width) + 1)
    return to_input(Image.fromarray(photo[top : top + height, left : left + width]))


def mix(pixels: NDArray[np.uint8], other: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Blend another picture in, or paste a square of it over the same place; at least half remains."""
    share = random.uniform(0.5, 1)
    if random.random() < 0.5:  # noqa: PLR2004 - as often the one as the other
        return np.asarray((share * pixels + (1 - share) * other).astype(np.uint8))
    side = int(pixels.shape[0] * np.sqrt(1 - share))
    top, left = random.integers(0, pixels.shape[0] - side + 1, 2)
    pasted = pixels.copy()
    pasted[top : top + side, left : left + side] = other[top : top + side, left : left + side]
    return pasted
