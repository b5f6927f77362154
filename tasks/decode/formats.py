"""Which image formats are read, and what the others are called when they are refused."""

import re

import pillow_heif
from PIL import AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin

from tasks.errors import CorruptImageError, DecodeError, NotAnImageError, UnsupportedFormatError

# Importing a plugin registers it; Pillow would otherwise load all of its fifty on the first miss.
PLUGINS = (AvifImagePlugin, GifImagePlugin, JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin)
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF")  # MPO, a phone's JPEG with a second picture, is a JPEG

# One thread for each photo, as everything in a pool child; no second pictures out of one file.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)

_READ = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|....ftyp(?:avi[fs]|hei[cxms]|hev[cxms]|mi[fs]1|msf1)",
    re.DOTALL,
)
_NOT_READ = re.compile(
    rb"BM|II[*+]\x00|MM\x00[*+]|8BPS|\x00\x00[\x01\x02]\x00|P[1-7fF]\s|qoif|DDS |\xff\x0a|\xff\x4f\xff\x51"
    rb"|\x00\x00\x00\x0c(?:jP  |JXL )",
)


def refusal(data: bytes) -> DecodeError:
    """Return the error for a file that no plugin recognised, by its first bytes."""
    if _READ.match(data):
        return CorruptImageError()
    if _NOT_READ.match(data):
        return UnsupportedFormatError()
    return NotAnImageError()
