"""The reckoning at the end of a run: what was published against what came of it."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, func, select

from tasks.database import autocommit
from tasks.tables import DeadLetter, Image, Notification
from tests.chaos.hosts import Sink
from tests.chaos.plan import Kind, Publication, Upload

STATES = {
    Kind.GOOD: "scored",
    Kind.BAD: "scored",
    Kind.BROKEN: "rejected",
    Kind.GONE: "unreachable",
    Kind.DOWN: "unreachable",
}


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Counts; everything from `lost` on must be 0."""

    published: int
    invalid: int
    unique: int
    states: dict[str, int]
    bad_photos: int
    posts: int
    posts_accepted: int
    lost: int
    lost_invalid: int
    unsettled: int
    in_a_wrong_state: int
    scored_twice: int
    bad_photos_without_request: int
    requests_for_good_photos: int
    second_webhook_ids: int

    @property
    def clean(self) -> bool:
        """Whether everything is as promised."""
        return not any(getattr(self, name) for name in self.__slots__[self.__slots__.index("lost") :])


def reckon(published: Sequence[Publication], engine: Engine, sink: Sink, logs: Iterable[Path]) -> Reckoning:
    """Compare what was published with the tables, the sink's notes and the logs."""
    uploads = {item.image_id: item for item in published if isinstance(item, Upload)}
    invalid = [item for item in published if isinstance(item, bytes)]
    bad = {image_id for image_id, upload in uploads.items() if upload.kind is Kind.BAD}
    with autocommit(engine) as connection:
        states = {row.image_id: row.state for row in connection.execute(select(Image.image_id, Image.state))}
        letters = connection.scalar(select(func.count(DeadLetter.body.distinct())))
        open_images = connection.scalar(select(func.count()).where(Image.due_at.is_not(None)))
        open_requests = connection.scalar(select(func.count()).where(Notification.due_at.is_not(None)))
    return Reckoning(
        published=len(published),
        invalid=len(invalid),
        unique=len(uploads),
        states=dict(Counter(states.values())),
        bad_photos=len(bad),
        posts=sink.posts.total(),
        posts_accepted=sink.accepted.total(),
        lost=len(uploads.keys() - states.keys()),
        lost_invalid=len(invalid) - (letters or 0),
        unsettled=(open_images or 0) + (open_requests or 0),
        in_a_wrong_state=sum(STATES[uploads[image_id].kind] != state for image_id, state in states.items()),
        scored_twice=sum(count > 1 for count in times_scored(logs).values()),
        bad_photos_without_request=sum(not sink.accepted[image_id] for image_id in bad),
        requests_for_good_photos=len(sink.posts.keys() - bad),
        second_webhook_ids=sum(len(ids) > 1 for ids in sink.webhook_ids.values()),
    )


def times_scored(logs: Iterable[Path]) -> Counter[str]:
    """How often each event was scored and stored, as the workers tell in their logs."""
    counts: Counter[str] = Counter()
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if '"image.scored"' in line:
                counts[json.loads(line)["event_id"]] += 1
    return counts
