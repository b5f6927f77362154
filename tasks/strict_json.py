"""JSON as strict as RFC 8259 allows, and nothing in it that a database cannot keep."""

import json
import math
from collections.abc import Iterator
from typing import NoReturn

from tasks.errors import EventNotJson, InvalidEvent

MAX_DEPTH = 32  # levels of objects and arrays; far below what any JSON reader after us can bear
_TOO_DEEP = f"The event is nested deeper than {MAX_DEPTH} levels."


def read_object(raw: bytes) -> dict[str, object]:
    """Read one JSON object from UTF-8.

    Refused are also keys given twice, NaN, numbers beyond the range of a float, NUL characters, halves of
    surrogate pairs, and nesting deeper than MAX_DEPTH.

    Raises:
        EventNotJson: the bytes are not one JSON object.
        InvalidEvent: they are, with something in it that is refused.
    """
    try:
        event = _DECODER.decode(raw.decode())
    except RecursionError:
        raise InvalidEvent(_TOO_DEEP) from None
    except ValueError as error:
        raise EventNotJson(f"The event is not JSON in UTF-8: {error}.") from None
    if not isinstance(event, dict):
        raise EventNotJson("The event is JSON, but not an object.")
    _check_storable(event)
    return event


def _check_storable(value: object, depth: int = 1) -> None:
    """Refuse what JSON can spell and a database cannot keep, wherever it stands."""
    match value:
        case str():
            if "\x00" in value or not _is_unicode(value):
                raise InvalidEvent("A text in the event has a NUL character or half a surrogate pair.")
        case dict() | list():
            if depth > MAX_DEPTH:
                raise InvalidEvent(_TOO_DEEP)
            for part in _parts(value):
                _check_storable(part, depth + 1)


def _parts(value: dict[str, object] | list[object]) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value
        yield from value.values()
    else:
        yield from value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise InvalidEvent("An object in the event has the same key twice.")
    return unique


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise InvalidEvent("A number in the event is too large.")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_float=_finite, parse_constant=_refuse_constant)
