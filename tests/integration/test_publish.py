import socket
from collections.abc import Iterator

import pytest
from redis import Redis

from tasks.errors import EventNotPublished, EventTooLarge
from tasks.events import MAX_EVENT_BYTES, ImageUploaded, new_event, parse_event
from worker.publish import Publisher


def an_event() -> ImageUploaded:
    return new_event(
        ad_id="981234",
        image_id="981234-1",
        seller_id="s-77",
        image_url="https://img.example.com/981234/1.jpg",
        extra={"category": "bicycles"},
    )


@pytest.fixture
def silent_server() -> Iterator[str]:
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://:swordfish@127.0.0.1:{listener.getsockname()[1]}/0"


def test_an_event_arrives_as_it_was_sent(valkey_url: str) -> None:
    event = an_event()
    with Publisher(valkey_url, "ad-images") as publisher:
        entry = publisher.publish(event)
    with Redis.from_url(valkey_url) as stream:
        ((entry_id, fields),) = stream.xrange("ad-images")
    assert entry_id.decode() == entry
    assert fields.keys() == {b"event"}
    assert parse_event(fields[b"event"]) == event


def test_the_stream_is_never_trimmed(valkey_url: str) -> None:
    event = an_event()
    with Publisher(valkey_url, "uploads") as publisher:
        entries = [publisher.publish(event) for _ in range(1_000)]
    with Redis.from_url(valkey_url) as stream:
        assert [entry.decode() for entry, _ in stream.xrange("uploads")] == entries


def test_an_event_that_the_reader_would_refuse_is_not_published(valkey_url: str) -> None:
    event = an_event()
    grown = event.model_copy(update={"source": "s" * MAX_EVENT_BYTES})
    with Publisher(valkey_url) as publisher, pytest.raises(EventTooLarge):
        publisher.publish(grown)
    with Redis.from_url(valkey_url) as stream:
        assert not stream.exists("ad-images")


def test_a_stream_that_does_not_answer_is_told_and_hides_its_password(silent_server: str) -> None:
    with Publisher(silent_server, timeout=0.05) as publisher, pytest.raises(EventNotPublished) as refused:
        publisher.publish(an_event())
    assert refused.value.code == "event_not_published"
    assert "again" in str(refused.value)
    assert "swordfish" not in str(refused.value)


def test_a_key_that_is_not_a_stream_is_told(valkey_url: str) -> None:
    with Redis.from_url(valkey_url) as client:
        client.set("ad-images", "text")
    with Publisher(valkey_url) as publisher, pytest.raises(EventNotPublished):
        publisher.publish(an_event())


def test_a_publisher_recovers_with_its_stream(valkey_url: str) -> None:
    with Publisher(valkey_url) as publisher, Redis.from_url(valkey_url) as client:
        publisher.publish(an_event())
        client.client_kill_filter(_type="normal", skipme=True)
        publisher.publish(an_event())
        assert client.xlen("ad-images") == 2
