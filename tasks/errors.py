"""What can go wrong with one photo: each class carries the code that is stored with the image.

Append-only: a code, once stored, keeps its meaning.
"""

from typing import ClassVar

from models.errors import RetakeError


class FetchError(RetakeError):
    """The photo could not be downloaded."""

    code = "fetch_failed"
    retryable: ClassVar[bool] = False  # whether a later attempt may succeed


class UrlInvalidError(FetchError):
    """The address is not a plain http or https URL: publish one without user name or password."""

    code = "url_invalid"


class HostNotAllowedError(FetchError):
    """The host or port is not on the allow-list: name the image host in RETAKE_IMAGE_HOSTS."""

    code = "host_not_allowed"


class AddressForbiddenError(FetchError):
    """The host leads to an address that is not public: name host:port in RETAKE_IMAGE_PRIVATE_HOSTS."""

    code = "address_forbidden"


class NotFoundError(FetchError):
    """The image host says that there is no such photo (404 or 410)."""

    code = "not_found"


class HttpError(FetchError):
    """The image host refuses to hand out the photo, or answers with something other than a photo."""

    code = "http_error"


class TooManyRedirectsError(FetchError):
    """The image host redirects more often than allowed: publish the final URL."""

    code = "too_many_redirects"


class TooLargeError(FetchError):
    """The photo has more bytes than allowed: publish a smaller copy or raise RETAKE_IMAGE_MAX_BYTES."""

    code = "too_large"


class RetryableFetchError(FetchError):
    """The photo could not be downloaded now: a later attempt may succeed."""

    retryable = True


class FetchTimeoutError(RetryableFetchError):
    """The image host did not deliver the photo in the time allowed."""

    code = "timeout"


class ConnectionFailedError(RetryableFetchError):
    """The connection to the image host failed or broke off."""

    code = "connection_failed"


class DnsFailedError(RetryableFetchError):
    """The name of the image host could not be resolved."""

    code = "dns_failed"


class HttpUnavailableError(RetryableFetchError):
    """The image host cannot answer now (408, 425, 429 or 5xx)."""

    code = "http_unavailable"

    def __init__(self, message: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds the host asked to wait, None when it did not say


class DecodeError(RetakeError):
    """The bytes are not a usable photo."""

    code = "decode_failed"


class EmptyFileError(DecodeError):
    """The file has no bytes."""

    code = "empty"


class NotAnImageError(DecodeError):
    """The file is not a photo: send JPEG, PNG, WebP, AVIF, GIF or HEIC."""

    code = "not_an_image"


class UnsupportedFormatError(DecodeError):
    """The image format is not supported: send JPEG, PNG, WebP, AVIF, GIF or HEIC."""

    code = "unsupported_format"


class TruncatedImageError(DecodeError):
    """The photo breaks off before its end: upload it again."""

    code = "truncated"


class TooManyPixelsError(DecodeError):
    """The photo has more pixels than allowed: send a smaller copy."""

    code = "too_many_pixels"


class CorruptImageError(DecodeError):
    """The photo is damaged: upload it again."""

    code = "corrupt"


class InvalidEvent(RetakeError):  # noqa: N818 - what was published is invalid; the reader of it is not at fault
    """A field of the event is missing or wrong."""

    code = "event_invalid"


class EventTooLarge(InvalidEvent):
    """The event has more bytes than allowed: send the photo's URL, not the photo."""

    code = "event_too_large"


class EventNotJson(InvalidEvent):
    """The event is not a JSON object in UTF-8."""

    code = "event_not_json"


class EventVersion(InvalidEvent):
    """The event is not CloudEvents 1.0: set specversion to "1.0"."""

    code = "event_version"


class EventType(InvalidEvent):
    """The event is of another type: this stream carries ad.image.uploaded alone."""

    code = "event_type"


class EventUrl(InvalidEvent):
    """The image URL cannot be fetched: send an http or https URL with a host."""

    code = "event_url"


class EventNotPublished(RetakeError):  # noqa: N818 - named after what did not happen
    """The stream did not take the event: publish the same event again, a second copy changes nothing."""

    code = "event_not_published"


class WebhookSecretError(RetakeError):
    """A webhook secret is whsec_ and the base64 of 24 to 64 random bytes: correct RETAKE_NOTIFY_SECRET."""

    code = "webhook_secret_invalid"


class WebhookUrlError(RetakeError):
    """The webhook address is not a plain http or https URL: correct RETAKE_NOTIFY_URL."""

    code = "webhook_url_invalid"


class LeaseLostError(RetakeError):
    """The lease ran out and somebody else has claimed the row: what this attempt found is dropped."""

    code = "lease_lost"


class OutOfMemoryError(RetakeError):
    """The photo needs more memory than a pool process may have: raise RETAKE_MEMORY_LIMIT if such photos are wanted."""

    code = "out_of_memory"
