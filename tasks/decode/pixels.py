"""From whatever a file holds to eight bits of red, green and blue, the right way up."""

from PIL import ExifTags, Image

from tasks.decode.faults import FAULTS

# What turns each EXIF orientation upright (Exif 2.32, tag 0x0112).
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = frozenset({5, 6, 7, 8})
EIGHT_OF_SIXTEEN = 1 / 257  # 65535 becomes 255


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 when there is none or it cannot be read.

    A photo whose EXIF is damaged is still a photo.
    """
    try:
        value = image.getexif().get(ExifTags.Base.Orientation)
        return int(value) if value in UPRIGHT else 1
    except FAULTS:
        return 1


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Apply an EXIF orientation."""
    method = UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def to_plain_bands(image: Image.Image) -> Image.Image:
    """Return the image in a mode that can be averaged: L, LA, RGB, RGBA or CMYK, eight bits each."""
    if image.mode.startswith("I"):  # one band of sixteen bits: convert() would clip it at 255
        return image.point(lambda value: value * EIGHT_OF_SIXTEEN).convert("L")
    if image.has_transparency_data:
        return image if image.mode in {"LA", "RGBA"} else image.convert("RGBA")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in mode RGB; what is transparent is laid on white, as the site shows it."""
    if image.mode in {"LA", "RGBA"}:
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image.convert("RGB"), mask=image.getchannel("A"))
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")
