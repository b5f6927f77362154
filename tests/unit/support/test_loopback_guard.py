import socket
import subprocess
import sys
from collections.abc import Callable, Iterator

import loopback_guard
import pytest


@pytest.fixture(autouse=True)
def _expected_refusals() -> Iterator[None]:
    yield
    loopback_guard.forget(loopback_guard.refusals())


def udp() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.parametrize(
    "leave",
    [
        lambda: socket.create_connection(("192.0.2.1", 80), timeout=0.1),
        lambda: socket.create_connection(("example.com", 80), timeout=0.1),
        lambda: socket.getaddrinfo("example.com", 80),
        lambda: socket.getaddrinfo(b"example.com", 80),
        lambda: socket.gethostbyname("example.com"),
        lambda: socket.gethostbyaddr("192.0.2.1"),
        lambda: socket.getnameinfo(("192.0.2.1", 80), 0),
        lambda: socket.getfqdn("example.com") and socket.gethostbyname("example.com"),
    ],
)
def test_refuses_and_writes_down_what_would_leave(leave: Callable[[], object]) -> None:
    with pytest.raises(loopback_guard.LeftTheMachineError):
        leave()
    assert loopback_guard.refusals()


def test_refuses_datagrams() -> None:
    with udp() as sock, pytest.raises(loopback_guard.LeftTheMachineError):
        sock.sendto(b"", ("192.0.2.1", 53))
    with udp() as sock, pytest.raises(loopback_guard.LeftTheMachineError):
        sock.sendmsg([b""], [], 0, ("192.0.2.1", 53))
    assert len(loopback_guard.refusals()) == 2


def test_lets_loopback_and_unix_sockets_through() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    with udp() as sock:
        sock.sendto(b"", ("127.0.0.1", 9))
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        here.sendmsg([b"x"])
        assert there.recv(1) == b"x"
    assert socket.getaddrinfo("localhost", 80)
    assert socket.getaddrinfo("192.0.2.1", 80), "a numeric address needs no name server"
    assert loopback_guard.refusals() == []


SWALLOWS = "import socket\ntry: socket.create_connection(('192.0.2.1', 80))\nexcept OSError: print('refused')"
FORKS = f"import os\nif os.fork() == 0:\n exec({SWALLOWS!r})\nelse: os.wait()"


@pytest.mark.parametrize("program", [SWALLOWS, FORKS])
def test_stands_in_child_processes_where_a_swallowed_refusal_is_still_written_down(program: str) -> None:
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert child.stdout == "refused\n"
    assert [line.split()[1:] for line in loopback_guard.refusals()] == [["socket.connect", "192.0.2.1"]]
