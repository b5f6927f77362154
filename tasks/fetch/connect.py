"""Connections that reach only what the policy allows, and that count what arrives.

The check stands where the socket is made, so no spelling of a URL and no second answer of a name server
goes round it: the address that was checked is the address that is connected to.
"""

import socket
import ssl
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import certifi
from urllib3 import HTTPConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_ import create_urllib3_context

from tasks.errors import AddressForbiddenError, ConnectionFailedError, FetchTimeoutError, HostNotAllowedError
from tasks.fetch import budget
from tasks.fetch.addresses import is_public
from tasks.fetch.policy import FetchPolicy
from tasks.fetch.resolve import Target, resolve

KEPT_HOSTS = 16  # how many image hosts keep an open connection


class _Receiving(socket.socket):
    """A socket each of whose reads is paid from the running download's budget."""

    def recv_into(self, *args: Any, **kwargs: Any) -> int:  # noqa: ANN401 - the standard library's signature
        purse = budget.current()
        self.settimeout(purse.seconds(at_most=self.gettimeout() or 0.0))
        size = super().recv_into(*args, **kwargs)
        purse.receive(size)
        return size


class _ReceivingTLS(_Receiving, ssl.SSLSocket):
    """The same for what TLS has decrypted."""


def open_socket(policy: FetchPolicy, host: str, port: int) -> socket.socket:
    """Connect to a host that the policy allows.

    Raises:
        HostNotAllowedError, AddressForbiddenError, DnsFailedError, ConnectionFailedError, FetchTimeoutError
    """
    targets = _allowed_targets(policy, host, port)
    failure: OSError | None = None
    for target in targets:
        try:
            return _connect(target, budget.current().seconds(at_most=policy.connect_timeout))
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise FetchTimeoutError(f"{host} did not accept a connection in time.") from failure
    raise ConnectionFailedError(f"{host} did not accept a connection: {failure}") from failure


def _allowed_targets(policy: FetchPolicy, host: str, port: int) -> list[Target]:
    private = policy.names_private(host, port)
    if not private and not policy.allows(host, port):
        raise HostNotAllowedError(f"{host}:{port} is not an image host that this installation allows.")
    targets = resolve(host, port, budget.current().seconds(at_most=policy.total_timeout))
    # One forbidden address among public ones is a trap or a mistake: neither is worth a second try.
    if not private and not all(is_public(target.address) for target in targets):
        raise AddressForbiddenError(f"{host} leads to an address that is not public.")
    return targets


def _connect(target: Target, timeout: float) -> socket.socket:
    sock = _Receiving(target.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect(target.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


class _Connection(HTTPConnection):
    def __init__(self, *args: Any, policy: FetchPolicy, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._policy = policy

    def _new_conn(self) -> socket.socket:
        return open_socket(self._policy, self.host, self.port)


class _TLSConnection(_Connection, HTTPSConnection):
    pass


class GuardedPools(PoolManager):
    """urllib3's pools of kept connections, with the policy built into each connection."""

    def __init__(self, policy: FetchPolicy, headers: Mapping[str, str]) -> None:
        super().__init__(num_pools=KEPT_HOSTS, headers=headers, ssl_context=_tls_context())
        self._connections = {
            "http": partial(_Connection, policy=policy),
            "https": partial(_TLSConnection, policy=policy),
        }

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.ConnectionCls = self._connections[scheme]  # type: ignore[assignment] # called, never subclassed
        return pool


@cache
def _tls_context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.load_default_certs()  # what the system, or SSL_CERT_FILE, trusts: a private image host's CA
    context.load_verify_locations(certifi.where())
    context.sslsocket_class = _ReceivingTLS
    return context
