"""Whatever the bytes are, the parser gives an event or refuses it."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InvalidEvent
from tasks.events import ImageUploaded, new_event, parse_event

# Everything that Python can hold in a text, half surrogate pairs included.
any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=20,
)
name = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
host = st.sampled_from(["img.example.com", "img.example.com:8443", "192.0.2.1", "[2001:db8::1]", "bücher.example"])
url = st.builds("https://{}/{}".format, host, st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=40))
sound_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=20)
sound_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | sound_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(sound_text, inner, max_size=4),
    max_leaves=10,
)
VALID: dict[str, Any] = {
    "specversion": "1.0",
    "id": "5d3c0b0e",
    "source": "/upload-service",
    "type": "ad.image.uploaded",
    "time": "2026-11-23T10:15:00Z",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "data": {"ad_id": "1", "image_id": "2", "seller_id": "3", "image_url": "https://img.example.com/1.jpg"},
}
CLAIM = json.dumps(VALID).encode()


def settle(raw: bytes) -> ImageUploaded | InvalidEvent:
    try:
        return parse_event(raw)
    except InvalidEvent as error:
        return error


def assert_settled(raw: bytes) -> None:
    """An event can be written and read again; a refusal can be stored and shown."""
    outcome = settle(raw)
    if isinstance(outcome, InvalidEvent):
        message = str(outcome)
        assert message.isprintable()
        assert message.encode()
        assert len(message) < 1000
    else:
        assert parse_event(outcome.to_json()) == outcome


@given(st.binary(max_size=300))
def test_arbitrary_bytes(raw: bytes) -> None:
    assert_settled(raw)


@given(any_json)
def test_arbitrary_json(value: object) -> None:
    assert_settled(json.dumps(value).encode())


@given(any_json, st.sampled_from([*VALID, "subject", "data_base64", "extension"]))
def test_any_value_in_any_attribute(value: object, attribute: str) -> None:
    assert_settled(json.dumps(VALID | {attribute: value}).encode())


@given(any_json, st.sampled_from([*VALID["data"], "replaces"]) | any_text)
def test_any_value_in_any_field(value: object, field: str) -> None:
    assert_settled(json.dumps(VALID | {"data": VALID["data"] | {field: value}}).encode())


@given(any_text, st.sampled_from([*VALID["data"], "replaces"]))
def test_any_text_in_any_field(text: str, field: str) -> None:
    assert_settled(json.dumps(VALID | {"data": VALID["data"] | {field: text}}).encode())


Mutation = Callable[[bytes, int, bytes], bytes]


def overwrite(raw: bytes, place: int, piece: bytes) -> bytes:
    return raw[:place] + piece + raw[place + len(piece) :]


def insert(raw: bytes, place: int, piece: bytes) -> bytes:
    return raw[:place] + piece + raw[place:]


def cut(raw: bytes, place: int, piece: bytes) -> bytes:
    return raw[:place] + raw[place + len(piece) :]


pieces = st.binary(min_size=1, max_size=6) | st.sampled_from(
    [b"\\ud800", b"\\u0000", b'"', b"\\", b"{", b"]", b"1e999", b"NaN", b"\xf0\x9f", b"null", b"\r\n"]
)


@given(
    st.lists(
        st.tuples(st.sampled_from([overwrite, insert, cut]), st.integers(0, len(CLAIM)), pieces),
        min_size=1,
        max_size=4,
    )
)
def test_mutations_of_a_valid_event(mutations: list[tuple[Mutation, int, bytes]]) -> None:
    raw = CLAIM
    for mutate, place, piece in mutations:
        raw = mutate(raw, place, piece)
    assert_settled(raw)


@given(
    ad_id=name,
    image_id=name,
    seller_id=name,
    image_url=url,
    source=name,
    extra=st.dictionaries(sound_text, sound_json, max_size=3),
)
def test_what_is_published_is_what_is_read(
    ad_id: str, image_id: str, seller_id: str, image_url: str, source: str, extra: dict[str, object]
) -> None:
    known = {"ad_id", "image_id", "seller_id", "image_url", "replaces"}
    event = new_event(
        ad_id=ad_id, image_id=image_id, seller_id=seller_id, image_url=image_url, source=source, extra=extra
    )
    read = parse_event(event.to_json())
    assert read == event
    assert (read.source, read.data.ad_id, read.data.image_id) == (source, ad_id, image_id)
    assert (read.data.seller_id, read.data.image_url) == (seller_id, image_url)
    assert read.data.extra == {key: value for key, value in extra.items() if key not in known}
