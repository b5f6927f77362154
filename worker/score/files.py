"""From the paths on a command line to the bytes of photos."""

import os
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from models.errors import RetakeError
from tasks.errors import TooLargeError

STANDARD_INPUT = "-"
SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".gif", ".heic", ".heif"})


class UnreadableFileError(RetakeError):
    """The file cannot be read."""

    code = "unreadable"


class NoPhotosError(RetakeError):
    """The folder holds no file with the suffix of an image."""

    code = "no_photos"


def find_photos(paths: Iterable[str]) -> list[str]:
    """Replace each folder by the images in and below it, in the order of their names; links are not followed into.

    A file that is named stays, whatever its suffix. So do a folder without images and one that cannot be read:
    reading them then says what is wrong.
    """
    return [photo for path in paths for photo in _expand(path)]


def read_photo(path: str, max_bytes: int) -> bytes:
    """The bytes of a file, or of standard input for `-`.

    Raises:
        UnreadableFileError: it is missing, is no plain file, or the system refuses it.
        NoPhotosError: it is a folder.
        TooLargeError: it has more than `max_bytes` bytes.
    """
    try:
        data = _read(path, max_bytes + 1)
    except OSError as error:
        raise UnreadableFileError(error.strerror) from error
    except ValueError as error:  # a NUL in the name
        raise UnreadableFileError(str(error)) from error
    if len(data) > max_bytes:
        raise TooLargeError(f"more than {max_bytes} bytes: take a smaller copy, or raise RETAKE_IMAGE_MAX_BYTES")
    return data


def _expand(path: str) -> Iterator[str]:
    if path == STANDARD_INPUT or not os.path.isdir(path):  # noqa: PTH112 - a Path would drop the caller's spelling
        yield path
        return
    unreadable: list[str] = []
    found = [
        str(Path(folder, name))
        for folder, _, names in os.walk(path, onerror=lambda error: unreadable.append(str(error.filename)))
        for name in names
        if Path(name).suffix.lower() in SUFFIXES
    ]
    yield from sorted(found + unreadable) or [path]


def _read(path: str, size: int) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(size)
    mode = Path(path).stat().st_mode
    if stat.S_ISDIR(mode):
        os.scandir(path).close()
        raise NoPhotosError
    if not stat.S_ISREG(mode):  # opening a pipe or a device could wait for ever
        raise UnreadableFileError("not a plain file: pass its content on standard input, as -")
    with Path(path).open("rb") as file:
        return file.read(size)
