"""Refuses, and writes down, whatever would leave this machine by a Python socket.

An audit hook stands under every Python socket, whoever made it, and cannot be taken off again. Programs that
are not Python (a database server) and C libraries that open sockets of their own are out of its sight.
"""

import ipaddress
import os
import socket
import sys
from pathlib import Path
from typing import Any

LOG = "RETAKE_TEST_REFUSED_LOG"  # the file that this process and its children write refusals to

connects: list[Any] = []  # every address that this process asked to connect to, refused or not

_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", ""})
_SENDS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"})


class LeftTheMachineError(PermissionError):
    """A test tried to reach something that is not on this machine."""


def install() -> None:
    """Start refusing, for the rest of this process's life."""
    sys.addaudithook(_hook)


def refusals() -> list[str]:
    """Everything refused so far, in this process and the children it started."""
    log = os.environ.get(LOG)
    return Path(log).read_text().splitlines() if log and Path(log).exists() else []


def forget(refused: list[str]) -> None:
    """Take expected refusals off the record."""
    kept = [line for line in refusals() if line not in refused]
    Path(os.environ[LOG]).write_text("".join(f"{line}\n" for line in kept))


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if event in _SENDS:
        sock, address = args[0], args[1]
        if event == "socket.connect":
            connects.append(address)
        if sock.family in {socket.AF_INET, socket.AF_INET6} and address is not None:
            _check(event, address[0], numeric=False)
    elif event in _LOOKUPS:
        host = args[0][0] if event == "socket.getnameinfo" else args[0]
        _check(event, host, numeric=event == "socket.getaddrinfo")


def _check(event: str, host: str | bytes | None, *, numeric: bool) -> None:
    """Refuse a host that is not on this machine; looking up a numeric address sends nothing."""
    name = host.decode(errors="replace") if isinstance(host, bytes) else host or ""
    if name.lower() in _NAMES or name == socket.gethostname():
        return
    address = numeric_address(name)
    if address is None or not (address.is_loopback or numeric):
        _write_down(f"{os.getpid()} {event} {name}")
        raise LeftTheMachineError(f"{event} to {name} would leave this machine")


def numeric_address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read an address in any spelling that the C library takes; None for a name."""
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        pass
    else:
        return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))  # 0x7f.1 and the like
    except (OSError, ValueError):
        return None


def _write_down(line: str) -> None:
    if log := os.environ.get(LOG):
        with Path(log).open("a") as file:
            file.write(f"{line}\n")
