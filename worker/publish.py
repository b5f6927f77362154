"""The client of the upload service: puts an `ad.image.uploaded` on the stream."""

from types import TracebackType
from typing import Self

from redis import Redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tasks.errors import EventNotPublished, EventTooLarge
from tasks.events import MAX_EVENT_BYTES, ImageUploaded

FIELD = "event"  # of the stream entry: the CloudEvent in structured JSON
ATTEMPTS_MORE = 2  # an upload waits for at most three timeouts


class Publisher:
    """Publishes events; safe to share between threads.

    The stream is never trimmed here: trimming would drop events that nobody has read.
    """

    def __init__(self, url: str = "redis://localhost:6379/0", stream: str = "ad-images", timeout: float = 2.0) -> None:
        """Remember where the stream is; the first event opens the connection.

        Args:
            url: the Redis or Valkey that holds the stream: redis://, rediss:// or unix://.
            stream: its key.
            timeout: seconds to wait for the connection, and again for the answer.
        """
        self._stream = stream
        self._redis = Redis.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), ATTEMPTS_MORE),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def publish(self, event: ImageUploaded) -> str:
        """Put one event on the stream.

        Returns:
            The id of the stream entry.

        Raises:
            EventTooLarge: the event has more bytes than the reader takes.
            EventNotPublished: the stream did not answer; publish the same event again, for a second copy of an
                event changes nothing.
        """
        body = event.to_json()
        if len(body) > MAX_EVENT_BYTES:
            raise EventTooLarge
        try:
            entry = self._redis.xadd(self._stream, {FIELD: body})
        except RedisError as error:
            raise EventNotPublished(f"{EventNotPublished.__doc__} ({type(error).__name__})") from error
        return entry.decode() if isinstance(entry, bytes) else entry

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()
