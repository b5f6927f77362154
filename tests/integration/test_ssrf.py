"""No spelling of a URL, no answer of a name server and no redirect leads to a forbidden address.

The internet of these tests is a table: the fixture's resolver answers names from it, and a connection to a
public address in it ends at a scripted host on loopback. Everything else that is asked for is written down.
"""

import socket
import threading
from collections.abc import Iterator
from functools import partialmethod
from typing import Any

import loopback_guard
import pytest
from scripted_host import ScriptedHost, answer, redirect

from tasks import errors
from tasks.errors import FetchError
from tasks.fetch import Fetcher, FetchPolicy, connect

FRONT = "93.184.215.14"  # the public address of the test's own image host
FRONT_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
PHOTO = b"a photo"

real_getaddrinfo = socket.getaddrinfo


class Internet:
    """Names with their answers, in turn (the last one stays), and what connections were asked for."""

    def __init__(self, front: ScriptedHost) -> None:
        self.front = front
        self.names: dict[str, list[list[str]]] = {"img.example.com": [[FRONT]]}
        self.reached: list[str] = []
        self.asked: list[str] = []

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if loopback_guard.numeric_address(host):  # glibc reads every spelling; no packet is sent
            return real_getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        self.asked.append(host)
        answers = self.names[host]
        addresses = answers.pop(0) if len(answers) > 1 else answers[0]
        return [info for it in addresses for info in real_getaddrinfo(it, port, type=socket.SOCK_STREAM)]


def _route(sock: socket.socket, internet: Internet, sockaddr: tuple[Any, ...]) -> None:
    """Stand in for socket.connect: write the address down, lead the public ones to the image host."""
    internet.reached.append(f"{sockaddr[0]} {sockaddr[1]}")
    if sockaddr[0] not in {FRONT, FRONT_V6}:
        raise ConnectionRefusedError
    inner = socket.socket()  # the socket asked for may be IPv6: give its number to one that leads to the host
    inner.connect(("127.0.0.1", internet.front.port))
    inner.settimeout(sock.gettimeout())
    sock.close()
    socket.socket.__init__(sock, fileno=inner.detach())


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    with ScriptedHost({"/photo.jpg": answer(PHOTO)}) as front:
        internet = Internet(front)
        monkeypatch.setattr(socket, "getaddrinfo", internet.getaddrinfo)
        monkeypatch.setattr(connect._Receiving, "connect", partialmethod(_route, internet))
        loopback_guard.connects.clear()
        yield internet
        # The guard saw every socket of the process: nothing but the image host was connected to.
        assert set(loopback_guard.connects) <= {("127.0.0.1", front.port)}


def refused(url: str, policy: FetchPolicy | None = None) -> str:
    """Return the code with which a URL is refused for good."""
    fetcher = Fetcher(policy or FetchPolicy())
    try:
        with pytest.raises(FetchError) as raised:
            fetcher.fetch(url)
    finally:
        fetcher.close()
    return raised.value.code


FORBIDDEN = "address_forbidden"
INVALID = "url_invalid"
PORT = "host_not_allowed"
NO_NAME = "dns_failed"

URLS = {
    # IPv4 and its spellings
    "http://127.0.0.1/": FORBIDDEN,
    "http://127.0.0.1.": FORBIDDEN,
    "http://127.255.255.254/": FORBIDDEN,
    "http://2130706433/": FORBIDDEN,  # decimal
    "http://017700000001/": FORBIDDEN,  # octal
    "http://0x7f000001/": FORBIDDEN,  # hexadecimal
    "http://0X7F.0X0.0X0.0X1/": FORBIDDEN,
    "http://0177.0.0.01/": FORBIDDEN,
    "http://0x7f.1/": FORBIDDEN,  # short, mixed
    "http://127.1/": FORBIDDEN,
    "http://127.0.1/": FORBIDDEN,
    "http://0/": FORBIDDEN,
    "http://0.0.0.0/": FORBIDDEN,
    "http://000000.0.0.0/": FORBIDDEN,
    "http://4294967295/": FORBIDDEN,
    "http://4294967297/": NO_NAME,  # one round further than 0.0.0.1: not an address
    "http://127.0.0.1.1/": NO_NAME,
    "http://256.256.256.256/": NO_NAME,
    "http://10.0.0.1/": FORBIDDEN,
    "http://167772161/": FORBIDDEN,
    "http://172.16.0.1/": FORBIDDEN,
    "http://192.168.1.1/": FORBIDDEN,
    "http://3232235777/": FORBIDDEN,
    "http://100.64.0.1/": FORBIDDEN,
    "http://192.0.2.1/": FORBIDDEN,
    "http://198.18.0.1/": FORBIDDEN,
    "http://224.0.0.1/": FORBIDDEN,
    "http://255.255.255.255/": FORBIDDEN,
    "http://240.0.0.1/": FORBIDDEN,
    # Metadata of the clouds
    "http://169.254.169.254/latest/meta-data/": FORBIDDEN,
    "http://169.254.169.254./": FORBIDDEN,
    "http://2852039166/": FORBIDDEN,
    "http://0xa9fea9fe/": FORBIDDEN,
    "http://0251.0376.0251.0376/": FORBIDDEN,
    "http://169.16689662/": FORBIDDEN,
    "http://169.254.170.2/v2/credentials": FORBIDDEN,
    "http://169.254.0.23/": FORBIDDEN,
    "http://168.63.129.16/": FORBIDDEN,
    "http://100.100.100.200/": FORBIDDEN,
    "http://192.0.0.192/": FORBIDDEN,
    "http://[fd00:ec2::254]/": FORBIDDEN,
    "http://[fd20:ce::254]/": FORBIDDEN,
    # IPv6 and the IPv4 inside it
    "http://[::1]/": FORBIDDEN,
    "http://[0:0:0:0:0:0:0:1]/": FORBIDDEN,
    "http://[::]/": FORBIDDEN,
    "http://[::ffff:127.0.0.1]/": FORBIDDEN,
    "http://[::ffff:7f00:1]/": FORBIDDEN,
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/": FORBIDDEN,
    "http://[::127.0.0.1]/": FORBIDDEN,
    "http://[::ffff:0:127.0.0.1]/": FORBIDDEN,
    "http://[64:ff9b::7f00:1]/": FORBIDDEN,
    "http://[64:ff9b::169.254.169.254]/": FORBIDDEN,
    "http://[64:ff9b:1::10.0.0.1]/": FORBIDDEN,
    "http://[2002:7f00:1::]/": FORBIDDEN,
    "http://[2002:a9fe:a9fe::]/": FORBIDDEN,
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/": FORBIDDEN,
    "http://[2606:2800::5efe:127.0.0.1]/": FORBIDDEN,
    "http://[2606:2800::200:5efe:a00:1]/": FORBIDDEN,
    "http://[fe80::1]/": FORBIDDEN,
    "http://[fe80::1%25lo]/": FORBIDDEN,
    "http://[fe80::1%251]/": FORBIDDEN,
    "http://[::1%25lo]/": NO_NAME,
    "http://[fec0::1]/": FORBIDDEN,
    "http://[fc00::1]/": FORBIDDEN,
    "http://[ff02::1]/": FORBIDDEN,
    "http://[2001:db8::1]/": FORBIDDEN,
    "http://[::1": INVALID,
    "http://[v1.fe80::a+en1]/": INVALID,
    # Names
    "http://localhost/": FORBIDDEN,
    "http://LOCALHOST/": FORBIDDEN,
    "http://localhost./": FORBIDDEN,
    "http://localhost.localdomain/": FORBIDDEN,
    "http://metadata.google.internal/computeMetadata/v1/": FORBIDDEN,
    "http://127.0.0.1.nip.example/": FORBIDDEN,
    "http://loсalhost/": NO_NAME,  # a Cyrillic letter  # noqa: RUF001
    "http://localhost\u3002/": INVALID,  # an ideographic full stop
    "http://%6c%6f%63alhost/": FORBIDDEN,
    # Characters that other programs read as digits or dots
    "http://１２７.０.０.１/": INVALID,  # full width  # noqa: RUF001
    "http://127。0。0。1/": INVALID,  # ideographic full stops
    "http://127．0．0．1/": INVALID,  # full-width full stops  # noqa: RUF001
    "http://①②⑦.⓪.⓪.①/": INVALID,  # circled
    "http://[::１]/": INVALID,  # noqa: RUF001
    "http://１６９.254.169.254/": INVALID,  # noqa: RUF001
    # What stands before the host, and what only looks as if it did
    "http://img.example.com@127.0.0.1/": INVALID,
    "http://img.example.com:80@127.0.0.1/": INVALID,
    "http://a@img.example.com@127.0.0.1/": INVALID,
    "http://127.0.0.1#@img.example.com/": FORBIDDEN,
    "http://127.0.0.1?@img.example.com/": FORBIDDEN,
    "http://127.0.0.1\\@img.example.com/": FORBIDDEN,
    "http:\\\\127.0.0.1/": INVALID,
    "http:/127.0.0.1/": INVALID,
    "http:127.0.0.1/": INVALID,
    "//127.0.0.1/": INVALID,
    "http://127.0.0.1%00.img.example.com/": INVALID,
    "http://127.0.0.1%2f.img.example.com/": NO_NAME,
    "http://127.0.0.1\t/": INVALID,
    "http://127.0.0.1\r\nHost: img.example.com/": INVALID,
    " http://127.0.0.1/": INVALID,
    # Other schemes
    "file:///etc/passwd": INVALID,
    "ftp://127.0.0.1/": INVALID,
    "gopher://127.0.0.1:6379/_FLUSHALL": INVALID,
    "dict://127.0.0.1:11211/": INVALID,
    "ldap://127.0.0.1/": INVALID,
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/": INVALID,
    "data:text/plain,": INVALID,
    # Ports
    "http://img.example.com:22/": PORT,
    "http://img.example.com:6379/": PORT,
    "http://img.example.com:8080/": PORT,
    "http://img.example.com:0/": PORT,
    "http://img.example.com:65535/": PORT,
    "http://img.example.com:65536/": INVALID,
    "http://img.example.com:-1/": INVALID,
    "http://127.0.0.1:80/": FORBIDDEN,
    "https://127.0.0.1/": FORBIDDEN,
    "https://[::1]:443/": FORBIDDEN,
}

LOCAL_NAMES = {
    "localhost": [["127.0.0.1", "::1"]],
    "localhost.localdomain": [["127.0.0.1"]],
    "metadata.google.internal": [["169.254.169.254"]],
    "127.0.0.1.nip.example": [["127.0.0.1"]],
}


@pytest.mark.parametrize(("url", "code"), URLS.items())
def test_no_spelling_reaches_a_forbidden_address(internet: Internet, url: str, code: str) -> None:
    internet.names |= LOCAL_NAMES
    assert refused(url) == code
    assert internet.reached == []


@pytest.mark.parametrize("hops", [1, 3])
@pytest.mark.parametrize("url", [url for url, code in URLS.items() if code in {FORBIDDEN, PORT}])
def test_no_redirect_reaches_a_forbidden_address(internet: Internet, url: str, hops: int) -> None:
    internet.names |= LOCAL_NAMES
    for hop in range(hops - 1):
        internet.front.routes[f"/{hop}"] = redirect(f"http://img.example.com/{hop + 1}")
    internet.front.routes[f"/{hops - 1}"] = redirect(url.encode().decode("latin-1"))
    assert refused("http://img.example.com/0") in {FORBIDDEN, PORT, INVALID}
    assert set(internet.reached) == {f"{FRONT} 80"}
    assert len(internet.front.requests) == hops


ADDRESSES = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "0.0.0.0",
    "::1",
    "::",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2606:2800::5efe:127.0.0.1",
    "fe80::1%1",
    "fec0::1",
    "fd00:ec2::254",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "answer",
    [["{}"], [FRONT, "{}"], ["{}", FRONT], [FRONT_V6, FRONT, "{}"]],
    ids=["alone", "after a public one", "before a public one", "last of three"],
)
def test_no_answer_of_a_name_server_reaches_a_forbidden_address(
    internet: Internet, address: str, answer: list[str]
) -> None:
    internet.names["evil.example"] = [[it.format(address) for it in answer]]
    assert refused("http://evil.example/photo.jpg") == FORBIDDEN
    assert internet.reached == []


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_second_answer_is_never_asked_for(internet: Internet, address: str) -> None:
    internet.names["rebind.example"] = [[FRONT], [address]]
    fetcher = Fetcher(FetchPolicy())
    assert fetcher.fetch("http://rebind.example/photo.jpg") == PHOTO
    assert fetcher.fetch("http://rebind.example/photo.jpg") == PHOTO
    fetcher.close()
    assert internet.asked == ["rebind.example"]
    assert internet.reached == [f"{FRONT} 80"]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_second_answer_for_a_second_connection_is_checked_again(internet: Internet, address: str) -> None:
    internet.names["rebind.example"] = [[FRONT], [address]]
    again = redirect("http://rebind.example/photo.jpg")
    internet.front.routes["/"] = lambda sock: sock.sendall(again)  # and hangs up
    assert refused("http://rebind.example/") == FORBIDDEN
    assert internet.asked == ["rebind.example"] * 2
    assert internet.reached == [f"{FRONT} 80"]


def test_a_public_host_is_reached_over_either_family(internet: Internet) -> None:
    internet.names["six.example"] = [[FRONT_V6, FRONT]]
    fetcher = Fetcher(FetchPolicy())
    assert fetcher.fetch("http://img.example.com/photo.jpg") == PHOTO
    assert fetcher.fetch("http://six.example/photo.jpg") == PHOTO
    assert fetcher.fetch(f"http://{FRONT}/photo.jpg") == PHOTO
    assert fetcher.fetch(f"http://[{FRONT_V6}]/photo.jpg") == PHOTO
    fetcher.close()
    assert internet.reached == [f"{FRONT} 80", f"{FRONT_V6} 80", f"{FRONT} 80", f"{FRONT_V6} 80"]


def test_the_next_address_is_tried_when_one_does_not_answer(internet: Internet) -> None:
    internet.names["two.example"] = [["1.1.1.1", FRONT]]
    fetcher = Fetcher(FetchPolicy())
    assert fetcher.fetch("http://two.example/photo.jpg") == PHOTO
    fetcher.close()
    assert internet.reached == ["1.1.1.1 80", f"{FRONT} 80"]


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/photo.jpg",
        "http://img.example.com.evil.example/photo.jpg",
        "http://example.com/photo.jpg",
        f"http://{FRONT}/photo.jpg",
        "http://127.0.0.1/photo.jpg",
        "http://img.example.com/away",
    ],
)
def test_only_hosts_on_the_allow_list_are_asked_for(internet: Internet, url: str) -> None:
    internet.front.routes["/away"] = redirect("http://other.example/photo.jpg")
    assert refused(url, FetchPolicy(hosts=frozenset({"img.example.com"}))) == "host_not_allowed"
    assert internet.asked in ([], ["img.example.com"])


@pytest.mark.parametrize("url", ["http://img.example.com/photo.jpg", "http://IMG.Example.COM./photo.jpg"])
def test_a_host_on_the_allow_list_is_reached_however_it_is_spelt(internet: Internet, url: str) -> None:
    fetcher = Fetcher(FetchPolicy(hosts=frozenset({"img.example.com"})))
    assert fetcher.fetch(url) == PHOTO
    fetcher.close()
    assert internet.reached == [f"{FRONT} 80"]


def test_an_international_name_is_reached_in_its_ascii_form(internet: Internet) -> None:
    internet.names["xn--e1afmkfd.example"] = [[FRONT]]
    fetcher = Fetcher(FetchPolicy(hosts=frozenset({"*.example"})))
    assert fetcher.fetch("http://пример.example/photo.jpg") == PHOTO
    fetcher.close()


def test_the_allow_list_does_not_open_private_addresses(internet: Internet) -> None:
    internet.names["img.example.com"] = [["10.0.0.1"]]
    assert refused("http://img.example.com/", FetchPolicy(hosts=frozenset({"img.example.com"}))) == FORBIDDEN
    assert internet.reached == []


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://minio:9001/", PORT),
        ("http://minio/", FORBIDDEN),
        ("http://10.0.0.5:9000/", PORT),
        ("http://other:9000/", PORT),
        ("http://minio:9000@10.0.0.5/", INVALID),
    ],
)
def test_a_private_host_is_reached_only_as_it_was_named(internet: Internet, url: str, code: str) -> None:
    internet.names |= {"minio": [["10.0.0.5"]], "other": [["10.0.0.5"]]}
    assert refused(url, FetchPolicy(private_hosts=frozenset({"minio:9000"}))) == code
    assert internet.reached == []


def test_a_private_host_is_reached_as_it_was_named(internet: Internet) -> None:
    internet.names["minio"] = [["10.0.0.5"]]
    assert refused("http://minio:9000/", FetchPolicy(private_hosts=frozenset({"minio:9000"}))) == "connection_failed"
    assert internet.reached == ["10.0.0.5 9000"]


def test_a_name_without_an_address_may_be_tried_again(internet: Internet) -> None:
    fetcher = Fetcher(FetchPolicy())
    with pytest.raises(errors.DnsFailedError) as raised:
        fetcher.fetch("http://nowhere.example/")
    assert raised.value.retryable
    assert internet.reached == []


def test_a_name_server_that_answers_late_does_not_outlast_the_deadline(
    internet: Internet, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def late(*_: Any, **__: Any) -> list[Any]:
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", late)
    fetcher = Fetcher(FetchPolicy(total_timeout=0.2))
    with pytest.raises(errors.FetchTimeoutError):
        fetcher.fetch("http://img.example.com/photo.jpg")
    answered.set()
    assert internet.reached == []
