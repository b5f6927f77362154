"""Measured properties of a photo, stored beside its score as evidence.

`grey` is luma from 0 (black) to 1 (white), of any shape unless a function says (H, W);
`subject` is a coarse mask, True where the item for sale is.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.float32]
Mask = NDArray[np.bool_]

WHITE = 250 / 255
"""Luma from which a pixel counts as white: burnt out, or a cut-out background."""

BLACK = 10 / 255
"""Luma up to which a pixel counts as black."""


def to_grey(image: Image.Image) -> Grey:
    """Turn an RGB or grey image into luma (H, W), 0-1, weighted as in ITU-R BT.601."""
    return np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)


def brightness(grey: Grey) -> float:
    """Mean luma, 0-1."""
    return float(grey.mean())


def contrast(grey: Grey) -> float:
    """Standard deviation of luma, 0-0.5 (root-mean-square contrast)."""
    return float(grey.std())


def laplacian(grey: Grey) -> Grey:
    """Second difference of luma (H, W) in both directions, (H-2, W-2): large at edges, zero in flat parts."""
    difference = grey[:-2, 1:-1] + grey[2:, 1:-1]
    difference += grey[1:-1, :-2]
    difference += grey[1:-1, 2:]
    difference -= 4 * grey[1:-1, 1:-1]
    return difference


def sharpness(grey: Grey) -> float:
    """Standard deviation of the Laplacian of luma (H, W), from 0 (Pech-Pacheco et al. 2000).

    A crisp photo has about 0.15 at the network's input size, a blurred one below 0.04.
    """
    return float(laplacian(grey).std())


def white_share(grey: Grey) -> float:
    """Share of white pixels, 0-1."""
    return float((grey >= WHITE).mean())


def black_share(grey: Grey) -> float:
    """Share of black pixels, 0-1."""
    return float((grey <= BLACK).mean())


def unevenness(grey: Grey) -> float:
    """Luma (H, W) of the brightest quadrant less that of the darkest, 0-1."""
    middle_y, middle_x = grey.shape[0] // 2, grey.shape[1] // 2
    halves = (grey[:middle_y], grey[middle_y:])
    means = [brightness(part) for half in halves for part in (half[:, :middle_x], half[:, middle_x:])]
    return max(means) - min(means)


def colour_cast(rgb: NDArray[np.float32]) -> float:
    """How far the mean colour (..., 3), 0-1, is from grey: largest less smallest channel mean, 0-1."""
    means = rgb.reshape(-1, 3).mean(axis=0)
    return float(means.max() - means.min())


def subject_share(subject: Mask) -> float:
    """Share of the frame (H, W) that the subject fills, 0-1."""
    return float(subject.mean())


def subject_at_edge(subject: Mask) -> float:
    """Share of the frame's border cells (H, W) that the subject covers, 0-1: high when it is cut off."""
    border = np.concatenate([subject[0], subject[-1], subject[1:-1, 0], subject[1:-1, -1]])
    return float(border.mean())


def subject_difference(grey: Grey, subject: Mask) -> float:
    """How far the mean luma of the subject is from that of its background, 0-1; 0 where either is empty.

    `grey` (H, W) must be a whole number of times larger than `subject`.
    """
    rows, columns = subject.shape
    cells = grey.reshape(rows, grey.shape[0] // rows, columns, grey.shape[1] // columns).mean(axis=(1, 3))
    if subject.all() or not subject.any():
        return 0.0
    return float(abs(cells[subject].mean() - cells[~subject].mean()))


def measure(pixels: NDArray[np.uint8], subject: Mask) -> Mapping[str, float]:
    """Measure all of the above on RGB pixels (H, W, 3), 0-255, rounded to four decimals.

    What needs no fine detail is measured at half the size, or an eighth, to stay well under a millisecond.
    """
    image = Image.fromarray(pixels)
    luma, colours = image.convert("L"), np.asarray(image.reduce(8), dtype=np.float32) / np.float32(255)
    grey = to_grey(luma.reduce(2))
    values = {
        "brightness": brightness(grey),
        "contrast": contrast(grey),
        "sharpness": sharpness(to_grey(luma)),
        "white_share": white_share(grey),
        "black_share": black_share(grey),
        "unevenness": unevenness(grey),
        "colour_cast": colour_cast(colours),
        "subject_share": subject_share(subject),
        "subject_at_edge": subject_at_edge(subject),
        "subject_difference": subject_difference(grey, subject),
    }
    return {name: round(value, 4) for name, value in values.items()}
