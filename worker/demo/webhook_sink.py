"""The seller-notification system of the demo: takes retake requests, and checks each signature."""

import base64
import secrets
from http import HTTPStatus
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from worker.demo.servers import LoopbackServer, QuietHandler

SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64


def new_secret() -> str:
    """A fresh signing secret, as `whsec_` and base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class _RequestHandler(QuietHandler):
    server: "WebhookSink"

    def do_POST(self) -> None:  # noqa: N802 - the base class looks for this name
        """Take one request: 204 if its signature holds, else 401."""
        body = self.rfile.read(int(self.headers["content-length"]))
        taken = self.server.take(dict(self.headers.items()), body)
        self.answer(HTTPStatus.NO_CONTENT if taken else HTTPStatus.UNAUTHORIZED)


class WebhookSink(LoopbackServer):
    """Remembers each verified request by its webhook-id, and the complaint about each refused one."""

    def __init__(self, secret: str) -> None:
        super().__init__(_RequestHandler)
        self.secret = secret
        self._webhook = Webhook(secret)
        self.requests: dict[str, Any] = {}
        self.refused: list[str] = []

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return f"http://{self.address}/retake"

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Verify a request and remember it; False if its signature does not hold."""
        try:
            event = self._webhook.verify(body, headers)
        except WebhookVerificationError as error:
            self.refused.append(str(error))
            return False
        self.requests[{name.lower(): value for name, value in headers.items()}["webhook-id"]] = event
        return True
