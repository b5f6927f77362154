"""One photo: from its bytes to its pixels."""

import warnings
from dataclasses import dataclass

from PIL import Image

from tasks.decode.faults import translated
from tasks.decode.formats import FORMATS
from tasks.decode.pixels import QUARTER_TURNS, orientation, to_plain_bands, to_rgb, turn_upright
from tasks.decode.structure import CountedFile, check_structure
from tasks.errors import CorruptImageError, EmptyFileError, TooManyPixelsError

ENOUGH = 448  # pixels of the shorter side: twice the model's input, so that the last resize still averages
MAX_PIXELS = 64_000_000  # as Google Merchant Center; no phone camera takes more in its normal mode
MAX_SIDE = 65_535  # as JPEG: Pillow keeps three pointers for each row, so that rows of one pixel cost 25 bytes


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A photo as the seller sees it.

    Attributes:
        image: RGB, upright, reduced by 1, 2, 4 or 8 while its shorter side keeps at least 448 pixels.
        width: pixels of the photo itself, before the reduction and after the turn.
        height: likewise.
        format: Pillow's name of the file format: JPEG, MPO, PNG, WEBP, AVIF, HEIF or GIF.
    """

    image: Image.Image
    width: int
    height: int
    format: str


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode the first picture of a JPEG, PNG, WebP, AVIF, HEIC or GIF file.

    The size that the header claims is checked before memory for pixels is used.
    Pillow's warnings about damaged metadata are kept quiet, for the whole process while it runs: decode in
    one thread.

    Raises:
        DecodeError: the subclass tells what is wrong with the file.
        MemoryError: this process has no room for its pixels.
    """
    if not data:
        raise EmptyFileError
    with warnings.catch_warnings(action="ignore"), translated(data):
        check_structure(data)
        image = Image.open(CountedFile(data), formats=FORMATS)
        size = _checked_size(image, max_pixels)
        pixels = _load(image)
        turn = orientation(image)
        upright = turn_upright(to_rgb(pixels), turn)
    width, height = reversed(size) if turn in QUARTER_TURNS else size
    return DecodedImage(upright, width, height, image.format or "")


def _checked_size(image: Image.Image, max_pixels: int) -> tuple[int, int]:
    width, height = image.size
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise TooManyPixelsError(f"{width} x {height} pixels are more than the {max_pixels} allowed.")
    if width * height < 1:
        raise CorruptImageError
    return width, height


def _load(image: Image.Image) -> Image.Image:
    """Read the pixels at about the size needed: inside the JPEG decoder, else by averaging."""
    if image.draft("RGB", (ENOUGH, ENOUGH)):
        image.load()
        return image
    image.load()
    return to_plain_bands(image).reduce(_reduction(image.size))


def _reduction(size: tuple[int, int]) -> int:
    """Return the factor that the JPEG decoder would take: the largest of 1, 2, 4 and 8 that leaves enough."""
    most = min(size) // ENOUGH
    return next((factor for factor in (8, 4, 2) if factor <= most), 1)
