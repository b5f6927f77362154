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
