import gzip
import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_host import ScriptedHost, answer, redirect

from tasks import errors
from tasks.errors import FetchError
from tasks.fetch import Fetcher, FetchPolicy

PHOTO = bytes(range(256)) * 1200
MAX_BYTES = 1_000_000
QUICK = 0.3  # seconds: the deadlines in these tests
IN_TIME = 10 * QUICK  # generous for a loaded machine, far below what the slow scripts would take
SLOW = 600.0  # seconds that a slow script would take if nobody stopped it


@pytest.fixture
def host() -> Iterator[ScriptedHost]:
    with ScriptedHost({"/photo.jpg": answer(PHOTO)}) as host:
        yield host


@pytest.fixture
def policy(host: ScriptedHost) -> FetchPolicy:
    return FetchPolicy(private_hosts=frozenset({host.address}), max_bytes=MAX_BYTES)


Fetch = Callable[..., bytes]


@pytest.fixture
def fetch(host: ScriptedHost, policy: FetchPolicy) -> Iterator[Fetch]:
    fetchers: list[Fetcher] = []

    def fetch(path: str = "/photo.jpg", **limits: float) -> bytes:
        if not fetchers or limits:
            fetchers.append(Fetcher(replace(policy, **limits)))  # type: ignore[arg-type]
        return fetchers[-1].fetch(host.url(path))

    yield fetch
    for fetcher in fetchers:
        fetcher.close()


def test_returns_the_bytes(fetch: Fetch) -> None:
    assert fetch() == PHOTO


def test_returns_chunked_bytes(host: ScriptedHost, fetch: Fetch) -> None:
    chunked = b"7\r\nchunked\r\n0006;name=value\r\n photo\r\n0\r\nTrailer: 1\r\n\r\n"
    host.routes["/"] = answer(Content_Length="", Transfer_Encoding="chunked") + chunked
    assert fetch("/") == b"chunked photo"
    assert fetch("/") == b"chunked photo"
    assert host.connections == 1


def test_returns_bytes_that_end_with_the_connection(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = lambda sock: sock.sendall(answer(Content_Length="") + PHOTO)
    assert fetch("/") == PHOTO


def test_keeps_the_connection(host: ScriptedHost, fetch: Fetch) -> None:
    for _ in range(5):
        fetch()
    assert host.connections == 1


def test_connects_anew_when_the_host_closed_the_kept_connection(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = lambda sock: sock.sendall(answer(PHOTO))
    assert [fetch("/"), fetch("/")] == [PHOTO, PHOTO]
    assert host.connections == 2


def test_asks_plainly(host: ScriptedHost, fetch: Fetch) -> None:
    fetch("/photo.jpg")
    request, *headers = host.requests[0].strip().split("\r\n")
    assert request == "GET /photo.jpg HTTP/1.1"
    assert sorted(headers) == [
        "Accept-Encoding: identity",
        "Accept: image/*",
        f"Host: {host.address}",
        "User-Agent: retake",
    ]


def test_sends_no_cookie_back(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = answer(PHOTO, Set_Cookie="a=b; Path=/")
    fetch("/")
    fetch("/")
    assert "ookie" not in host.requests[1]


def test_takes_neither_proxy_nor_netrc_from_the_environment(
    host: ScriptedHost, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    with ScriptedHost({}) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        netrc = os.path.join(tmp_path, "netrc")  # noqa: PTH118
        with open(netrc, "w") as file:  # noqa: PTH123
            file.write("machine 127.0.0.1 login somebody password secret\n")
        monkeypatch.setenv("NETRC", netrc)
        assert fetch() == PHOTO
        assert proxy.connections == 0
    assert "Authorization" not in host.requests[0]


@pytest.mark.parametrize("status", ["301 A", "302 A", "303 A", "307 A", "308 A"])
@pytest.mark.parametrize("location", ["/photo.jpg", "photo.jpg", "//{address}/photo.jpg", "http://{address}/photo.jpg"])
def test_follows_redirects(host: ScriptedHost, fetch: Fetch, status: str, location: str) -> None:
    host.routes["/a"] = redirect(location.format(address=host.address), status)
    assert fetch("/a") == PHOTO


def test_follows_a_location_outside_ascii(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/a"] = redirect("/фото".encode().decode("latin-1"))
    host.routes["/%D1%84%D0%BE%D1%82%D0%BE"] = answer(PHOTO)
    assert fetch("/a") == PHOTO


def test_follows_three_redirects_but_not_four(host: ScriptedHost, fetch: Fetch) -> None:
    for hop, to in zip("dcba", ("/photo.jpg", "/d", "/c", "/b"), strict=True):
        host.routes[f"/{hop}"] = redirect(to)
    assert fetch("/b") == PHOTO
    with pytest.raises(errors.TooManyRedirectsError):
        fetch("/a")


def test_a_redirect_loop_ends(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/a"] = redirect("/a")
    with pytest.raises(errors.TooManyRedirectsError):
        fetch("/a")
    assert len(host.requests) == 4


def test_never_reads_the_body_of_a_redirect(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/a"] = redirect("/photo.jpg").replace(b"Content-Length: 0", b"Content-Length: 9999999999")
    assert fetch("/a") == PHOTO


@pytest.mark.parametrize("location", ["http://[::1", "http://[x]/", "http://a:b/", "ftp://example.com/"])
def test_a_broken_location_is_final(host: ScriptedHost, fetch: Fetch, location: str) -> None:
    host.routes["/a"] = redirect(location)
    with pytest.raises(errors.UrlInvalidError):
        fetch("/a")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ("404 A", errors.NotFoundError),
        ("410 A", errors.NotFoundError),
        ("204 A", errors.HttpError),
        ("206 A", errors.HttpError),
        ("302 A", errors.HttpError),  # without a Location
        ("304 A", errors.HttpError),
        ("400 A", errors.HttpError),
        ("401 A", errors.HttpError),
        ("403 A", errors.HttpError),
        ("451 A", errors.HttpError),
        ("408 A", errors.HttpUnavailableError),
        ("425 A", errors.HttpUnavailableError),
        ("429 A", errors.HttpUnavailableError),
        ("500 A", errors.HttpUnavailableError),
        ("503 A", errors.HttpUnavailableError),
        ("599 A", errors.HttpUnavailableError),
    ],
)
def test_status(host: ScriptedHost, fetch: Fetch, status: str, error: type[FetchError]) -> None:
    host.routes["/"] = answer(status=status)
    with pytest.raises(error) as raised:
        fetch("/")
    assert raised.value.retryable is issubclass(error, errors.RetryableFetchError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("120", 120),
        ("0", 0),
        ("99999999999999999999", 86_400),
        ("9" * 5000, None),
        ("-5", None),
        ("soon", None),
        (formatdate(0, usegmt=True), 0),
        (formatdate(4e9, usegmt=True), 86_400),
    ],
)
def test_retry_after(host: ScriptedHost, fetch: Fetch, header: str, seconds: float | None) -> None:
    host.routes["/"] = answer(status="503 Busy", Retry_After=header)
    with pytest.raises(errors.HttpUnavailableError) as raised:
        fetch("/")
    assert raised.value.retry_after == seconds


def test_a_photo_of_just_the_largest_size_passes(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = answer(bytes(MAX_BYTES))
    assert len(fetch("/")) == MAX_BYTES


@pytest.mark.parametrize(
    "too_large",
    [
        answer(bytes(MAX_BYTES + 1)),
        answer(Content_Length="99999999999"),
        answer(Content_Length="", Transfer_Encoding="chunked") + b"fffffff\r\n" + bytes(2 * MAX_BYTES),
        answer(gzip.compress(bytes(MAX_BYTES + 1)), Content_Encoding="gzip"),
        answer(gzip.compress(gzip.compress(bytes(100 * MAX_BYTES))), Content_Encoding="gzip, gzip"),
        answer(zlib.compress(bytes(100 * MAX_BYTES)), Content_Encoding="deflate"),
    ],
    ids=["read", "announced", "chunked", "gzip", "gzip twice", "deflate"],
)
def test_too_large(host: ScriptedHost, fetch: Fetch, too_large: bytes) -> None:
    host.routes["/"] = too_large
    with pytest.raises(errors.TooLargeError):
        fetch("/")


def endless(head: bytes, block: bytes) -> Callable[[socket.socket], None]:
    def script(sock: socket.socket) -> None:
        sock.sendall(head)
        while True:
            sock.sendall(block)

    return script


CHUNKED = answer(Content_Length="", Transfer_Encoding="chunked")


@pytest.mark.parametrize(
    "script",
    [
        endless(answer(Content_Length=""), bytes(65536)),
        endless(CHUNKED, b"10000\r\n" + bytes(65536) + b"\r\n"),
        endless(CHUNKED + b"0\r\n", b"Trailer: value\r\n" * 1000),
        endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        endless(answer(Content_Length="", Content_Encoding="gzip"), gzip.compress(b"") * 1000),
    ],
    ids=["body", "chunks", "trailers", "interim answers", "empty gzip members"],
)
def test_whatever_never_ends_is_too_large(
    host: ScriptedHost, fetch: Fetch, script: Callable[[socket.socket], None]
) -> None:
    host.routes["/"] = script
    with pytest.raises(errors.TooLargeError):
        fetch("/", max_bytes=100_000)


@pytest.mark.parametrize(
    "script",
    [
        endless(b"HTTP/1.1 200 " + b"K" * 65536, b"K" * 65536),
        endless(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000),
        endless(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 65536),
        endless(CHUNKED, b"f" * 65536),
    ],
    ids=["status line", "headers", "header", "chunk size"],
)
def test_whatever_never_ends_in_a_header_breaks_off(
    host: ScriptedHost, fetch: Fetch, script: Callable[[socket.socket], None]
) -> None:
    host.routes["/"] = script
    with pytest.raises(errors.ConnectionFailedError):
        fetch("/")


def test_undoes_a_compression_nobody_asked_for(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = answer(gzip.compress(PHOTO), Content_Encoding="gzip")
    assert fetch("/") == PHOTO


def test_a_broken_compression_is_final(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = answer(b"not gzip at all", Content_Encoding="gzip")
    with pytest.raises(errors.HttpError):
        fetch("/")


def test_a_chain_of_redirects_shares_one_byte_budget(host: ScriptedHost, fetch: Fetch) -> None:
    padding = "x" * 60_000
    for hop in range(30):
        host.routes[f"/{hop}"] = answer(status="302 A", Location=f"/{hop + 1}", Padding=padding)
    with pytest.raises(errors.TooLargeError):
        fetch("/0", max_redirects=30, max_bytes=1000)


@pytest.mark.parametrize(
    "broken",
    [
        answer(PHOTO, Content_Length="999999"),
        CHUNKED + b"ff\r\nshort",
        CHUNKED + b"size?\r\nphoto\r\n",
        b"",
        b"HTTP/1.1 20",
        b"220 smtp.example.com ESMTP\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["short body", "short chunk", "no chunk size", "nothing", "half a line", "SMTP", "TLS"],
)
def test_an_answer_that_breaks_off_may_be_tried_again(host: ScriptedHost, fetch: Fetch, broken: bytes) -> None:
    host.routes["/"] = lambda sock: sock.sendall(broken)
    with pytest.raises(errors.ConnectionFailedError) as raised:
        fetch("/")
    assert raised.value.retryable


def test_a_refused_connection_may_be_tried_again(policy: FetchPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(errors.ConnectionFailedError):
        Fetcher(replace(policy, private_hosts=frozenset({f"127.0.0.1:{port}"}))).fetch(f"http://127.0.0.1:{port}/")


def test_a_connection_that_is_never_accepted_times_out(policy: FetchPolicy) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = f"127.0.0.1:{full.getsockname()[1]}"
        waiting = [socket.create_connection(full.getsockname()) for _ in range(1)]
        fetcher = Fetcher(replace(policy, private_hosts=frozenset({address}), connect_timeout=QUICK))
        with pytest.raises(errors.FetchTimeoutError):
            fetcher.fetch(f"http://{address}/")
        for sock in waiting:
            sock.close()


def test_a_tls_handshake_that_never_ends_times_out(policy: FetchPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        fetcher = Fetcher(replace(policy, private_hosts=frozenset({address}), connect_timeout=QUICK))
        with pytest.raises(errors.FetchTimeoutError):
            fetcher.fetch(f"https://{address}/")


def test_a_host_that_does_not_speak_tls(policy: FetchPolicy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as plain:
        address = f"127.0.0.1:{plain.getsockname()[1]}"
        fetcher = Fetcher(replace(policy, private_hosts=frozenset({address})))

        def answer_plainly() -> None:
            sock, _ = plain.accept()
            with sock:
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=answer_plainly, daemon=True).start()
        with pytest.raises(errors.ConnectionFailedError):
            fetcher.fetch(f"https://{address}/")


def drip(host: ScriptedHost, head: bytes, body: bytes, every: float = QUICK / 10) -> Callable[[socket.socket], None]:
    def script(sock: socket.socket) -> None:
        sock.sendall(head)
        for _ in range(int(SLOW / every)):
            sock.sendall(body)
            host.pause(every)

    return script


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (answer(Content_Length="99999"), b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"0\r\n", b"T: x\r\n"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"x"),
        (b"HTTP/1.1 ", b"2"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "chunks", "trailers", "headers", "status line", "interim answers"],
)
def test_a_slow_drip_does_not_outlast_the_deadline(host: ScriptedHost, fetch: Fetch, head: bytes, piece: bytes) -> None:
    host.routes["/"] = drip(host, head, piece)
    start = time.monotonic()
    with pytest.raises(errors.FetchTimeoutError):
        fetch("/", total_timeout=QUICK)
    assert time.monotonic() - start < IN_TIME


def test_slow_redirects_share_one_deadline(host: ScriptedHost, fetch: Fetch) -> None:
    def slow(sock: socket.socket) -> None:
        host.pause(QUICK / 2)
        sock.sendall(redirect("/"))

    host.routes["/"] = slow
    with pytest.raises(errors.FetchTimeoutError):
        fetch("/", total_timeout=QUICK, max_redirects=1000)


def test_silence_ends_before_the_deadline(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = lambda _: host.pause(SLOW)
    with pytest.raises(errors.FetchTimeoutError):
        fetch("/", read_timeout=QUICK, total_timeout=SLOW)


def test_a_kept_connection_gets_each_download_its_own_budget(host: ScriptedHost, fetch: Fetch) -> None:
    host.routes["/"] = answer(bytes(900_000))
    assert [len(fetch("/")) for _ in range(5)] == [900_000] * 5
    assert host.connections == 1


def test_is_usable_from_several_threads(host: ScriptedHost, policy: FetchPolicy) -> None:
    fetcher = Fetcher(policy)
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.extend(fetcher.fetch(host.url("/photo.jpg")) for _ in range(20)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [PHOTO] * 80


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/photo.jpg",
        "example.com/photo.jpg",
        "http://",
        "http:///photo.jpg",
        "http://:80/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "dict://127.0.0.1:11211/stats",
        "ldap://127.0.0.1/",
        "jar:http://127.0.0.1!/",
        "unix:///var/run/docker.sock",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://example.com:0x50/",
        "http://example.com:99999/",
        "http://exam ple.com/",
        "http://" + "a" * 64 + ".example/",
        "http://a..example/",
        "http://\x00.example/",
        "http://[::1/",
        "http://[::g]/",
    ],
)
def test_what_is_not_a_plain_web_address_is_refused(policy: FetchPolicy, url: str) -> None:
    with pytest.raises(errors.UrlInvalidError) as raised:
        Fetcher(policy).fetch(url)
    assert not raised.value.retryable


NOWHERE = Fetcher(FetchPolicy(hosts=frozenset({"nowhere.invalid"})))


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text().map("http://{}".format),
        st.text(alphabet="0123456789abcdefx.:[]@%/\\#?").map("http://{}".format),
        st.text().map("http://127.0.0.1:1/{}".format),
    )
)
def test_any_text_at_all_ends_as_a_fetch_error(url: str) -> None:
    with pytest.raises(FetchError):
        NOWHERE.fetch(url)
