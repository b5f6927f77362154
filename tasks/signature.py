"""What proves that a webhook is ours: the three headers of Standard Webhooks."""

import base64
import binascii
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tasks.errors import WebhookSecretError

# Standard Webhooks, "Symmetric signatures": whsec_ and base64, 192 to 512 bits.
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets, not one of them
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64


class Signer:
    """Signs with each of its secrets, in the order given; never shows them."""

    def __init__(self, secrets: Sequence[str]) -> None:
        """Check the secrets.

        Raises:
            WebhookSecretError: there is none, or one is malformed; the message does not show it.
        """
        if not secrets:
            raise WebhookSecretError
        self._webhooks = [Webhook(_key(secret)) for secret in secrets]

    def headers(self, webhook_id: str, body: bytes) -> dict[str, str]:
        """Sign exactly these bytes, for an attempt made now.

        Args:
            webhook_id: the same for every attempt of one request; it has no dot.
            body: UTF-8.
        """
        now = datetime.now(UTC)  # the library takes whatever zone it is given for UTC
        signatures = [webhook.sign(webhook_id, now, body.decode()) for webhook in self._webhooks]
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(math.floor(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise WebhookSecretError from None
    if encoded == secret or not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise WebhookSecretError
    return key
