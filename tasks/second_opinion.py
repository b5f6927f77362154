"""What another model says of a photo: stored beside the score that decides, and told to nobody."""

from typing import Protocol

from PIL import Image as PillowImage
from sqlalchemy import Engine

from models.judge import Judgement
from tasks import scores
from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.photo import Photo
from tasks.scores import ContentScore


class Judges(Protocol):
    """What scoring needs of a judge."""

    model: str

    def judge(self, image: PillowImage.Image) -> Judgement:
        """Score an upright RGB image."""


class SecondOpinion:
    """Scores photos with one more model; asked twice about a photo, it keeps what it said first."""

    def __init__(self, engine: Engine, judge: Judges, clock: Clock = utc_now) -> None:
        self._engine = engine
        self._judge = judge
        self._clock = clock

    def __call__(self, image_pk: int, photo: Photo) -> ContentScore:
        """Score one photo and store what came of it.

        Raises:
            DecodeError: the bytes are not a usable photo.
            IntegrityError: the photo's row is gone.
        """
        content = self._known(photo.content_sha256) or self._score(photo)
        self._record(image_pk, content)
        return content

    def of_known_content(self, image_pk: int, content_sha256: bytes) -> ContentScore | None:
        """Store for this photo what the model said of the same bytes before; None if it has not seen them."""
        content = self._known(content_sha256)
        if content is not None:
            self._record(image_pk, content)
        return content

    def _known(self, content_sha256: bytes) -> ContentScore | None:
        with autocommit(self._engine) as connection:
            return scores.find_by_content(connection, content_sha256, self._judge.model)

    def _score(self, photo: Photo) -> ContentScore:
        return scores.describe(photo, self._judge.judge(photo.decoded.image))

    def _record(self, image_pk: int, content: ContentScore) -> None:
        with self._engine.begin() as connection:
            scores.record_once(connection, image_pk, content, now=self._clock())
