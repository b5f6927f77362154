"""What Pillow and its plugins raise on a damaged file, and what each means."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image, UnidentifiedImageError

from tasks.decode.formats import refusal
from tasks.errors import CorruptImageError, DecodeError, TooManyPixelsError, TruncatedImageError

# Each has been seen from a plugin on a damaged file. Exception itself stays out: the pool's time limit is
# one and must come through. So does MemoryError: sizes are checked first, and no damaged file has raised it.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_BREAKS_OFF = re.compile(r"truncated|end of (file|data)|not enough|incomplete", re.IGNORECASE)
_OUT_OF_MEMORY = re.compile(r"out of memory", re.IGNORECASE)


@contextmanager
def translated(data: bytes) -> Iterator[None]:
    """Raise each of Pillow's errors as the DecodeError that says what it means, the cause chained.

    Raises:
        MemoryError: this process has no room for the pixels, of which the file is innocent.
    """
    try:
        yield
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError from error
    except UnidentifiedImageError as error:
        raise refusal(data) from error
    except FAULTS as error:
        raise _meaning(error) from error


def _meaning(error: Exception) -> DecodeError | MemoryError:
    if _OUT_OF_MEMORY.search(str(error)):
        return MemoryError(str(error))
    if isinstance(error, EOFError) or _BREAKS_OFF.search(str(error)):
        return TruncatedImageError()
    return CorruptImageError()
