"""What a run does, drawn from one seed: what is published, what is disturbed, and which posts the sink spoils."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

DUPLICATES, INVALID = 0.05, 0.03  # shares of what is published
BAD, BROKEN, GONE, DOWN = 0.10, 0.01, 0.01, 0.01  # shares of the photos; the last two are dead links
SINK_FAULTS = 0.30


class Kind(StrEnum):
    """What an uploaded photo is."""

    GOOD = "good"
    BAD = "bad"
    BROKEN = "broken"  # not a photo
    GONE = "gone"  # 404
    DOWN = "down"  # 503 for ever


class Disturbance(StrEnum):
    """What is done to a running system."""

    CHILD_KILLED = "pool child killed"
    WORKER_KILLED = "worker's main process killed"
    CONTAINER_KILLED = "worker and its children killed"
    WORKER_STOPPED = "worker stopped by SIGTERM"
    INGEST_KILLED = "ingest killed"
    INGEST_STOPPED = "ingest stopped by SIGTERM"
    BEAT_KILLED = "beat killed"
    VALKEY_KILLED = "Valkey killed"
    VALKEY_RESTARTED = "Valkey restarted"
    POSTGRES_KILLED = "PostgreSQL killed"
    POSTGRES_RESTARTED = "PostgreSQL restarted"


WEIGHTS = {
    Disturbance.CHILD_KILLED: 40,
    Disturbance.WORKER_KILLED: 8,
    Disturbance.CONTAINER_KILLED: 10,
    Disturbance.WORKER_STOPPED: 12,
    Disturbance.INGEST_KILLED: 10,
    Disturbance.INGEST_STOPPED: 4,
    Disturbance.BEAT_KILLED: 5,
    Disturbance.VALKEY_KILLED: 3,
    Disturbance.VALKEY_RESTARTED: 2,
    Disturbance.POSTGRES_KILLED: 3,
    Disturbance.POSTGRES_RESTARTED: 3,
}


class Fault(StrEnum):
    """How the sink spoils one post; `LATE` and `RESET` come after it has taken the request in."""

    ERROR = "500"
    UNAVAILABLE = "503"
    THROTTLED = "429"
    LATE = "timeout"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class Upload:
    """One photo, published at least once."""

    number: int
    kind: Kind

    @property
    def image_id(self) -> str:
        return f"ad{self.number}-1"


@dataclass(frozen=True, slots=True)
class Step:
    """One disturbance: `after` so many settled photos; `target`, 0-1, chooses whom; `outage` is in seconds."""

    disturbance: Disturbance
    after: int
    target: float
    outage: float


Publication = Upload | bytes


def publications(seed: int, events: int) -> list[Publication]:
    """What is published, in order: photos, copies of earlier ones, and bodies that are no event."""
    draw = Random(f"{seed}/events")
    published: list[Publication] = []
    uploads: list[Upload] = []
    for number in range(events):
        lot = draw.random()
        if lot < INVALID:
            published.append(_invalid_body(draw, number))
        elif lot < INVALID + DUPLICATES and uploads:
            published.append(draw.choice(uploads[-200:]))
        else:
            uploads.append(Upload(number, _kind(draw)))
            published.append(uploads[-1])
    return published


def disturbances(seed: int, every: int) -> Iterator[Step]:
    """An endless row of disturbances, one for `every` settled photos in the mean; each kind comes early once."""
    draw = Random(f"{seed}/disturbances")
    first = list(Disturbance)
    draw.shuffle(first)
    while True:
        disturbance = first.pop() if first else draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        yield Step(disturbance, draw.randint(1, 2 * every), draw.random(), draw.uniform(0.2, 3))


def sink_fault(seed: int, image_id: str, attempt: int) -> Fault | None:
    """What the sink does to the n-th post for a photo."""
    draw = Random(f"{seed}/sink/{image_id}/{attempt}")
    return draw.choice(list(Fault)) if draw.random() < SINK_FAULTS else None


def _kind(draw: Random) -> Kind:
    weights = [1 - BAD - BROKEN - GONE - DOWN, BAD, BROKEN, GONE, DOWN]
    return draw.choices(list(Kind), weights)[0]


def _invalid_body(draw: Random, number: int) -> bytes:
    return draw.choice(
        [
            b'{"specversion": "1.0", "id": "%d"' % number,
            b'{"specversion": "1.0", "id": "%d", "type": "ad.image.uploaded", "source": "/x"}' % number,
            b'{"specversion": "0.3", "id": "%d", "type": "ad.image.uploaded", "source": "/x", "data": {}}' % number,
            b"\xff\xfe%d" % number,
            b"[%d]" % number,
        ]
    )
