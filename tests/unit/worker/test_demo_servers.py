import base64
import json
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3
from redis import Redis
from standardwebhooks import Webhook

from worker.demo.image_host import ImageHost
from worker.demo.photos import Photo
from worker.demo.processes import Guard
from worker.demo.servers import embedded_valkey
from worker.demo.webhook_sink import WebhookSink, new_secret

SECRET = new_secret()
BODY = json.dumps({"type": "ad.photo.retake_requested", "data": {"ad_id": "7"}})


def gone() -> bytes:
    raise FileNotFoundError


@pytest.fixture
def host() -> Iterator[ImageHost]:
    photos = [Photo("a", lambda: b"first"), Photo("b", lambda: None), Photo("c", gone)]
    with ImageHost(photos) as server:
        yield server


@pytest.fixture
def sink() -> Iterator[WebhookSink]:
    with WebhookSink(SECRET) as server:
        yield server


def signed(webhook_id: str, body: str, secret: str = SECRET, when: datetime | None = None) -> dict[str, str]:
    when = when or datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(when.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, when, body),
    }


def test_photo_is_served_as_a_jpeg(host: ImageHost) -> None:
    answer = urllib3.request("GET", host.urls[0], timeout=5)

    assert (answer.status, answer.data) == (200, b"first")
    assert answer.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("number", [1, 2])
def test_photo_without_bytes_is_not_found(host: ImageHost, number: int) -> None:
    assert urllib3.request("GET", host.urls[number], timeout=5).status == 404


def test_unknown_path_is_not_found(host: ImageHost) -> None:
    assert urllib3.request("GET", f"http://{host.address}/../etc/passwd", timeout=5).status == 404


def test_request_with_a_good_signature_is_remembered_by_its_id(sink: WebhookSink) -> None:
    for _ in range(2):
        assert urllib3.request("POST", sink.url, body=BODY, headers=signed("msg_1", BODY), timeout=5).status == 204

    assert sink.requests == {"msg_1": json.loads(BODY)}
    assert sink.refused == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed("msg_1", BODY + " "),
        signed("msg_1", BODY, secret=new_secret()),
        signed("msg_1", BODY) | {"webhook-id": "msg_2"},
        signed("msg_1", BODY, when=datetime.now(UTC) - timedelta(hours=1)),
    ],
    ids=["unsigned", "other body", "other secret", "other id", "old"],
)
def test_request_without_a_good_signature_is_refused(sink: WebhookSink, headers: dict[str, str]) -> None:
    assert urllib3.request("POST", sink.url, body=BODY, headers=headers, timeout=5).status == 401
    assert sink.requests == {}
    assert len(sink.refused) == 1


def test_secret_is_what_standard_webhooks_asks_for() -> None:
    prefix, key = SECRET[:6], base64.b64decode(SECRET[6:], validate=True)

    assert prefix == "whsec_"
    assert 24 <= len(key) <= 64
    assert new_secret() != SECRET


def test_server_is_gone_after_its_block() -> None:
    with ImageHost([]) as server:
        port = server.server_port

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_valkey_answers_inside_its_block_and_ends_with_it(tmp_path: Path) -> None:
    guard = Guard(tmp_path / "folder")
    with embedded_valkey(tmp_path / "folder" / "valkey", guard) as url, Redis.from_url(url) as client:
        assert client.ping()
        process_id = client.info("server")["process_id"]
    guard.release()

    with pytest.raises(ProcessLookupError):
        os.kill(process_id, 0)
