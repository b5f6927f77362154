"""An image host on loopback that answers each path with whatever the test wrote, byte by byte if it likes."""

import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self

Script = Callable[[socket.socket], None]


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """A whole HTTP/1.1 answer; a header's underscores become dashes, Content-Length is added."""
    lines = {"Content-Length": str(len(body))} | {key.replace("_", "-"): value for key, value in headers.items()}
    head = "".join(f"{key}: {value}\r\n" for key, value in lines.items() if value)
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


def redirect(to: str, status: str = "302 Found") -> bytes:
    return answer(status=status, Location=to)


class ScriptedHost:
    """Serves one connection a thread and keeps them open; a script that returns closes its connection."""

    def __init__(self, routes: Mapping[str, bytes | Script]) -> None:
        self.routes = dict(routes)
        self.requests: list[str] = []  # heads, in the order of arrival
        self.connections = 0
        self._stopped = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://{self.address}{path}"

    def pause(self, seconds: float) -> None:
        """Wait, as a script's way of being slow; ends early, by an error, when the host stops."""
        if self._stopped.wait(seconds):
            raise OSError("the host stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for sock in self._open:
            _hang_up(sock)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError):  # the client may hang up
            self._answer(sock)
        _hang_up(sock)

    def _answer(self, sock: socket.socket) -> None:
        while head := _read_head(sock):
            self.requests.append(head)
            script = self.routes.get(head.split(" ")[1], answer(status="404 Not Found"))
            if callable(script):
                return script(sock)
            sock.sendall(script)
        return None


def _read_head(sock: socket.socket) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            return ""
        head += byte
    return head.decode("latin-1")


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):  # already gone
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
