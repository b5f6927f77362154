"""Names to addresses, once a connection and with a time limit."""

import socket
from concurrent.futures import Future
from threading import Thread
from typing import Any, NamedTuple

from tasks.errors import DnsFailedError, FetchTimeoutError, UrlInvalidError


class Target(NamedTuple):
    """One address of a host, ready to connect to."""

    family: socket.AddressFamily
    sockaddr: tuple[Any, ...]  # (address, port) or (address, port, flow, zone)

    @property
    def address(self) -> str:
        """The IP address."""
        return str(self.sockaddr[0])


def resolve(host: str, port: int, timeout: float) -> list[Target]:
    """Ask the system's resolver for every address of a host.

    The C library cannot be interrupted, so a thread asks. A late answer is dropped; the thread ends when the
    resolver itself gives up (resolv.conf, `options timeout attempts`).

    Raises:
        DnsFailedError: the name has no address, or no name server answers.
        FetchTimeoutError: no answer after `timeout` seconds.
        UrlInvalidError: no name can look like this.
    """
    answer: Future[list[Target]] = Future()
    Thread(target=_ask, args=(answer, host, port), name="resolve", daemon=True).start()
    try:
        return answer.result(timeout)
    except TimeoutError as error:
        raise FetchTimeoutError(f"The name {host} was not resolved in time.") from error
    except OSError as error:
        raise DnsFailedError(f"The name {host} could not be resolved: {error}") from error
    except ValueError as error:  # UnicodeError for a label that is empty or too long, NUL in a name
        raise UrlInvalidError(f"{host!r} cannot be the name of a host.") from error


def _ask(answer: Future[list[Target]], host: str, port: int) -> None:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised where the answer is awaited
        answer.set_exception(error)
    else:
        answer.set_result([Target(family, sockaddr) for family, _, _, _, sockaddr in infos])
