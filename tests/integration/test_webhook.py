"""The webhook sender against real HTTP servers on loopback, checked with the public verifier and CloudEvents SDK."""

import base64
import logging
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_host import Script, ScriptedHost
from standardwebhooks import Webhook, WebhookVerificationError

from models.reasons import ReasonCode
from tasks.webhook import MAX_ANSWER_BYTES, Delivery, RetakeRequest, WebhookSender, new_webhook_id, to_body

SECRET = "whsec_" + base64.b64encode(b"0" * 32).decode()
NEXT_SECRET = "whsec_" + base64.b64encode(b"1" * 32).decode()
PATIENCE = 0.3  # seconds: the total deadline of senders that meet a receiver who never ends


class Received(NamedTuple):
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: tuple[str, int]


class Receiver(ThreadingHTTPServer):
    """A seller-notification system that answers what a test tells it to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.received: list[Received] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.body = b""

    def handle_error(self, *_: Any) -> None:
        """Expect senders that leave before the end of a long answer."""
        assert isinstance(sys.exception(), ConnectionError)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hooks?tenant=1"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.received.append(Received(self.command, self.path, headers, body, self.client_address))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        if self.server.status != 204:
            self.send_header("content-length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def sender(receiver: Receiver) -> Iterator[WebhookSender]:
    with closing_sender(receiver.url) as made:
        yield made


@contextmanager
def closing_sender(url: str, *secrets: str, timeout: float = 20.0) -> Iterator[WebhookSender]:
    made = WebhookSender(url, secrets or [SECRET], timeout)
    try:
        yield made
    finally:
        made.close()


def a_request(text: str = "981234") -> RetakeRequest:
    return RetakeRequest(
        webhook_id=new_webhook_id(),
        ad_id=text,
        image_id=text,
        seller_id=text,
        image_url=f"https://img.example.com/{text}",
        score=1.27,
        stars=1,
        threshold=2.5,
        reasons=(ReasonCode.TOO_DARK, ReasonCode.COLOUR_CAST),
        model="quality@0123456789ab",
        scored_at=datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC),
        traceparent=None,
    )


def send(sender: WebhookSender, request: RetakeRequest | None = None) -> Delivery:
    request = request or a_request()
    return sender.send(request.webhook_id, to_body(request))


def test_the_public_verifier_and_the_cloudevents_sdk_accept_what_arrives(
    receiver: Receiver, sender: WebhookSender
) -> None:
    request = a_request()
    assert send(sender, request) == Delivery("delivered", 204)
    (seen,) = receiver.received
    assert (seen.method, seen.path) == ("POST", "/hooks?tenant=1")
    assert seen.headers["content-type"] == "application/cloudevents+json"
    assert seen.headers["webhook-id"] == request.webhook_id
    assert Webhook(SECRET).verify(seen.body, seen.headers)["data"]["ad_id"] == "981234"
    event = from_structured_event(HTTPMessage(seen.headers, seen.body))
    assert (event.get_type(), event.get_id()) == ("ad.photo.retake_requested", request.webhook_id)


def test_the_sent_bytes_are_the_signed_bytes(receiver: Receiver, sender: WebhookSender) -> None:
    body = b' {"odd":  "spacing",\n "\\u00e9": 1.0} '
    assert sender.send("msg_1", body).outcome == "delivered"
    (seen,) = receiver.received
    assert seen.body == body
    Webhook(SECRET).verify(seen.body, seen.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(seen.body.strip(), seen.headers)


def test_every_signed_part_counts(receiver: Receiver, sender: WebhookSender) -> None:
    send(sender)
    (seen,) = receiver.received
    later = str(int(seen.headers["webhook-timestamp"]) + 1)
    for change in ({"webhook-id": "msg_other"}, {"webhook-timestamp": later}):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(seen.body, seen.headers | change)


def test_two_secrets_sign_in_the_order_given(receiver: Receiver) -> None:
    with closing_sender(receiver.url, SECRET, NEXT_SECRET) as sender:
        send(sender)
    (seen,) = receiver.received
    first, second = seen.headers["webhook-signature"].split(" ")
    for secret, signature in ((SECRET, first), (NEXT_SECRET, second)):
        Webhook(secret).verify(seen.body, seen.headers)
        Webhook(secret).verify(seen.body, seen.headers | {"webhook-signature": signature})
    with pytest.raises(WebhookVerificationError):
        Webhook(NEXT_SECRET).verify(seen.body, seen.headers | {"webhook-signature": first})


def test_another_attempt_has_the_same_id_and_its_own_valid_signature(receiver: Receiver, sender: WebhookSender) -> None:
    request = a_request()
    for _ in range(2):
        send(sender, request)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == request.webhook_id
    assert first.body == second.body
    for seen in (first, second):
        Webhook(SECRET).verify(seen.body, seen.headers)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.status = status
    assert send(sender) == Delivery("delivered", status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 429, 500, 501, 502, 503, 504, 599])
def test_other_answers_are_tried_again(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.status = status
    assert send(sender) == Delivery("retry", status, f"http_{status}")


def test_an_answer_below_200_is_none() -> None:
    with (
        ScriptedHost({"/": b"HTTP/1.1 199 Odd\r\nContent-Length: 0\r\n\r\n"}) as host,
        closing_sender(host.url()) as odd,
    ):
        assert send(odd) == Delivery("retry", 199, "http_199")


def test_410_ends_it(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.status, receiver.headers = 410, {"retry-after": "60"}
    assert send(sender) == Delivery("gone", 410, "http_410")


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.status, receiver.headers = status, {"location": receiver.url}
    assert send(sender) == Delivery("retry", status, f"http_{status}")
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_in_seconds(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.status, receiver.headers = status, {"retry-after": "120"}
    assert send(sender) == Delivery("retry", status, f"http_{status}", retry_after=120)


def test_retry_after_as_a_date(receiver: Receiver, sender: WebhookSender) -> None:
    when = datetime.now(UTC) + timedelta(hours=1)
    receiver.status, receiver.headers = 503, {"retry-after": format_datetime(when, usegmt=True)}
    asked = send(sender).retry_after
    assert asked is not None
    assert 0 < asked <= 3600


@pytest.mark.parametrize(
    ("header", "asked"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400),
        ("9" * 30, 86_400),
        ("9" * 5000, None),
        ("0", 0),
        (" 7 ", 7),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("Fri, 99 Foo 99999999999 99:99:99 GMT", None),
    ],
)
def test_odd_retry_after(receiver: Receiver, sender: WebhookSender, header: str, asked: float | None) -> None:
    receiver.status, receiver.headers = 429, {"retry-after": header}
    assert send(sender) == Delivery("retry", 429, "http_429", retry_after=asked)


@pytest.mark.parametrize("status", [404, 500])
def test_retry_after_counts_only_where_the_contract_says(
    receiver: Receiver, sender: WebhookSender, status: int
) -> None:
    receiver.status, receiver.headers = status, {"retry-after": "120"}
    assert send(sender).retry_after is None


def test_the_connection_is_kept(receiver: Receiver, sender: WebhookSender) -> None:
    for status, body in ((200, b"thank you"), (503, b"later"), (204, b"")):
        receiver.status, receiver.body = status, body
        send(sender)
    assert len({seen.peer for seen in receiver.received}) == 1


def test_a_connection_that_the_receiver_closed_meanwhile_is_replaced(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.headers = {"connection": "close"}
    assert [send(sender).outcome for _ in range(3)] == ["delivered"] * 3
    assert len({seen.peer for seen in receiver.received}) == 3


@pytest.mark.parametrize("status", [200, 500])
def test_a_long_answer_is_not_read_to_its_end(receiver: Receiver, sender: WebhookSender, status: int) -> None:
    receiver.status, receiver.body = status, b"x" * (4 * MAX_ANSWER_BYTES)
    assert [send(sender).status for _ in range(2)] == [status] * 2
    assert len({seen.peer for seen in receiver.received}) == 2


def test_proxies_and_passwords_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with closing_sender(receiver.url) as sender:
        assert send(sender).outcome == "delivered"
    assert "authorization" not in receiver.received[0].headers


@pytest.mark.parametrize("text", ["\r\nX-Evil: 1", "\r\n\r\nPOST /evil HTTP/1.1\r\n\r\n", "é🐈\n", '"}],"score":5'])
def test_no_text_of_a_request_reaches_the_headers(receiver: Receiver, sender: WebhookSender, text: str) -> None:
    send(sender)
    send(sender, a_request(text))
    plain, hostile = receiver.received
    assert hostile.headers.keys() == plain.headers.keys()
    assert Webhook(SECRET).verify(hostile.body, hostile.headers)["data"]["ad_id"] == text


def test_a_webhook_id_that_would_end_its_header_is_not_sent(receiver: Receiver, sender: WebhookSender) -> None:
    with pytest.raises(ValueError, match="header"):
        sender.send("msg_1\r\nX-Evil: 1", b"{}")
    assert receiver.received == []


def test_nothing_secret_is_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with closing_sender(receiver.url, SECRET, NEXT_SECRET) as sender:
        send(sender)
    signature = receiver.received[0].headers["webhook-signature"]
    for secret in (SECRET.removeprefix("whsec_"), NEXT_SECRET.removeprefix("whsec_"), *signature.split(" ")):
        assert secret not in caplog.text


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")


def break_off(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 20")


def flood(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * MAX_ANSWER_BYTES)


@pytest.mark.parametrize(
    ("serve", "code"),
    [
        (reset, "connection_failed"),
        (hang_up, "connection_failed"),
        (talk_nonsense, "connection_failed"),
        (break_off, "connection_failed"),
        (flood, "too_large"),
    ],
)
def test_a_broken_receiver_is_tried_again(serve: Script, code: str) -> None:
    with ScriptedHost({"/": serve}) as host, closing_sender(host.url()) as sender:
        assert send(sender) == Delivery("retry", error_code=code)


def deliver_to_a_drip(start: bytes, drop: bytes, attempts: int = 1) -> list[Delivery]:
    """Send to a receiver that begins with `start` and then gives `drop` after `drop`, for ever."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            host.pause(0.01)
            connection.sendall(drop)

    with ScriptedHost({"/": drip}) as host, closing_sender(host.url(), timeout=PATIENCE) as sender:
        return [send(sender) for _ in range(attempts)]


@pytest.mark.parametrize(
    ("start", "drop"),
    [(b"", b""), (b"HTTP/1.1 200 O", b"K"), (b"", b"HTTP/1.1 100 Continue\r\n\r\n"), (b"HTTP/1.1 200 OK\r\nA: ", b"b")],
    ids=["silence", "status", "continue", "header"],
)
def test_a_receiver_that_never_ends_cannot_hold_the_sender(start: bytes, drop: bytes) -> None:
    assert deliver_to_a_drip(start, drop) == [Delivery("retry", error_code="timeout")]


def test_endless_headers_cannot_hold_the_sender() -> None:
    (delivery,) = deliver_to_a_drip(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n")
    assert (delivery.outcome, delivery.status) == ("retry", None)


@pytest.mark.parametrize(
    ("start", "drop", "delivery"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b".", Delivery("delivered", 200)),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n", Delivery("retry", 503, "http_503")),
    ],
    ids=["length", "chunks"],
)
def test_an_endless_body_changes_nothing(start: bytes, drop: bytes, delivery: Delivery) -> None:
    assert deliver_to_a_drip(start, drop, attempts=2) == [delivery] * 2


heads = st.lists(
    st.sampled_from(
        [
            b"Content-Length: 5",
            b"Content-Length: x",
            b"Content-Length: -1",
            b"Transfer-Encoding: chunked",
            b"Retry-After: 5",
            b"Content-Encoding: gzip",
            b"Location: http://127.0.0.1:1/",
            b"Connection: close",
            b": ",
            b"\xff\xfe: \x00",
            b" folded",
        ]
    ),
    max_size=4,
)
answers = st.binary(max_size=200) | st.builds(
    lambda status, head, body: b"HTTP/1.1 %d X\r\n%b\r\n\r\n%b" % (status, b"\r\n".join(head), body),
    st.integers(0, 1000),
    heads,
    st.binary(max_size=50)
    | st.sampled_from([b"5\r\nhello\r\n0\r\n\r\n", b"g\r\n", b"ffffffffffffffffffff\r\n", b"\x1f\x8b"]),
)


def test_whatever_is_answered_becomes_a_delivery() -> None:
    script: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(script[-1])
        connection.shutdown(socket.SHUT_WR)

    @settings(deadline=None)
    @given(answers)
    def check(answer: bytes) -> None:
        script.append(answer)
        delivery = send(curious)
        assert delivery.outcome in {"delivered", "retry", "gone"}
        assert (delivery.outcome == "delivered") == (delivery.error_code is None)

    with ScriptedHost({"/": serve}) as host, closing_sender(host.url(), timeout=5) as curious:
        check()


def test_a_receiver_that_is_not_there_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with closing_sender(f"http://127.0.0.1:{port}/") as sender:
        assert send(sender) == Delivery("retry", error_code="connection_failed")


def test_a_name_that_leads_nowhere_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with closing_sender("https://sellers.example.com/") as sender:
        assert send(sender) == Delivery("retry", error_code="dns_failed")


def test_a_name_server_that_does_not_answer_cannot_hold_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait() and [])
    with closing_sender("https://sellers.example.com/", timeout=PATIENCE) as sender:
        assert send(sender) == Delivery("retry", error_code="timeout")
    answered.set()


def test_a_receiver_without_tls_under_an_https_address_is_tried_again(receiver: Receiver) -> None:
    with closing_sender(receiver.url.replace("http:", "https:"), timeout=5) as sender:
        assert send(sender) == Delivery("retry", error_code="tls_failed")
    assert receiver.received == []


def test_a_receiver_comes_back(receiver: Receiver, sender: WebhookSender) -> None:
    receiver.status = 500
    assert send(sender).outcome == "retry"
    receiver.status = 200
    assert send(sender).outcome == "delivered"
