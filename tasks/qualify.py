"""What is done for one photo: claim, fetch, decode, score, and one transaction that stores what came of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from models.errors import RetakeError
from models.reasons import ReasonCode
from tasks import images, outbox, scores
from tasks.backoff import FETCH_SCHEDULE, next_delay
from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.decode import DecodedImage
from tasks.errors import DecodeError, FetchError, LeaseLostError
from tasks.images import ClaimedImage, Fault
from tasks.photo import Photo
from tasks.scores import ContentScore
from tasks.second_opinion import Judges, SecondOpinion
from tasks.stages import UNWATCHED, Stages
from tasks.tables import ImageState
from tasks.webhook import RetakeRequest, new_webhook_id, to_body

CRASH_CODE = "internal"

log = structlog.get_logger()


class Fetches(Protocol):
    """What the step needs of a fetcher."""

    def fetch(self, url: str) -> bytes:
        """Download an image; raises FetchError."""


@dataclass(frozen=True, slots=True)
class QualifyPolicy:
    """When a photo is bad, and how long to try. `fetch_schedule` is in seconds, `threshold` in 0-5."""

    threshold: float = 2.5
    cooldown: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=90)
    crash_limit: int = 3
    crash_delay: timedelta = timedelta(seconds=5)
    fetch_schedule: tuple[float, ...] = FETCH_SCHEDULE
    deliver_within: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one attempt: `received` means that it will be tried again, no state that it was not ours to do.

    `reasons` are told to the seller: there are none at or above the threshold.
    """

    state: ImageState | None = None
    image: ClaimedImage | None = None
    fault: Fault | None = None
    score: float | None = None
    model: str | None = None
    reasons: tuple[str, ...] = ()
    reused: bool = False
    notification_pk: int | None = None


class Qualify:
    """The step from a received photo to its final state; safe to call twice for one photo, at once or later."""

    def __init__(  # noqa: PLR0913 - the parts it works with, and who watches
        self,
        engine: Engine,
        fetcher: Fetches,
        decode: Callable[[bytes], DecodedImage],
        judge: Judges,
        policy: QualifyPolicy,
        *,
        crash_codes: Mapping[type[Exception], str] | None = None,
        clock: Clock = utc_now,
        stages: Stages = UNWATCHED,
        shadow: SecondOpinion | None = None,
    ) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._decode = decode
        self._judge = judge
        self._policy = policy
        self._crash_codes: dict[type[Exception], str] = {MemoryError: "out_of_memory", **(crash_codes or {})}
        self._clock = clock
        self._stages = stages
        self._shadow = shadow

    def __call__(self, image_pk: int) -> Outcome:
        """Qualify one photo.

        Raises:
            LeaseLostError: the lease ran out and another worker claimed the photo; nothing was stored.
            SQLAlchemyError: the database failed; nothing was stored, and the sweeper finds the photo again.
            Exception: whatever nobody expected, after it was noted as a crash of this photo.
        """
        with autocommit(self._engine) as connection:
            image = images.claim(connection, image_pk, now=self._clock(), lease=self._policy.lease)
        if image is None:
            return Outcome()
        structlog.contextvars.bind_contextvars(event_id=image.event_id, ad_id=image.ad_id, image_id=image.image_id)
        with self._stages.join("qualify", image.traceparent) as traceparent:
            return self._qualify(replace(image, traceparent=traceparent))

    def note_lost(self, image_pk: int, fault: Fault) -> None:
        """Note that the process that worked on a photo is gone, and let others have it before the lease ends."""
        now = self._clock()
        with self._engine.begin() as connection:
            images.note_lost(connection, image_pk, fault, now=now, until=now + self._policy.crash_delay)

    def _qualify(self, image: ClaimedImage) -> Outcome:
        if image.crashes >= self._policy.crash_limit:
            return self._give_up(image)
        try:
            return self._attempt(image)
        except FetchError as error:
            return self._not_fetched(image, error)
        except DecodeError as error:
            return self._end(image, ImageState.REJECTED, _fault(error))
        except (LeaseLostError, SQLAlchemyError):
            raise
        except Exception as error:
            self._note_crash(image, error)
            raise

    def _attempt(self, image: ClaimedImage) -> Outcome:
        with self._stages.stage("fetch"):
            data = self._fetcher.fetch(image.image_url)
        photo = Photo(data, self._decode)
        with autocommit(self._engine) as connection:
            known = scores.find_by_content(connection, photo.content_sha256, self._judge.model)
        content = known or self._score(photo)
        with self._stages.stage("store"), self._engine.begin() as connection:
            notification_pk = self._store(connection, image, content)
        self._ask_shadow(image, photo)
        return Outcome(
            ImageState.SCORED,
            image,
            score=content.score,
            model=content.model,
            reasons=tuple(content.reasons) if content.score < self._policy.threshold else (),
            reused=known is not None,
            notification_pk=notification_pk,
        )

    def _score(self, photo: Photo) -> ContentScore:
        with self._stages.stage("decode"):
            decoded = photo.decoded
        with self._stages.stage("score"):
            return scores.describe(photo, self._judge.judge(decoded.image))

    def _ask_shadow(self, image: ClaimedImage, photo: Photo) -> None:
        """The photo has its final state by now: nothing that the shadow model does may touch it."""
        if self._shadow is None:
            return
        try:
            with self._stages.stage("shadow"):
                self._shadow(image.pk, photo)
        except Exception:
            log.exception("shadow.failed")

    def _store(self, connection: Connection, image: ClaimedImage, content: ContentScore) -> int | None:
        now = self._clock()
        images.finish(connection, image, ImageState.SCORED, now=now)
        scores.record(connection, image.pk, content, now=now)
        if content.score >= self._policy.threshold:
            outbox.answer(connection, image, now=now)
            return None
        request = self._request(image, content)
        return outbox.write(
            connection,
            image,
            request.webhook_id,
            to_body(request).decode(),
            threshold=self._policy.threshold,
            now=now,
            cooldown=self._policy.cooldown,
            deliver_by=now + self._policy.deliver_within,
        )

    def _request(self, image: ClaimedImage, content: ContentScore) -> RetakeRequest:
        return RetakeRequest(
            webhook_id=new_webhook_id(),
            ad_id=image.ad_id,
            image_id=image.image_id,
            seller_id=image.seller_id,
            image_url=image.image_url,
            score=content.score,
            stars=content.stars,
            threshold=self._policy.threshold,
            reasons=tuple(map(ReasonCode, content.reasons)),
            model=content.model,
            scored_at=self._clock(),
            traceparent=image.traceparent,
        )

    def _not_fetched(self, image: ClaimedImage, error: FetchError) -> Outcome:
        retry_after = getattr(error, "retry_after", None)
        delay = next_delay(image.failures + 1, self._policy.fetch_schedule, retry_after) if error.retryable else None
        if delay is None:
            return self._end(image, ImageState.UNREACHABLE, _fault(error))
        with self._engine.begin() as connection:
            until = self._clock() + timedelta(seconds=delay)
            images.put_off(connection, image, _fault(error), until=until)
        return Outcome(ImageState.RECEIVED, image, _fault(error))

    def _note_crash(self, image: ClaimedImage, error: Exception) -> None:
        code = self._crash_codes.get(type(error), CRASH_CODE)
        until = self._clock() + self._policy.crash_delay
        with self._engine.begin() as connection:
            images.put_off(connection, image, Fault(code, repr(error)), until=until, crashed=True)

    def _give_up(self, image: ClaimedImage) -> Outcome:
        noted = image.error_code in {CRASH_CODE, *self._crash_codes.values()}
        lost = Fault("worker_lost", f"the worker died {image.crashes} times while it worked on this photo")
        fault = Fault(image.error_code or "", image.error_detail or "") if noted else lost
        return self._end(image, ImageState.FAILED, fault)

    def _end(self, image: ClaimedImage, state: ImageState, fault: Fault) -> Outcome:
        with self._engine.begin() as connection:
            images.finish(connection, image, state, now=self._clock(), fault=fault)
        return Outcome(state, image, fault)


def _fault(error: RetakeError) -> Fault:
    return Fault(error.code, str(error))
