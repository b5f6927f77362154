"""A downloaded photo, decoded once, when somebody first asks for its pixels."""

import hashlib
from collections.abc import Callable
from functools import cached_property

from tasks.decode import DecodedImage


class Photo:
    """Bytes, their name, and their pixels."""

    def __init__(self, data: bytes, decode: Callable[[bytes], DecodedImage]) -> None:
        self._data = data
        self._decode = decode
        self.content_sha256 = hashlib.sha256(data).digest()

    @cached_property
    def decoded(self) -> DecodedImage:
        """The upright picture.

        Raises:
            DecodeError: the bytes are not a usable photo.
        """
        return self._decode(self._data)
