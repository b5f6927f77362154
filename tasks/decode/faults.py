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
# one and must come through.
FAULTS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
_BREAKS_OFF = re.compile(r"truncated|end of (file|data)|not enough|incomplete", re.IGNORECASE)


@contextmanager
def translated(data: bytes) -> Iterator[None]:
    """Raise each of Pillow's errors as the DecodeError that says what it means, the cause chained."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise TooManyPixelsError from error
    except UnidentifiedImageError as error:
        raise refusal(data) from error
    except FAULTS as error:
        raise _meaning(error) from error


def _meaning(error: Exception) -> DecodeError:
    if isinstance(error, EOFError) or _BREAKS_OFF.search(str(error)):
        return TruncatedImageError()
    return CorruptImageError()
