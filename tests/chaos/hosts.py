"""The two outside worlds on loopback: a host that has the photos, and a sink that spoils what it is sent."""

import json
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from http import HTTPStatus
from typing import Any

from standardwebhooks import Webhook

from tests.chaos.photos import Album
from tests.chaos.plan import Fault, Kind, Upload, sink_fault
from worker.demo.servers import LoopbackServer, QuietHandler

STATUSES = {Fault.ERROR: 500, Fault.UNAVAILABLE: 503, Fault.THROTTLED: 429}
RETRY_AFTER_SECONDS = 1


class _PhotoHandler(QuietHandler):
    server: "ImageHost"

    def do_GET(self) -> None:  # noqa: N802 - the base class looks for this name
        kind, _, number = self.path.strip("/").partition("/")
        upload = Upload(int(number), Kind(kind))
        if upload.kind is Kind.GONE:
            self.answer(HTTPStatus.NOT_FOUND)
        elif upload.kind is Kind.DOWN:
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self.answer(HTTPStatus.OK, self.server.album.photo(upload), "image/jpeg")


class ImageHost(LoopbackServer):
    """Has every photo; its URL says which."""

    def __init__(self, album: Album) -> None:
        super().__init__(_PhotoHandler)
        self.album = album

    def url(self, upload: Upload) -> str:
        return f"http://{self.address}/{upload.kind}/{upload.number}"


class _RequestHandler(QuietHandler):
    server: "Sink"

    def do_POST(self) -> None:  # noqa: N802 - the base class looks for this name
        body = self.rfile.read(int(self.headers["content-length"]))
        fault = self.server.take(dict(self.headers.items()), body)
        if fault is Fault.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault is Fault.LATE:
            time.sleep(self.server.late)
        else:
            self._say(fault)

    def _say(self, fault: Fault | None) -> None:
        self.send_response(STATUSES[fault] if fault else HTTPStatus.NO_CONTENT)
        if fault is Fault.THROTTLED:
            self.send_header("retry-after", str(RETRY_AFTER_SECONDS))
        self.send_header("content-length", "0")
        self.end_headers()


class Sink(LoopbackServer):
    """Notes every post with a valid signature, and spoils three in ten; `late` is longer than a sender waits."""

    def __init__(self, seed: int, secret: str, late: float) -> None:
        super().__init__(_RequestHandler)
        self.late = late
        self._seed = seed
        self._webhook = Webhook(secret)
        self._lock = threading.Lock()
        self.posts: Counter[str] = Counter()
        self.accepted: Counter[str] = Counter()
        self.webhook_ids: defaultdict[str, set[str]] = defaultdict(set)

    @property
    def url(self) -> str:
        return f"http://{self.address}/retake"

    def take(self, headers: dict[str, str], body: bytes) -> Fault | None:
        """Note one post, and say how it is spoiled."""
        self._webhook.verify(body, headers)
        event: Any = json.loads(body)
        image_id = event["data"]["image_id"]
        with self._lock:
            self.posts[image_id] += 1
            fault = sink_fault(self._seed, image_id, self.posts[image_id])
            self.webhook_ids[image_id].add(event["id"])
            self.accepted[image_id] += fault is None
        return fault

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that was killed hangs up: say nothing."""
