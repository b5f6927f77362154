"""The image host of the demo: hands out each photo under a URL of its own."""

from collections.abc import Sequence
from http import HTTPStatus

from worker.demo.photos import Photo
from worker.demo.servers import LoopbackServer, QuietHandler


class _PhotoHandler(QuietHandler):
    server: "ImageHost"

    def do_GET(self) -> None:  # noqa: N802 - the base class looks for this name
        """Send the photo of this path, always as a JPEG, as careless hosts do."""
        body = self.server.find(self.path)
        if body is None:
            self.answer(HTTPStatus.NOT_FOUND)
        else:
            self.answer(HTTPStatus.OK, body, "image/jpeg")


class ImageHost(LoopbackServer):
    """Serves photos on loopback; a photo without bytes is answered with 404."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        super().__init__(_PhotoHandler)
        self._photos = {f"/{number}.jpg": photo for number, photo in enumerate(photos)}

    @property
    def urls(self) -> list[str]:
        """The URL of each photo, in the order given."""
        return [f"http://{self.address}{path}" for path in self._photos]

    def find(self, path: str) -> bytes | None:
        """The bytes behind a path, None if there are none (any more)."""
        photo = self._photos.get(path)
        try:
            return photo.read() if photo else None
        except OSError:
            return None
