"""What is done to score a stored photo with another model: fetch it again, score, store; nobody is notified."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, exists, func, select

from models.errors import ModelError
from tasks.clock import Clock, utc_now
from tasks.database import autocommit
from tasks.decode import DecodedImage
from tasks.photo import Photo
from tasks.scores import ContentScore
from tasks.second_opinion import Judges, SecondOpinion
from tasks.tables import Image, ImageState, Score


class Fetches(Protocol):
    """What the step needs of a fetcher."""

    def fetch(self, url: str) -> bytes:
        """Download an image; raises FetchError."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model by its file, and by the name that the file must have by its content."""

    path: str
    name: str


class Rescore:
    """The step that scores one stored photo with a model of the caller's choice; the last model stays loaded."""

    def __init__(
        self,
        engine: Engine,
        fetcher: Fetches,
        decode: Callable[[bytes], DecodedImage],
        load: Callable[[Path], Judges],
        clock: Clock = utc_now,
    ) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._decode = decode
        self._load = load
        self._clock = clock
        self._loaded: tuple[ModelFile, SecondOpinion] | None = None

    def __call__(self, image_pk: int, model: ModelFile) -> ContentScore | None:
        """Score one photo; None if there is nothing to do: it has that score, or is gone.

        Raises:
            ModelError: the file is missing, is no model, or is another one than it was when this was asked for.
            FetchError: the photo cannot be downloaded any more, or not now.
            DecodeError: what is at its address now is not a usable photo.
        """
        opinion = self._opinion(model)
        with autocommit(self._engine) as connection:
            wanted = _find(connection, image_pk, model.name)
        if wanted is None:
            return None
        url, content_sha256 = wanted
        known = opinion.of_known_content(image_pk, content_sha256)
        return known or opinion(image_pk, Photo(self._fetcher.fetch(url), self._decode))

    def _opinion(self, model: ModelFile) -> SecondOpinion:
        if self._loaded is None or self._loaded[0] != model:
            judge = self._load(Path(model.path))
            if judge.model != model.name:
                raise ModelError(f"{model.path}: is {judge.model} here, not {model.name}")
            self._loaded = model, SecondOpinion(self._engine, judge, self._clock)
        return self._loaded[1]


def keys_without_score(connection: Connection, model: str, *, after: int, limit: int) -> list[int]:
    """Keys beyond `after` of photos that have a score, but none by this model; the oldest first, at most `limit`."""
    by_model = exists().where(Score.image_pk == Image.id, Score.model == model)
    statement = (
        select(Image.id)
        .where(Image.id > after, Image.state == ImageState.SCORED, ~by_model)
        .order_by(Image.id)
        .limit(limit)
    )
    return list(connection.scalars(statement))


def count_without_score(connection: Connection, model: str) -> int:
    """How many photos have a score, but none by this model; walks through all photos."""
    by_model = exists().where(Score.image_pk == Image.id, Score.model == model)
    statement = select(func.count()).select_from(Image).where(Image.state == ImageState.SCORED, ~by_model)
    return connection.execute(statement).scalar_one()


def _find(connection: Connection, image_pk: int, model: str) -> tuple[str, bytes] | None:
    """URL of a photo that was scored, but not by this model, and the hash of the bytes that were scored."""
    rows = connection.execute(
        select(Image.image_url, Score.content_sha256, Score.model)
        .join(Score, Score.image_pk == Image.id)
        .where(Image.id == image_pk)
    ).all()
    if not rows or any(row.model == model for row in rows):
        return None
    return rows[0].image_url, rows[0].content_sha256
