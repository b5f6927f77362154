import numpy as np
import pytest
from PIL import Image

from models.preprocess import INPUT_SIZE, to_input


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1), (224, 224), (448, 336), (815, 611), (3000, 40)])
def test_any_size_becomes_the_input(size: tuple[int, int]) -> None:
    pixels = to_input(Image.new("RGB", size, (200, 100, 50)))

    assert pixels.shape == (INPUT_SIZE, INPUT_SIZE, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == (200, 100, 50)).all()


def test_input_size_is_left_as_it_is() -> None:
    original = np.random.default_rng(0).integers(0, 256, (INPUT_SIZE, INPUT_SIZE, 3), dtype=np.uint8)

    assert (to_input(Image.fromarray(original)) == original).all()


@pytest.mark.parametrize("side", [448, 672, 896, 1792])
def test_fine_stripes_average_out_instead_of_aliasing(side: int) -> None:
    stripes = np.zeros((side, side, 3), dtype=np.uint8)
    stripes[:, ::2] = 255

    inner = to_input(Image.fromarray(stripes))[:, 2:-2].astype(int)

    assert abs(inner - 127).max() <= 32


def test_whole_frame_is_kept() -> None:
    image = Image.new("RGB", (900, 300))
    image.paste((255, 0, 0), (0, 0, 90, 300))
    image.paste((0, 0, 255), (810, 0, 900, 300))

    pixels = to_input(image)

    assert tuple(pixels[112, 5]) == (255, 0, 0)
    assert tuple(pixels[112, -5]) == (0, 0, 255)
