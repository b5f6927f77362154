import io
import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from PIL import Image, PngImagePlugin

from tasks import errors
from tasks.decode import DecodedImage, decode
from tasks.errors import DecodeError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
LOSSY = 12  # grey levels that a lossy format may be off
FORMATS = ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF"]


def flag(width: int = 96, height: int = 64) -> Image.Image:
    """Red, with a green upper left and a blue upper right corner: tells every turn and flip apart."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (0, 0, width // 3, height // 3))
    image.paste(BLUE, (width - width // 3, 0, width, height // 3))
    return image


def encode(image: Image.Image, format: str, **options: Any) -> bytes:  # noqa: A002 - Pillow's name
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def colours(decoded: DecodedImage) -> list[tuple[int, int, int]]:
    """The colours near the corners, clockwise from the upper left, each rounded to full channels."""
    width, height = decoded.image.size
    x, y = width // 8, height // 8
    points = [(x, y), (width - x, y), (width - x, height - y), (x, height - y)]
    pixels = np.asarray(decoded.image)
    return [tuple(int(value > 127) * 255 for value in pixels[y, x]) for x, y in points]  # type: ignore[misc]


def only_pixel(decoded: DecodedImage) -> tuple[int, ...]:
    pixels = np.asarray(decoded.image).reshape(-1, 3)
    assert int(np.ptp(pixels.astype(int), axis=0).max()) <= LOSSY, "the picture has one colour"
    return tuple(int(value) for value in pixels[len(pixels) // 2])


@pytest.mark.parametrize("format", FORMATS)
def test_decodes_each_format(format: str) -> None:  # noqa: A002
    decoded = decode(encode(flag(), format))
    assert (decoded.format, decoded.width, decoded.height) == (format, 96, 64)
    assert (decoded.image.mode, decoded.image.size) == ("RGB", (96, 64))
    assert colours(decoded) == [GREEN, BLUE, RED, RED]


def test_decodes_a_phones_jpeg_with_a_second_picture() -> None:
    decoded = decode(encode(flag(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64), WHITE)]))
    assert decoded.format == "MPO"
    assert colours(decoded) == [GREEN, BLUE, RED, RED]


UPRIGHT = [GREEN, BLUE, RED, RED]
STORED = {  # the corners as stored, clockwise, of a flag that orientation turns upright (Exif 2.32, tag 0x0112)
    1: [GREEN, BLUE, RED, RED],
    2: [BLUE, GREEN, RED, RED],
    3: [RED, RED, GREEN, BLUE],
    4: [RED, RED, BLUE, GREEN],
    5: [GREEN, RED, RED, BLUE],
    6: [BLUE, RED, RED, GREEN],
    7: [RED, BLUE, GREEN, RED],
    8: [RED, GREEN, BLUE, RED],
}


def stored(orientation: int) -> Image.Image:
    """A photo of 96 x 64 whose corners are as a camera would store them."""
    width, height = (64, 96) if orientation > 4 else (96, 64)
    image = Image.new("RGB", (width, height), RED)
    w, h = width // 3, height // 3
    places = [(0, 0), (width - w, 0), (width - w, height - h), (0, height - h)]
    for (x, y), colour in zip(places, STORED[orientation], strict=True):
        image.paste(colour, (x, y, x + w, y + h))
    return image


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_turns_upright_by_exif(format: str, orientation: int) -> None:  # noqa: A002
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encode(stored(orientation), format, exif=exif))
    assert colours(decoded) == UPRIGHT
    assert (decoded.width, decoded.height) == decoded.image.size == (96, 64)


def test_turns_upright_by_xmp() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    assert colours(decode(encode(stored(6), "JPEG", xmp=xmp))) == UPRIGHT


def test_heic_is_turned_by_its_own_boxes_alone() -> None:
    """In HEIF the irot box counts and EXIF only repeats it (ISO/IEC 23008-12)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    decoded = decode(encode(flag(), "HEIF", exif=exif))
    assert (decoded.width, decoded.height) == (96, 64)
    assert colours(decoded) == UPRIGHT


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_means_nothing_is_left_alone(value: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = value
    assert colours(decode(encode(flag(), "PNG", exif=exif))) == UPRIGHT


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\x00\x00" + bytes(4),
        b"Exif\x00\x00MM\x00*\xff\xff\xff\xff",
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff",
        b"Exif\x00\x00garbage garbage",
        # The orientation is a text, "6"
        b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x02\x00\x00\x006\x00\x00\x00",
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_photo_with_damaged_exif_is_still_a_photo(format: str, exif: bytes) -> None:  # noqa: A002
    assert colours(decode(encode(flag(), format, exif=exif))) == UPRIGHT


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF"])
@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((447, 447), (447, 447)),
        ((895, 895), (895, 895)),
        ((896, 896), (448, 448)),
        ((1200, 900), (600, 450)),
        ((1793, 1793), (449, 449)),
        ((4000, 100), (4000, 100)),
        ((3585, 3584), (449, 448)),
        ((4500, 7200), (563, 900)),
    ],
)
def test_every_format_is_reduced_alike(format: str, size: tuple[int, int], reduced: tuple[int, int]) -> None:  # noqa: A002
    decoded = decode(encode(Image.new("RGB", size), format))
    assert decoded.image.size == reduced
    assert (decoded.width, decoded.height) == size


def test_formats_agree_on_the_reduced_pixels() -> None:
    ramp = Image.linear_gradient("L").resize((1200, 900)).convert("RGB")
    png, jpeg = (
        np.asarray(decode(encode(ramp, it, **options)).image, dtype=float)
        for it, options in (("PNG", {}), ("JPEG", {"quality": 95}))
    )
    assert np.abs(png - jpeg).mean() < 1


@pytest.mark.parametrize("level", [0, 1, 255, 256, 257, 32768, 65535])
def test_sixteen_bits_are_scaled_not_clipped(level: int) -> None:
    grey = Image.fromarray(np.full((16, 16), level, dtype=np.uint16))
    [value, *_] = only_pixel(decode(encode(grey, "PNG")))
    assert abs(value - level / 257) <= 1


@pytest.mark.parametrize(
    ("image", "format", "options", "expected"),
    [
        (Image.new("L", (16, 16), 100), "PNG", {}, (100, 100, 100)),
        (Image.new("L", (16, 16), 100), "JPEG", {}, (100, 100, 100)),
        (Image.new("1", (16, 16), 1), "PNG", {}, WHITE),
        (Image.new("LA", (16, 16), (100, 255)), "PNG", {}, (100, 100, 100)),
        (Image.new("LA", (16, 16), (100, 0)), "PNG", {}, WHITE),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 255)), "PNG", {}, BLUE),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 0)), "PNG", {}, WHITE),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 128)), "PNG", {}, (127, 127, 255)),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 0)), "WEBP", {"lossless": True}, WHITE),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 0)), "AVIF", {}, WHITE),
        (Image.new("RGBA", (16, 16), (0, 0, 255, 0)), "HEIF", {}, WHITE),
        (Image.new("RGB", (16, 16), BLUE), "PNG", {"transparency": BLUE}, WHITE),
        (Image.new("L", (16, 16), 7), "PNG", {"transparency": 7}, WHITE),
        (Image.new("RGB", (16, 16), BLUE).quantize(4), "PNG", {}, BLUE),
        (Image.new("RGB", (16, 16), BLUE).quantize(4), "PNG", {"transparency": 0}, WHITE),
        (Image.new("RGB", (16, 16), BLUE).quantize(4), "PNG", {"transparency": bytes([0, 255])}, WHITE),
        (Image.new("RGB", (16, 16), BLUE).quantize(4), "GIF", {}, BLUE),
        (Image.new("RGB", (16, 16), BLUE).quantize(4), "GIF", {"transparency": 0}, WHITE),
        (Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", {}, RED),
        (Image.new("YCbCr", (16, 16), (76, 85, 255)), "JPEG", {}, RED),
    ],
)
def test_every_mode_becomes_rgb_on_white(
    image: Image.Image,
    format: str,  # noqa: A002
    options: dict[str, Any],
    expected: tuple[int, ...],
) -> None:
    decoded = decode(encode(image, format, **options))
    assert decoded.image.mode == "RGB"
    assert only_pixel(decoded) == pytest.approx(expected, abs=LOSSY)


def test_transparent_edges_do_not_darken_when_reduced() -> None:
    cut_out = Image.new("RGBA", (1000, 1000), (0, 0, 0, 0))
    cut_out.paste((200, 0, 0, 255), (0, 0, 501, 1000))
    edge = np.asarray(decode(encode(cut_out, "PNG")).image)[100, 250]
    assert edge[0] > 200, "half red, half white: no black from under the transparency"


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "AVIF"])
def test_the_first_of_many_frames_counts(format: str) -> None:  # noqa: A002
    more = [Image.new("RGB", (96, 64), WHITE) for _ in range(3)]
    assert colours(decode(encode(flag(), format, save_all=True, append_images=more))) == UPRIGHT


@pytest.mark.parametrize("format", FORMATS)
def test_the_pixel_limit_is_exact(format: str) -> None:  # noqa: A002
    data = encode(flag(), format)
    assert decode(data, max_pixels=96 * 64).width == 96
    with pytest.raises(errors.TooManyPixelsError, match="96 x 64"):
        decode(data, max_pixels=96 * 64 - 1)


def test_no_side_is_longer_than_a_jpegs() -> None:
    assert decode(encode(Image.new("L", (65_535, 1)), "PNG")).width == 65_535
    with pytest.raises(errors.TooManyPixelsError):
        decode(encode(Image.new("L", (1, 65_536)), "PNG"))


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
NOT_A_PHOTO = [
    (b"", errors.EmptyFileError),
    (SVG, errors.NotAnImageError),
    (b"<svg/>", errors.NotAnImageError),
    (b"<!doctype html><title>404</title>", errors.NotAnImageError),
    (b"%PDF-1.7\n", errors.NotAnImageError),
    (b'{"error": "not found"}', errors.NotAnImageError),
    (b"PK\x03\x04", errors.NotAnImageError),
    (b"\x00", errors.NotAnImageError),
    (bytes(1000), errors.NotAnImageError),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", errors.NotAnImageError),
    (b"\x00\x00\x00\x20ftypisom" + bytes(50), errors.NotAnImageError),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", errors.NotAnImageError),
    (encode(flag(), "BMP"), errors.UnsupportedFormatError),
    (encode(flag(), "TIFF"), errors.UnsupportedFormatError),
    (encode(flag(), "ICO"), errors.UnsupportedFormatError),
    (encode(flag(), "PPM"), errors.UnsupportedFormatError),
    (encode(flag(), "JPEG2000"), errors.UnsupportedFormatError),
    (b"8BPS\x00\x01" + bytes(50), errors.UnsupportedFormatError),
    (b"\xff\x0a" + bytes(50), errors.UnsupportedFormatError),
    (b"\xff\xd8\xff", errors.CorruptImageError),
    (b"\x89PNG\r\n\x1a\n", errors.CorruptImageError),
    (b"GIF89a", errors.CorruptImageError),
    (b"RIFF\x24\x00\x00\x00WEBPVP8 ", errors.CorruptImageError),
    (b"\x00\x00\x00\x20ftypavif" + bytes(50), errors.CorruptImageError),
    (b"\x00\x00\x00\x20ftypheic" + bytes(50), errors.CorruptImageError),
]


@pytest.mark.parametrize(("data", "error"), NOT_A_PHOTO, ids=range(len(NOT_A_PHOTO)))
def test_what_is_not_a_photo_is_called_by_its_name(data: bytes, error: type[DecodeError]) -> None:
    with pytest.raises(error) as raised:
        decode(data)
    assert type(raised.value) is error
    assert raised.value.code == error.code


@pytest.mark.parametrize("part", [0.5, 0.9])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_a_photo_that_breaks_off_is_truncated(format: str, part: float) -> None:  # noqa: A002
    data = encode(Image.effect_noise((200, 150), 80).convert("RGB"), format)
    with pytest.raises(errors.TruncatedImageError) as raised:
        decode(data[: int(len(data) * part)])
    assert raised.value.__cause__ is not None


@pytest.mark.parametrize("part", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("format", FORMATS)
def test_no_part_of_a_photo_passes_for_the_whole(format: str, part: float) -> None:  # noqa: A002
    data = encode(Image.effect_noise((200, 150), 80).convert("RGB"), format)
    with pytest.raises((errors.TruncatedImageError, errors.CorruptImageError)):
        decode(data[: int(len(data) * part)])


def test_a_damaged_photo_is_corrupt_with_its_cause() -> None:
    data = bytearray(encode(Image.effect_noise((200, 150), 80), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(errors.CorruptImageError) as raised:
        decode(bytes(data))
    assert raised.value.__cause__ is not None


def test_the_pools_time_limit_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out_of_time(*_: object) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", run_out_of_time)
    with pytest.raises(SoftTimeLimitExceeded):
        decode(encode(flag(), "PNG"))


@pytest.mark.parametrize("shortage", [MemoryError(), OSError("out of memory error when reading image file")], ids=repr)
def test_a_shortage_of_memory_is_not_the_files_fault(monkeypatch: pytest.MonkeyPatch, shortage: Exception) -> None:
    def run_out_of_memory(*_: object) -> None:
        raise shortage

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", run_out_of_memory)
    with pytest.raises(MemoryError):
        decode(encode(flag(), "PNG"))


def test_warnings_stay_quiet_and_the_filters_as_they_were() -> None:
    before = list(warnings.filters)
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\xff\xff\xff\xff\x00\x00\x00\x00"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode(encode(flag(), "JPEG", exif=exif))
    assert list(warnings.filters) == before


def repeated(head: bytes, piece: bytes, times: int, tail: bytes) -> Callable[[], bytes]:
    return lambda: head + piece * times + tail


JPEG = encode(flag(), "JPEG")
PROGRESSIVE = encode(flag(), "JPEG", progressive=True)
LAST_SCAN = PROGRESSIVE[PROGRESSIVE.rindex(b"\xff\xda") : -2]
PNG = encode(flag(), "PNG")
PROFILE = encode(flag(), "PNG", icc_profile=b"profile")
PROFILE_CHUNK = PROFILE[33 : PROFILE.index(b"IDAT") - 4]
EMPTY_CHUNK = bytes(4) + b"abCd" + zlib.crc32(b"abCd").to_bytes(4)
GIF = encode(flag(), "GIF")
GIF_TABLE_END = 13 + 3 * (2 << (GIF[10] & 7))


@pytest.mark.parametrize(
    "flood",
    [
        repeated(PROGRESSIVE[:-2], LAST_SCAN, 200, b"\xff\xd9"),
        repeated(PROGRESSIVE[:-2] + b"\xff\xfe\x00\x04\xff\xd9", LAST_SCAN, 200, b"\xff\xd9"),
        repeated(JPEG[:2], b"\xff\xe5\x00\x02", 1_000_000, JPEG[2:]),
        repeated(JPEG[:2], b"\xff", 1_000_000, JPEG[2:]),
        repeated(PNG[:33], PROFILE_CHUNK, 5, PNG[33:]),
        repeated(PNG[:33], EMPTY_CHUNK, 1_000_000, PNG[33:]),
        repeated(GIF[:GIF_TABLE_END], b"\x21\xfe\x01a\x00", 1_000_000, GIF[GIF_TABLE_END:]),
    ],
    ids=[
        "JPEG scans",
        "JPEG scans behind a false end",
        "JPEG segments",
        "JPEG fill bytes",
        "PNG profiles",
        "PNG chunks",
        "GIF comments",
    ],
)
def test_files_dear_to_read_are_refused_by_their_structure(flood: Callable[[], bytes]) -> None:
    with pytest.raises(errors.CorruptImageError) as raised:
        decode(flood())
    assert raised.value.__cause__ is None, "refused before Pillow could trip over it"


@pytest.mark.parametrize(
    "data",
    [
        repeated(PROGRESSIVE[:-2], LAST_SCAN, 50, b"\xff\xd9"),
        repeated(JPEG, LAST_SCAN, 200, b""),  # after the end: a motion photo's film
        repeated(PNG[:33], PROFILE_CHUNK, 1, PNG[33:]),
    ],
    ids=["50 scans", "scans after the end", "one profile"],
)
def test_ordinary_structure_passes(data: Callable[[], bytes]) -> None:
    assert colours(decode(data())) == UPRIGHT
