"""`retake worker`, but with a resolver that reads the file $TEST_HOSTS: a name and its address, or `late`, a line.

A name that is not in it fails, as if no name server answered; a `late` one gets its answer after a minute.
"""

import os
import socket
import time
from pathlib import Path
from typing import Any

import loopback_guard

from worker.cli import app

real_getaddrinfo = socket.getaddrinfo


def getaddrinfo(host: Any, *args: Any, **options: Any) -> list[Any]:
    if loopback_guard.numeric_address(host):
        return real_getaddrinfo(host, *args, **options)
    hosts = dict(line.split() for line in Path(os.environ["TEST_HOSTS"]).read_text().splitlines())
    if host not in hosts:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if hosts[host] == "late":
        time.sleep(60)
        return []
    return real_getaddrinfo(hosts[host], *args, **options)


socket.getaddrinfo = getaddrinfo
app(["worker"])
