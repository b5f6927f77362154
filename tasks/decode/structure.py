"""Files that are cheap to send and dear to read, told apart by their structure before a pixel is decoded."""

import re
from io import BytesIO

from tasks.errors import CorruptImageError

# Measured with 20 MB files: 1.6 million empty scans kept libjpeg busy, deaf to signals, for minutes (then killed);
# 22,000 colour profiles in a PNG take 139 s; twenty million fill bytes before a JPEG's first segment, 58 s.
MAX_SCANS = 100  # the usual progressive JPEG has 10
MAX_PROFILES = 4  # the PNG specification allows one; the letters may turn up in the pixels by chance
MAX_READS = 100_000  # a 20 MB PNG in pieces of 1 kB takes 60,000

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not a stuffed byte, a restart or a fill byte
_START_OF_IMAGE, _END_OF_IMAGE, _START_OF_SCAN = 0xD8, 0xD9, 0xDA
_SCAN = bytes([0xFF, _START_OF_SCAN])


class CountedFile(BytesIO):
    """A file whose bytes may be asked for in at most MAX_READS pieces."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as BytesIO does.

        Raises:
            CorruptImageError: this is one piece too many.
        """
        self._reads += 1
        if self._reads > MAX_READS:
            raise CorruptImageError("The file is cut into more pieces than any camera or program writes.")
        return super().read(size)


def check_structure(data: bytes) -> None:
    """Refuse a JPEG with too many scans and a PNG with too many colour profiles.

    Raises:
        CorruptImageError
    """
    if data.startswith(b"\xff\xd8"):
        _check_scans(data)
    if data.startswith(b"\x89PNG") and data.count(b"iCCP") > MAX_PROFILES:
        raise CorruptImageError(f"The PNG has more than {MAX_PROFILES} colour profiles.")


def _check_scans(data: bytes) -> None:
    """Walk from marker to marker through a JPEG's first picture, counting its scans; few have that many at all."""
    if data.count(_SCAN) <= MAX_SCANS:
        return
    scans = position = 0
    for _ in range(MAX_READS):
        found = _MARKER.search(data, position)
        if found is None or (marker := data[found.start() + 1]) == _END_OF_IMAGE:
            return
        scans += marker == _START_OF_SCAN
        if scans > MAX_SCANS:
            break
        position = found.end() + (0 if marker == _START_OF_IMAGE else _length(data, found.end()))
    raise CorruptImageError(f"The JPEG has more than {MAX_SCANS} scans, or no end of segments.")


def _length(data: bytes, position: int) -> int:
    return int.from_bytes(data[position : position + 2], "big")
