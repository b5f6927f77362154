"""The event out: `ad.photo.retake_requested`, a CloudEvent posted as a signed webhook (Standard Webhooks)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Literal

from cloudevents.core.bindings.http import to_structured_event
from cloudevents.core.v1.event import CloudEvent
from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3 import exceptions as urllib3_errors
from urllib3.util import Url, parse_url

from models.reasons import TIPS, ReasonCode
from tasks.backoff import DAY
from tasks.errors import FetchError, WebhookUrlError
from tasks.fetch.budget import Budget, spending
from tasks.fetch.connect import GuardedPools
from tasks.fetch.policy import FetchPolicy
from tasks.signature import Signer

SOURCE = "/retake"
REQUEST_TYPE = "ad.photo.retake_requested"
CONTENT_TYPE = "application/cloudevents+json"
HEADERS = {"Content-Type": CONTENT_TYPE, "User-Agent": "retake"}

CONNECT_TIMEOUT = 3.05  # seconds; just above 3 s, the wait before TCP repeats a lost SYN for the second time
MAX_ANSWER_BYTES = 65_536  # status line, headers and body together; what a receiver says beyond the status is unused
THROTTLING = frozenset({429, 502, 503, 504})  # whose Retry-After counts


@dataclass(frozen=True, slots=True)
class RetakeRequest:
    """A bad photo, and what its seller can do about it. `score` and `threshold` are 0-5, `stars` is 0-5."""

    webhook_id: str
    ad_id: str
    image_id: str
    seller_id: str
    image_url: str
    score: float
    stars: int
    threshold: float
    reasons: tuple[ReasonCode, ...]
    model: str
    scored_at: datetime
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of one attempt.

    Attributes:
        outcome: `gone` means that the receiver wants no more attempts (410).
        status: the HTTP status, None when there was no answer.
        error_code: None when delivered; `http_<status>`, or why there was no answer.
        retry_after: seconds that the receiver asked to wait, a day at most.
    """

    outcome: Literal["delivered", "retry", "gone"]
    status: int | None = None
    error_code: str | None = None
    retry_after: float | None = None


def new_webhook_id() -> str:
    """Make an id for a request: 36 letters, digits and underscores, so no dot, which the signature uses."""
    return f"msg_{uuid.uuid4().hex}"


def to_body(request: RetakeRequest) -> bytes:
    """Write a request as CloudEvents 1.0 structured JSON, in ASCII, below 20 kB for any valid event."""
    attributes = {
        "specversion": "1.0",
        "id": request.webhook_id,
        "source": SOURCE,
        "type": REQUEST_TYPE,
        "time": request.scored_at.astimezone(UTC),
        "datacontenttype": "application/json",
    }
    if request.traceparent is not None:
        attributes["traceparent"] = request.traceparent
    data = {
        "ad_id": request.ad_id,
        "image_id": request.image_id,
        "seller_id": request.seller_id,
        "image_url": request.image_url,
        "score": request.score,
        "stars": request.stars,
        "threshold": request.threshold,
        "reasons": [{"code": str(code), "tip": TIPS[code]} for code in request.reasons],
        "model": request.model,
        "scored_at": request.scored_at.astimezone(UTC),
    }
    return to_structured_event(CloudEvent(attributes, data)).body


class WebhookSender:
    """Posts requests over a kept connection. Make one in each process, after the fork."""

    def __init__(self, url: str, secrets: Sequence[str], timeout: float = 20.0) -> None:
        """Check the receiver's address and the secrets.

        Args:
            url: where requests are posted, http or https; the operator's own choice, so any address is allowed.
            secrets: one, or two while one replaces the other; each signs every request, in this order.
            timeout: seconds for one attempt, name look-up and answer included.

        Raises:
            WebhookUrlError: the address cannot be posted to.
            WebhookSecretError: a secret is missing or malformed; the message does not show it.
        """
        target = _parse_url(url)
        self._url = target.url
        self._timeout = timeout
        self._signer = Signer(secrets)
        self._waits = Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout)
        self._pools = GuardedPools(_policy(target, timeout), {})

    def send(self, webhook_id: str, body: bytes) -> Delivery:
        """Post one request once, exactly these bytes; never raises for what the network or the receiver does.

        Args:
            webhook_id: the same for every attempt of one request.
            body: what `to_body` gave.
        """
        try:
            with spending(Budget(self._timeout, MAX_ANSWER_BYTES)):
                return self._post(body, HEADERS | self._signer.headers(webhook_id, body))
        except FetchError as error:
            return Delivery("retry", error_code=error.code)
        except urllib3_errors.HTTPError as error:
            return Delivery("retry", error_code=_code(error))

    def close(self) -> None:
        """Close the kept connection."""
        self._pools.clear()

    def _post(self, body: bytes, headers: dict[str, str]) -> Delivery:
        response = self._pools.urlopen(
            "POST",
            self._url,
            body=body,
            headers=headers,
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=self._waits,
        )
        with response:
            delivery = _judge(response)
            _drain(response)
        return delivery


def _parse_url(url: str) -> Url:
    try:
        target = parse_url(url)
    except urllib3_errors.LocationParseError:
        raise WebhookUrlError from None
    if target.scheme not in {"http", "https"} or not target.host or target.auth is not None:
        raise WebhookUrlError
    return target


def _policy(target: Url, timeout: float) -> FetchPolicy:
    port = target.port or (443 if target.scheme == "https" else 80)
    return FetchPolicy(
        private_hosts=frozenset({f"{target.host}:{port}"}),
        connect_timeout=min(CONNECT_TIMEOUT, timeout),
        read_timeout=timeout,
        total_timeout=timeout,
    )


def _judge(response: BaseHTTPResponse) -> Delivery:
    status = response.status
    if HTTPStatus(200) <= status < HTTPStatus(300):
        return Delivery("delivered", status)
    code = f"http_{status}"
    if status == HTTPStatus.GONE:
        return Delivery("gone", status, code)
    return Delivery("retry", status, code, _retry_after(response) if status in THROTTLING else None)


def _retry_after(response: BaseHTTPResponse) -> float | None:
    try:
        return Retry(retry_after_max=int(DAY)).get_retry_after(response)
    except (urllib3_errors.InvalidHeader, OverflowError, ValueError):
        return None


def _drain(response: BaseHTTPResponse) -> None:
    """Read a short body to its end, so that the connection can be kept; whatever goes wrong, the status stands."""
    try:
        response.read(MAX_ANSWER_BYTES, decode_content=False)
    except (FetchError, urllib3_errors.HTTPError):
        response.close()


def _code(error: urllib3_errors.HTTPError) -> str:
    if isinstance(error, urllib3_errors.TimeoutError):
        return "timeout"
    if isinstance(error, urllib3_errors.SSLError):
        return "tls_failed"
    return "connection_failed"
