"""One photo: from its URL to its bytes."""

from urllib.parse import urljoin

from urllib3 import BaseHTTPResponse, Retry, Timeout
from urllib3 import exceptions as urllib3_errors
from urllib3.util import Url, parse_url

from tasks.errors import (
    ConnectionFailedError,
    FetchError,
    FetchTimeoutError,
    HttpError,
    HttpUnavailableError,
    NotFoundError,
    TooLargeError,
    TooManyRedirectsError,
    UrlInvalidError,
)
from tasks.fetch.budget import Budget, spending
from tasks.fetch.connect import GuardedPools
from tasks.fetch.policy import FetchPolicy

HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "retake"}
READ_SIZE = 1 << 20  # bytes asked for at once
OVERHEAD = 1 << 20  # bytes that headers, chunk sizes and redirects may add to the photo's own
LONGEST_WAIT = 86_400  # seconds: no host may put a photo off for more than a day

OK = frozenset({200, 203})  # 203: a proxy changed the photo on its way
GONE = frozenset({404, 410})
TRY_LATER = frozenset({408, 425, 429})


class Fetcher:
    """Downloads photos over kept connections. Make one in each process, after the fork."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._pools = GuardedPools(policy, HEADERS)
        self._timeout = Timeout(connect=policy.connect_timeout, read=policy.read_timeout)

    def fetch(self, url: str) -> bytes:
        """Return the photo's bytes, at most `max_bytes` of them.

        Raises:
            FetchError: the subclass tells what went wrong, and whether a later attempt may succeed.
        """
        with spending(Budget(self._policy.total_timeout, self._policy.max_bytes + OVERHEAD)):
            for _ in range(self._policy.max_redirects + 1):
                answer = self._follow(url)
                if isinstance(answer, bytes):
                    return answer
                url = answer
        raise TooManyRedirectsError

    def close(self) -> None:
        """Close the kept connections."""
        self._pools.clear()

    def _follow(self, url: str) -> bytes | str:
        """Return the photo, or the URL that the host sends us to."""
        target = _parse(url)
        try:
            with self._ask_twice(target) as response:  # closed unread, a redirect's or an error's body costs nothing
                if location := response.get_redirect_location():
                    return _join(target.url, location)
                _check_status(response)
                return self._read(response)
        except urllib3_errors.HTTPError as error:
            raise _translate(error) from error

    def _ask_twice(self, target: Url) -> BaseHTTPResponse:
        """A host may close a kept connection just as we ask on it: the second time it gets a fresh one."""
        try:
            return self._ask(target)
        except urllib3_errors.ProtocolError as error:
            if not isinstance(error.args[-1], ConnectionError):
                raise
            self._pools.clear()
            return self._ask(target)

    def _ask(self, target: Url) -> BaseHTTPResponse:
        return self._pools.urlopen(
            "GET", target.url, redirect=False, retries=False, preload_content=False, timeout=self._timeout
        )

    def _read(self, response: BaseHTTPResponse) -> bytes:
        limit = self._policy.max_bytes
        if (response.length_remaining or 0) > limit:
            raise TooLargeError
        body = bytearray()
        # Some hosts compress although they were asked not to: what is counted here is what came out.
        while chunk := response.read(READ_SIZE, decode_content=True):
            body += chunk
            if len(body) > limit:
                raise TooLargeError
        return bytes(body)


def _parse(url: str) -> Url:
    try:
        target = parse_url(url)
    except urllib3_errors.LocationParseError as error:
        raise UrlInvalidError from error
    if target.scheme not in {"http", "https"} or not target.host or target.auth is not None:
        raise UrlInvalidError
    return target


def _join(base: str, location: str) -> str:
    try:
        # Header bytes arrive as Latin-1; hosts that put a name outside ASCII there mean UTF-8.
        return urljoin(base, location.encode("latin-1").decode(errors="replace"))
    except ValueError as error:
        raise UrlInvalidError from error


def _check_status(response: BaseHTTPResponse) -> None:
    status = response.status
    if status in OK:
        return
    if status in GONE:
        raise NotFoundError
    if status in TRY_LATER or status >= 500:  # noqa: PLR2004 - the class of server errors
        raise HttpUnavailableError(f"The image host answered {status}.", _retry_after(response))
    raise HttpError(f"The image host answered {status}.")


def _retry_after(response: BaseHTTPResponse) -> float | None:
    try:
        return Retry(retry_after_max=LONGEST_WAIT).get_retry_after(response)
    except (urllib3_errors.InvalidHeader, OverflowError, ValueError):
        return None


def _translate(error: urllib3_errors.HTTPError) -> FetchError:
    if isinstance(error, urllib3_errors.TimeoutError):
        return FetchTimeoutError()
    if isinstance(error, urllib3_errors.LocationValueError):
        return UrlInvalidError()
    if isinstance(error, urllib3_errors.DecodeError):
        return HttpError("The image host's content-encoding cannot be undone.")
    return ConnectionFailedError(f"The connection to the image host broke off: {type(error).__name__}.")
