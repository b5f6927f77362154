"""Receives retake requests. pip install standardwebhooks.

RETAKE_NOTIFY_SECRET=whsec_... PORT=8080 python receive.py
"""

# ruff: noqa: INP001, T201 - one file that runs by itself and shows what it received

import os
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

MAX_BYTES = 20_000
webhook = Webhook(os.environ["RETAKE_NOTIFY_SECRET"])
seen: set[str] = set()  # in production a table with a unique webhook_id, written with the message to the seller


class Receive(BaseHTTPRequestHandler):
    """Answers 204 once a request is taken, 401 to whoever does not know the secret."""

    def do_POST(self) -> None:
        """Verify, drop copies, tell the seller."""
        size = int(self.headers.get("content-length", "0"))
        self.send_response(
            self.take(self.rfile.read(size)) if 0 <= size <= MAX_BYTES else HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        )
        self.end_headers()

    def take(self, body: bytes) -> HTTPStatus:
        """Check the bytes as they came, before any parsing."""
        try:
            event = webhook.verify(body, dict(self.headers))
        except (WebhookVerificationError, ValueError):
            return HTTPStatus.UNAUTHORIZED
        if event["id"] not in seen:
            seen.add(event["id"])
            tell_seller(event["data"])
        return HTTPStatus.NO_CONTENT


def tell_seller(photo: dict[str, Any]) -> None:
    """Here the message goes out."""
    tips = " ".join(reason["tip"] for reason in photo["reasons"])
    print(f"{photo['seller_id']}: please retake photo {photo['image_id']}. {tips}", flush=True)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receive)
    print(f"listening on {server.server_port}", flush=True)
    server.serve_forever()
