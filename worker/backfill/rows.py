"""Rows of a catalogue: read one at a time, each named by its line."""

import csv
import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from models.errors import RetakeError
from tasks.errors import InvalidEvent
from tasks.events import EVENT_TYPE, ImageUploaded, parse_event

SOURCE = "/backfill"
# Any fixed UUID: it makes the same row the same event, whenever and wherever it is published.
NAMESPACE = uuid.UUID("5d0c5b63-3c1d-4b5b-9d0e-0e0f5f3c7a11")
REQUIRED = ("ad_id", "image_id", "seller_id", "image_url")
OPTIONAL = ("replaces",)
MOST_LINE_BYTES = 65_536


class CatalogueError(RetakeError):
    """The file is not a catalogue: CSV in UTF-8 with the columns ad_id, image_id, seller_id, image_url."""

    code = "catalogue_invalid"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: an event, or why it is none."""

    line: int
    event: ImageUploaded | None
    fault: str = ""


class Catalogue:
    """A CSV file read in order, in bounded memory; knows its place and a hash of all bytes before it.

    Raises:
        CatalogueError: the first line does not name the columns.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.place = 0
        self.line = 0
        self._columns = self._header()

    @property
    def digest(self) -> str:
        """SHA-256 of all that was read."""
        return self._hash.hexdigest()

    def skip(self, place: int) -> bool:
        """Read on to a place where a row ended before; whether the file reaches so far."""
        while self.place < place:
            if not self._next_line():
                return False
        return self.place == place

    def rows(self) -> Iterator[Row]:
        """The rows from here on, one a line, for no cell may hold a line break; empty lines are passed over."""
        while raw := self._next_line():
            if raw.strip():
                yield self._row(raw)

    def _header(self) -> list[str]:
        columns = [name.strip() for name in self._cells(self._next_line().removeprefix(b"\xef\xbb\xbf"))]
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in REQUIRED + OPTIONAL]
        if missing or unknown or len(set(columns)) != len(columns):
            wrong = f"without {', '.join(missing)}" if missing else f"with {', '.join(unknown) or 'a column twice'}"
            raise CatalogueError(f"line 1: {wrong}; the columns are {', '.join(REQUIRED)} and, if need be, replaces")
        return columns

    def _row(self, raw: bytes) -> Row:
        try:
            cells = self._cells(raw)
            if len(cells) != len(self._columns):
                return Row(self.line, None, f"has {len(cells)} columns, not {len(self._columns)}")
            return Row(self.line, to_event(dict(zip(self._columns, cells, strict=True))))
        except (InvalidEvent, CatalogueError) as error:
            return Row(self.line, None, str(error))

    def _cells(self, raw: bytes) -> list[str]:
        if len(raw) > MOST_LINE_BYTES:
            raise CatalogueError(f"has more than {MOST_LINE_BYTES} bytes")
        try:
            return next(csv.reader([raw.decode()], strict=True), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise CatalogueError(f"is not CSV in UTF-8: {error}") from None

    def _next_line(self) -> bytes:
        """The next line; of one that is too long, as much as shows that it is."""
        raw = part = self._read()
        while part and not part.endswith(b"\n"):
            part = self._read()
            raw = (raw + part)[: MOST_LINE_BYTES + 1]
        self.line += bool(raw)
        return raw

    def _read(self) -> bytes:
        part = self._file.readline(MOST_LINE_BYTES)
        self._hash.update(part)
        self.place += len(part)
        return part


def to_event(cells: Mapping[str, str]) -> ImageUploaded:
    """The event of a row: the same row is the same event, so that a second copy changes nothing.

    Raises:
        InvalidEvent: a cell is empty, too long, or no URL.
    """
    data = {name: value for name, value in cells.items() if value or name in REQUIRED}
    event_id = str(uuid.uuid5(NAMESPACE, json.dumps(data, sort_keys=True)))
    event = {"specversion": "1.0", "id": event_id, "source": SOURCE, "type": EVENT_TYPE, "data": data}
    return parse_event(json.dumps(event).encode())
