"""Rows for tests: an event, a received photo, a claimed one."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine

from tasks import images, scores
from tasks.events import ImageUploaded, new_event
from tasks.images import ClaimedImage
from tasks.scores import ContentScore
from tasks.tables import ImageState

LEASE = timedelta(seconds=90)
REQUEUE = timedelta(seconds=60)


def an_event(image_id: str = "ad1-1", **fields: Any) -> ImageUploaded:
    ad_id = image_id.rsplit("-", 1)[0]
    named = {"ad_id": ad_id, "seller_id": "s1", "image_url": f"https://img.example.com/{image_id}.jpg", **fields}
    return new_event(image_id=image_id, **named)


def receive(engine: Engine, now: datetime, *events: ImageUploaded) -> list[int]:
    with engine.begin() as connection:
        return images.receive(connection, events or [an_event()], now=now, requeue_after=REQUEUE)


def claim(engine: Engine, pk: int, now: datetime) -> ClaimedImage | None:
    with engine.begin() as connection:
        return images.claim(connection, pk, now=now, lease=LEASE)


def received_and_claimed(engine: Engine, now: datetime, image_id: str = "ad1-1", **fields: Any) -> ClaimedImage:
    [pk] = receive(engine, now, an_event(image_id, **fields))
    claimed = claim(engine, pk, now)
    assert claimed is not None
    return claimed


def scored(engine: Engine, image: ClaimedImage, score: float, now: datetime) -> None:
    with engine.begin() as connection:
        images.finish(connection, image, ImageState.SCORED, now=now)
        scores.record(connection, image.pk, content_score(score), now=now)


def content_score(score: float, content: bytes = b"\1" * 32, model: str = "quality@0123456789ab") -> ContentScore:
    return ContentScore(content, model, score, round(score), ["too_dark"], {"brightness": 0.1}, 640, 480)
