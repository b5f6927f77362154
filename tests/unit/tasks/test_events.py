import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from models.errors import RetakeError
from tasks.errors import EventNotJson, EventTooLarge, EventType, EventUrl, EventVersion, InvalidEvent
from tasks.events import MAX_EVENT_BYTES, MAX_URL_BYTES, new_event, parse_event
from tasks.strict_json import MAX_DEPTH

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMES = ["ad_id", "image_id", "seller_id"]
TEXTS = [*NAMES, "image_url", "replaces"]
INJECTIONS = [
    "'; DROP TABLE images; --",
    '" OR 1=1 --',
    "Robert'); DELETE FROM scores;--",
    "${jndi:ldap://localhost/a}",
    "{{7*7}}",
    "%s%n%x",
    "../../etc/passwd",
    "<script>alert(1)</script>",
    '","admin":"yes',
    "кот 猫 🐈 é",
]
CONTROLS = ["\x00", "\n", "\r\nX-Evil: 1", "\t", "\x1b[31m", "\x7f", "\x85", "\x9f"]


def an_event(**data: object) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "5d3c0b0e",
        "source": "/upload-service",
        "type": "ad.image.uploaded",
        "time": "2026-11-23T10:15:00Z",
        "datacontenttype": "application/json",
        "data": {
            "ad_id": "981234",
            "image_id": "981234-1",
            "seller_id": "s-77",
            "image_url": "https://img.example.com/981234/1.jpg",
            **data,
        },
    }


def raw(event: object) -> bytes:
    return json.dumps(event).encode()


def refusal(event: object) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as refused:
        parse_event(event if isinstance(event, bytes) else raw(event))
    return refused.value


def test_the_event_of_the_contract_is_read_whole() -> None:
    event = parse_event(raw(an_event(replaces="981234-0")))
    assert (event.id, event.source) == ("5d3c0b0e", "/upload-service")
    assert event.time == datetime(2026, 11, 23, 10, 15, tzinfo=UTC)
    assert event.data.model_dump() == {
        "ad_id": "981234",
        "image_id": "981234-1",
        "seller_id": "s-77",
        "image_url": "https://img.example.com/981234/1.jpg",
        "replaces": "981234-0",
    }


def test_only_five_attributes_are_required() -> None:
    event = an_event()
    del event["time"], event["datacontenttype"]
    parsed = parse_event(raw(event))
    assert (parsed.time, parsed.traceparent, parsed.data.replaces, parsed.data.extra) == (None, None, None, {})


@pytest.mark.parametrize("name", ["time", "traceparent", "subject"])
def test_a_null_attribute_counts_as_unset(name: str) -> None:
    assert getattr(parse_event(raw(an_event() | {name: None})), name, None) is None


def test_unknown_fields_of_data_are_kept() -> None:
    extra = {"category": "bikes", "size": [1, 2.5, {"deep": None}], "extra": 1, "model_extra": 2, "copy": 3, "é🐈": ""}
    assert parse_event(raw(an_event(**extra))).data.extra == extra


def test_unknown_attributes_are_accepted() -> None:
    assert parse_event(raw(an_event() | {"tenant": "pl", "sampledrate": 3, "Odd-Name": {"a": []}})).id == "5d3c0b0e"


def test_traceparent_is_kept() -> None:
    assert parse_event(raw(an_event() | {"traceparent": TRACEPARENT})).traceparent == TRACEPARENT


@pytest.mark.parametrize(
    "traceparent",
    ["", "x", 7, ["00"], TRACEPARENT.upper(), TRACEPARENT + "\r\nX: 1", "ff" + TRACEPARENT[2:], "00-" + "0" * 32],
)
def test_a_traceparent_that_cannot_be_read_is_ignored(traceparent: object) -> None:
    assert parse_event(raw(an_event() | {"traceparent": traceparent})).traceparent is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-23T12:15:00+02:00", datetime(2026, 11, 23, 10, 15, tzinfo=UTC)),
        ("2026-11-23t10:15:00z", datetime(2026, 11, 23, 10, 15, tzinfo=UTC)),
        ("2026-11-23T10:15:00.123456789Z", datetime(2026, 11, 23, 10, 15, 0, 123456, tzinfo=UTC)),
        ("2026-11-23T10:15:00.5-00:00", datetime(2026, 11, 23, 10, 15, 0, 500000, tzinfo=UTC)),
    ],
)
def test_time_is_read_as_utc(written: str, meant: datetime) -> None:
    parsed = parse_event(raw(an_event() | {"time": written})).time
    assert parsed is not None
    assert (parsed, parsed.utcoffset()) == (meant, meant.utcoffset())


@pytest.mark.parametrize(
    "time",
    [
        "2026-11-23T10:15:00",
        "2026-11-23",
        "20261123T101500Z",
        "2026-W48-1T10:15:00Z",
        "2026-13-23T10:15:00Z",
        "2026-11-23T25:15:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-23T10:15:00+99:99",
        "٢٠٢٦-11-23T10:15:00Z",
        "now",
        "",
        1763892900,
        True,
        {},
    ],
)
def test_a_time_that_is_not_rfc_3339_is_refused(time: object) -> None:
    error = refusal(an_event() | {"time": time})
    assert error.code == "event_invalid"
    assert str(error).startswith("time: ")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"hello",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"1",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":1}{"a":1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":"\x00"}',
        b'{"a":"tab\there"}',
        b'{"a":01}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\xed\xa0\x80"}',
    ],
)
def test_what_is_not_a_json_object_is_refused(body: bytes) -> None:
    error = refusal(body)
    assert isinstance(error, EventNotJson)
    assert error.code == "event_not_json"


@pytest.mark.parametrize("version", ["0.3", "1.1", "1", "", 1.0, None, ["1.0"]])
def test_another_version_is_refused(version: object) -> None:
    error = refusal(an_event() | {"specversion": version})
    assert isinstance(error, EventVersion)
    assert "specversion" in str(error)


@pytest.mark.parametrize("kind", ["ad.image.deleted", "AD.IMAGE.UPLOADED", "ad.image.uploaded ", "", 7, None])
def test_another_type_is_refused(kind: object) -> None:
    error = refusal(an_event() | {"type": kind})
    assert isinstance(error, EventType)
    assert str(error).startswith("type: ")


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "data"])
def test_a_missing_attribute_is_named(name: str) -> None:
    event = an_event()
    del event[name]
    assert f"{name}: is missing" in str(refusal(event))


@pytest.mark.parametrize("name", [*NAMES, "image_url"])
def test_a_missing_field_is_named(name: str) -> None:
    event = an_event()
    del event["data"][name]
    error = refusal(event)
    assert (error.code, str(error)) == ("event_invalid", f"data.{name}: is missing.")


@pytest.mark.parametrize("name", [*NAMES, "image_url"])
@pytest.mark.parametrize("value", [981234, 1.5, True, None, [], ["a"], {}, ""])
def test_a_field_that_is_not_a_text_is_refused(name: str, value: object) -> None:
    error = refusal(an_event(**{name: value}))
    assert (error.code, str(error).partition(":")[0]) == ("event_invalid", f"data.{name}")


@pytest.mark.parametrize("data", [None, "text", 7, [], [["ad_id", "1"]]])
def test_data_that_is_not_an_object_is_refused(data: object) -> None:
    assert str(refusal(an_event() | {"data": data})).startswith("data: ")


def test_every_fault_of_an_event_is_told_at_once() -> None:
    message = str(refusal(an_event(ad_id=1, seller_id="", image_url="ftp://x/y")))
    assert all(name in message for name in ("data.ad_id", "data.seller_id", "data.image_url"))


def test_the_message_never_repeats_what_was_sent() -> None:
    secret = "correct-horse-battery\n"
    event = an_event(ad_id=secret, image_url=f"https://u:{secret}@h/") | {"id": secret, "type": secret, "time": secret}
    assert "correct-horse" not in str(refusal(event))


def test_a_photo_cannot_replace_itself() -> None:
    assert "replaces" in str(refusal(an_event(replaces="981234-1")))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", INJECTIONS)
def test_hostile_text_is_text(name: str, text: str) -> None:
    assert getattr(parse_event(raw(an_event(**{name: text}))).data, name) == text


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused_in_every_field(name: str, control: str) -> None:
    good = an_event(replaces="981234-0")["data"][name]
    assert refusal(an_event(**{name: good + control})).code == "event_invalid"


@pytest.mark.parametrize("name", ["id", "source"])
@pytest.mark.parametrize("control", CONTROLS)
def test_control_characters_are_refused_in_the_name_of_the_event(name: str, control: str) -> None:
    assert refusal(an_event() | {name: control}).code == "event_invalid"


@pytest.mark.parametrize(
    "extra", [{"note": "\x00"}, {"a\x00": 1}, {"n": [[{"k": "\ud800"}]]}, {"\udfff": {}}, {"half": "\ude00\ud83d"}]
)
def test_what_no_database_can_keep_is_refused_wherever_it_stands(extra: dict[str, Any]) -> None:
    assert refusal(an_event(**extra)).code == "event_invalid"


def test_a_line_break_in_an_unknown_field_is_kept() -> None:
    assert parse_event(raw(an_event(description="two\nlines"))).data.extra == {"description": "two\nlines"}


@pytest.mark.parametrize("place", ["id", "data"])
def test_a_key_given_twice_is_refused(place: str) -> None:
    doubled = raw(an_event()).replace(f'"{place}": '.encode(), f'"{place}": 1, "{place}": '.encode())
    assert "twice" in str(refusal(doubled))


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1" + "0" * 400 + ".0"])
def test_a_number_beyond_the_range_of_a_float_is_refused(number: str) -> None:
    assert "number" in str(refusal(raw(an_event(n=0)).replace(b'"n": 0', f'"n": {number}'.encode())))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_have_255_characters(name: str) -> None:
    assert getattr(parse_event(raw(an_event(**{name: "🐈" * 255}))).data, name) == "🐈" * 255
    assert str(refusal(an_event(**{name: "a" * 256}))) == f"data.{name}: must have at most 255 characters."


@pytest.mark.parametrize("filler", ["a", "é", "猫", "🐈"])
def test_a_url_may_have_2048_bytes(filler: str) -> None:
    start = "https://img.example.com/"
    room = MAX_URL_BYTES - len(start)
    longest = start + filler * (room // len(filler.encode()))
    assert parse_event(raw(an_event(image_url=longest))).data.image_url == longest
    assert "2048" in str(refusal(an_event(image_url=longest + filler * 4)))


@pytest.mark.parametrize(
    "url",
    [
        "http://img.example.com/1.jpg",
        "HTTPS://IMG.EXAMPLE.COM/1.JPG",
        "https://img.example.com:8443/1.jpg?w=1&h=2#x",
        "https://img.example.com/IMG 1.jpg",
        "https://img.example.com/фото.jpg",
        "https://bücher.example/1.jpg",
        "https://[2001:db8::1]/1.jpg",
        "https://img.example.com",
    ],
)
def test_web_addresses_are_accepted_as_they_are(url: str) -> None:
    assert parse_event(raw(an_event(image_url=url))).data.image_url == url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://img.example.com/1.jpg",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "gopher://localhost:6379/_FLUSHALL",
        "s3://bucket/key",
        "//img.example.com/1.jpg",
        "/1.jpg",
        "img.example.com/1.jpg",
        "http:/img.example.com/1.jpg",
        "http:img.example.com",
        "http://",
        "http:///1.jpg",
        "https://?x",
        "https://:443/1.jpg",
        "http://[::1/1.jpg",
        "http://img.example.com:99999/",
        "http://img.example.com:0/",
        "http://img.example.com:http/",
        "http://user:password@img.example.com/1.jpg",
        "http://img.example.com\\@localhost/1.jpg",
        "http://img.example.com\\localhost/1.jpg",
        "http://img example.com/1.jpg",
        " https://img.example.com/1.jpg",
        "https:\\\\img.example.com\\1.jpg",
        "https://\u2100.example/1.jpg",
    ],
)
def test_what_is_not_a_web_address_is_refused(url: str) -> None:
    error = refusal(an_event(image_url=url))
    assert isinstance(error, EventUrl)
    assert (error.code, str(error).partition(":")[0]) == ("event_url", "data.image_url")


@pytest.mark.parametrize("size", [MAX_EVENT_BYTES + 1, 1_000_000])
def test_an_oversized_event_is_refused_unread(size: int) -> None:
    error = refusal(b"\xff" * size)
    assert isinstance(error, EventTooLarge)
    assert str(size) in str(error)


def test_an_event_of_the_largest_size_is_read() -> None:
    body = raw(an_event(note=""))
    fill = "x" * (MAX_EVENT_BYTES - len(body))
    assert parse_event(raw(an_event(note=fill))).data.extra == {"note": fill}


def nested(levels: int, opening: str, closing: str) -> bytes:
    return raw(an_event(n=0)).replace(b'"n": 0', f'"n": {opening * levels}1{closing * levels}'.encode())


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_has_a_limit(opening: str, closing: str) -> None:
    assert parse_event(nested(MAX_DEPTH - 2, opening, closing)).id == "5d3c0b0e"
    for levels in (MAX_DEPTH - 1, 900, 5_000):
        assert "nested deeper" in str(refusal(nested(levels, opening, closing)))


@pytest.mark.parametrize("body", [b"[" * MAX_EVENT_BYTES, b'{"a":' * (MAX_EVENT_BYTES // 5), b'[{"":' * 13_000])
def test_the_deepest_nesting_does_not_exhaust_the_stack(body: bytes) -> None:
    assert refusal(body).code == "event_invalid"


@pytest.mark.parametrize("kind", [InvalidEvent, EventNotJson, EventTooLarge, EventType, EventUrl, EventVersion])
def test_every_refusal_is_typed_and_coded(kind: type[InvalidEvent]) -> None:
    assert issubclass(kind, InvalidEvent)
    assert issubclass(kind, RetakeError)
    assert kind.code.startswith("event_")
    assert str(kind()) == kind.__doc__


def test_a_new_event_survives_the_way_to_the_reader() -> None:
    event = new_event(
        ad_id="981234",
        image_id="981234-1",
        seller_id="s-77",
        image_url="https://img.example.com/1.jpg",
        replaces="981234-0",
        source="/other-service",
        traceparent=TRACEPARENT,
        extra={"category": "bikes", "size": [1, 2], "colour": None},
    )
    assert parse_event(event.to_json()) == event
    assert event.source == "/other-service"
    assert event.data.extra == {"category": "bikes", "size": [1, 2], "colour": None}


def test_new_events_have_names_of_their_own() -> None:
    first, second = (
        new_event(ad_id="1", image_id="2", seller_id="3", image_url="https://img.example.com/1.jpg") for _ in range(2)
    )
    assert first.id != second.id


def test_an_extra_field_cannot_stand_in_for_a_known_one() -> None:
    extra = {"ad_id": "other", "image_url": "https://other.example/"}
    event = new_event(ad_id="1", image_id="2", seller_id="3", image_url="https://img.example.com/1.jpg", extra=extra)
    assert (event.data.ad_id, event.data.image_url) == ("1", "https://img.example.com/1.jpg")


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"bytes", "\ud800", "x" * MAX_EVENT_BYTES])
def test_an_extra_field_that_cannot_travel_is_refused_before_publishing(value: object) -> None:
    with pytest.raises(InvalidEvent):
        new_event(
            ad_id="1", image_id="2", seller_id="3", image_url="https://img.example.com/1.jpg", extra={"field": value}
        )


def test_an_event_of_the_largest_size_can_be_written_again() -> None:
    body = json.dumps(an_event(note=""), ensure_ascii=False, separators=(",", ":")).encode()
    largest = body.replace(b'"note":""', f'"note":"{"猫" * ((MAX_EVENT_BYTES - len(body)) // 3)}"'.encode())
    assert MAX_EVENT_BYTES - 3 < len(largest) <= MAX_EVENT_BYTES
    assert len(parse_event(largest).to_json()) == len(largest)


def test_a_published_event_is_a_cloudevent_to_the_public_sdk() -> None:
    event = new_event(ad_id="1", image_id="2", seller_id="3", image_url="https://img.example.com/1.jpg")
    seen = from_structured_event(HTTPMessage({"content-type": "application/cloudevents+json"}, event.to_json()))
    assert (seen.get_specversion(), seen.get_id(), seen.get_source()) == ("1.0", event.id, "/upload-service")
    assert (seen.get_type(), seen.get_time(), seen.get_datacontenttype()) == (
        "ad.image.uploaded",
        event.time,
        "application/json",
    )
    assert seen.get_data() == {
        "ad_id": "1",
        "image_id": "2",
        "seller_id": "3",
        "image_url": "https://img.example.com/1.jpg",
    }
