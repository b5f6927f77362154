"""The event in: `ad.image.uploaded`, a CloudEvent 1.0 in structured JSON, and everything that is checked of it."""

import json
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from tasks.errors import EventTooLarge, EventType, EventUrl, EventVersion, InvalidEvent
from tasks.strict_json import read_object

EVENT_TYPE = "ad.image.uploaded"
MAX_EVENT_BYTES = 65_536
MAX_NAME_CHARS = 255
MAX_URL_BYTES = 2_048
_MAX_FAULTS = 5  # named in one message

_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f]*$"  # C0, DEL and C1
# RFC 3339, section 5.6: date-time, with its mandatory offset.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
# W3C Trace Context, section 3.2: version, trace-id, parent-id, flags.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_HOST = re.compile(r"[^\s\\@]+")

_MESSAGES = {"missing": "is missing", "string_pattern_mismatch": "must have no control characters"}
_PYDANTIC_SUBJECT = re.compile(r"^\w+ should")  # "Input should be ..." reads "must be ..." after a field's name
_BY_FIELD: dict[tuple[str | int, ...], type[InvalidEvent]] = {
    ("specversion",): EventVersion,
    ("type",): EventType,
}


def _to_utc(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not _RFC3339.fullmatch(value):
        raise PydanticCustomError("time", "must be an RFC 3339 time with its offset, as 2026-11-23T10:15:00Z")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("time", "must be a time that exists") from None


def _traceparent(value: object) -> object:
    """W3C Trace Context, section 2.2: a traceparent that cannot be parsed is ignored, not refused."""
    return value if isinstance(value, str) and _TRACEPARENT.fullmatch(value) else None


def _fetchable(url: str) -> str:
    if len(url.encode()) > MAX_URL_BYTES:
        raise PydanticCustomError("too_long", f"must have at most {MAX_URL_BYTES} bytes in UTF-8")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise PydanticCustomError("url", "is not a URL") from None
    if not url.lower().startswith(("http://", "https://")):
        raise PydanticCustomError("url", "must start with http:// or https://")
    if not parts.hostname or port == 0 or not _HOST.fullmatch(parts.netloc):
        raise PydanticCustomError("url", "must name a host, and no user or password")
    return url


Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_CHARS, pattern=_NO_CONTROLS)]
Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_URL_BYTES, pattern=_NO_CONTROLS),
    AfterValidator(_fetchable),
]


class UploadedImage(BaseModel):
    """What was uploaded; fields that Retake does not know are kept in `extra`."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True, extra="allow")

    ad_id: Name
    image_id: Name
    seller_id: Name
    image_url: Url
    replaces: Name | None = None

    @property
    def extra(self) -> dict[str, Any]:
        """The fields that Retake does not know, JSON values by name."""
        return dict(self.model_extra or {})

    @model_validator(mode="after")
    def _replaces_another(self) -> Self:
        if self.replaces == self.image_id:
            raise PydanticCustomError("replaces", "replaces must name another photo than image_id")
        return self


class ImageUploaded(BaseModel):
    """One `ad.image.uploaded`, valid: `source` and `id` together name it. `time` is in UTC."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Name
    source: Name
    type: Literal["ad.image.uploaded"]
    time: Annotated[AwareDatetime, BeforeValidator(_to_utc)] | None = None
    traceparent: Annotated[str | None, BeforeValidator(_traceparent)] = None
    data: UploadedImage

    def to_json(self) -> bytes:
        """Write the event as it travels: CloudEvents structured JSON in UTF-8."""
        attributes = {
            "specversion": self.specversion,
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "time": self.time and self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "traceparent": self.traceparent,
        }
        event: dict[str, object] = {name: value for name, value in attributes.items() if value is not None}
        event["data"] = self.data.model_dump(exclude={"replaces"} if self.data.replaces is None else None)
        return _write(event)


def parse_event(raw: bytes) -> ImageUploaded:
    """Read an event from the bytes of a stream entry.

    Args:
        raw: any bytes at all.

    Raises:
        InvalidEvent: or one of its subclasses; the message names each wrong field, never its value.
    """
    if len(raw) > MAX_EVENT_BYTES:
        raise EventTooLarge(f"The event has {len(raw)} bytes, more than {MAX_EVENT_BYTES}.")
    event = read_object(raw)
    try:
        return ImageUploaded.model_validate(event)
    except ValidationError as error:
        raise _refusal(error.errors(include_url=False, include_input=False)) from None


def new_event(
    *,
    ad_id: str,
    image_id: str,
    seller_id: str,
    image_url: str,
    replaces: str | None = None,
    source: str = "/upload-service",
    traceparent: str | None = None,
    extra: Mapping[str, object] | None = None,
) -> ImageUploaded:
    """Make an event to publish, with an id of its own and the present time.

    Args:
        ad_id: the ad, at most 255 characters, as all names.
        image_id: the photo; unique, so that a retake can name it.
        seller_id: who is asked for a retake.
        image_url: where to fetch the photo, http or https.
        replaces: the `image_id` of the photo that this one is the retake of.
        source: who publishes, a URI reference.
        traceparent: W3C Trace Context, to be found again in the retake request.
        extra: further fields for `data`, JSON values by name.

    Raises:
        InvalidEvent: a field is wrong.
    """
    known = {"ad_id": ad_id, "image_id": image_id, "seller_id": seller_id, "image_url": image_url}
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": source,
        "type": EVENT_TYPE,
        "time": datetime.now(UTC).isoformat(),
        "traceparent": traceparent,
        "data": {**(extra or {}), **known, "replaces": replaces},
    }
    try:
        raw = _write(event)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidEvent(f"The event cannot be written as JSON: {error}.") from None
    return parse_event(raw)


def _write(event: Mapping[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _refusal(errors: list[ErrorDetails]) -> InvalidEvent:
    kinds = [_kind(error) for error in errors]
    kind = next((each for each in (EventVersion, EventType, InvalidEvent) if each in kinds), EventUrl)
    return kind("; ".join(map(_fault, errors[:_MAX_FAULTS])) + ".")


def _kind(error: ErrorDetails) -> type[InvalidEvent]:
    return EventUrl if error["type"] == "url" else _BY_FIELD.get(error["loc"], InvalidEvent)


def _fault(error: ErrorDetails) -> str:
    message = _MESSAGES.get(error["type"], error["msg"])
    return f"{'.'.join(map(str, error['loc']))}: {_PYDANTIC_SUBJECT.sub('must', message)}"
