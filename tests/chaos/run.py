"""One run: start everything, publish, disturb, wait until all is settled, and reckon."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from tasks import schema
from tasks.database import autocommit, make_engine
from tasks.errors import EventNotPublished
from tasks.events import ImageUploaded, new_event
from tasks.tables import Image, Notification
from tests.chaos.dependencies import Postgres, Valkey
from tests.chaos.disturb import Disturber
from tests.chaos.fleet import Fleet
from tests.chaos.hosts import ImageHost, Sink
from tests.chaos.ledger import Reckoning, reckon
from tests.chaos.photos import make_album
from tests.chaos.plan import Publication, Upload, disturbances, publications
from worker.demo.webhook_sink import new_secret
from worker.publish import FIELD, Publisher
from worker.settings import Settings

WINDOW = 600  # photos; how far publishing runs ahead of what is finished
LOOK_SECONDS = 0.1
SETTLE_SECONDS = 240  # after the last disturbance
DISTURBED_SHARE = 0.9  # of the photos; then the system is left in peace

# A day of retries in a minute. A photo that is hit by several kills is innocent: the crash limit is out of reach.
SETTINGS = {
    "RETAKE_LEASE": "12",
    "RETAKE_TASK_TIME_LIMIT": "8",
    "RETAKE_TASK_SOFT_TIME_LIMIT": "6",
    "RETAKE_CRASH_LIMIT": "20",
    "RETAKE_REQUEUE_AFTER": "5",
    "RETAKE_SWEEP_EVERY": "1",
    "RETAKE_FETCH_SCHEDULE": "0.5 1 2",
    "RETAKE_IMAGE_TOTAL_TIMEOUT": "4",
    "RETAKE_NOTIFY_TIMEOUT": "1",
    "RETAKE_NOTIFY_SCHEDULE": " ".join(["0.5"] * 20),
    "RETAKE_SOFT_SHUTDOWN_TIMEOUT": "5",
    "RETAKE_CONCURRENCY": "2",
    "RETAKE_LOG_FORMAT": "json",
}


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller chooses; there is a disturbance for `every` settled photos in the mean."""

    events: int
    seed: int
    every: int = 60
    workers: int = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run found."""

    reckoning: Reckoning
    disturbances: dict[str, int]
    seconds: float
    orphans: int
    killed_at_the_end: list[str]


def run(options: Options, folder: Path) -> Outcome:
    """Do one run in a folder; its logs stay there.

    Raises:
        RuntimeError: a child process of the run could not be started.
    """
    published = publications(options.seed, options.events)
    album = make_album(Settings().model)
    secret = new_secret()
    logs = folder / "logs"
    logs.mkdir()
    with ExitStack() as stack:
        host = stack.enter_context(ImageHost(album))
        sink = stack.enter_context(Sink(options.seed, secret, late=2.0))
        valkey, postgres = stack.enter_context(_dependencies(folder))
        engine = make_engine(postgres.url)
        schema.upgrade(engine)
        environment = (
            os.environ
            | SETTINGS
            | {
                "RETAKE_DATABASE_URL": postgres.url,
                "RETAKE_BROKER_URL": valkey.url,
                "RETAKE_STREAM_URL": valkey.url,
                "RETAKE_NOTIFY_URL": sink.url,
                "RETAKE_NOTIFY_SECRET": secret,
                "RETAKE_IMAGE_PRIVATE_HOSTS": host.address,
                "RETAKE_THRESHOLD": str(album.threshold),
            }
        )
        fleet = Fleet(environment, logs, options.workers)
        stack.callback(fleet.kill)
        disturber = Disturber(disturbances(options.seed, options.every), fleet, valkey, postgres)
        feed = Feed(published, host, valkey.url)
        started = time.monotonic()
        _drive(feed, fleet, disturber, engine, valkey)
        seconds = time.monotonic() - started
        orphans = fleet.orphans()
        killed = fleet.stop()
        reckoning = reckon(published, engine, sink, logs.glob("worker-*.log"))
        engine.dispose()
    return Outcome(reckoning, {str(kind): count for kind, count in disturber.done.items()}, seconds, orphans, killed)


class Feed(threading.Thread):
    """The upload service: publishes in order, each event until the stream has taken it."""

    def __init__(self, published: list[Publication], host: ImageHost, url: str) -> None:
        super().__init__(daemon=True)
        self._published = published
        self._host = host
        self._url = url
        self._events: dict[str, ImageUploaded] = {}
        self.uploads = len({item.number for item in published if isinstance(item, Upload)})
        self.allowed = WINDOW
        self.count = 0

    @property
    def done(self) -> bool:
        return self.count == len(self._published)

    def run(self) -> None:
        with Publisher(self._url) as publisher, Redis.from_url(self._url) as raw:
            for item in self._published:
                while len(self._events) >= self.allowed:
                    time.sleep(LOOK_SECONDS)
                while not self._publish(item, publisher, raw):
                    time.sleep(LOOK_SECONDS)
                self.count += 1

    def _publish(self, item: Publication, publisher: Publisher, raw: Redis) -> bool:
        try:
            if isinstance(item, Upload):
                publisher.publish(self._event(item))
            else:
                raw.xadd("ad-images", {FIELD: item})
        except (EventNotPublished, RedisError):
            return False
        return True

    def _event(self, upload: Upload) -> ImageUploaded:
        """The same event for every copy."""
        if upload.image_id not in self._events:
            self._events[upload.image_id] = new_event(
                ad_id=f"ad{upload.number}",
                image_id=upload.image_id,
                seller_id=f"s{upload.number}",
                image_url=self._host.url(upload),
            )
        return self._events[upload.image_id]


@contextmanager
def _dependencies(folder: Path) -> Iterator[tuple[Valkey, Postgres]]:
    data = Path(tempfile.mkdtemp(prefix="chaos-pg-"))  # a socket's path must be short
    valkey, postgres = Valkey(folder / "valkey"), Postgres(data)
    try:
        yield valkey, postgres
    finally:
        valkey.kill()
        postgres.delete()
        shutil.rmtree(data, ignore_errors=True)


def _drive(feed: Feed, fleet: Fleet, disturber: Disturber, engine: Engine, valkey: Valkey) -> None:
    """Publish and disturb until nearly all is finished; then leave it in peace until all is settled."""
    feed.start()
    deadline = float("inf")
    with _progress() as progress, valkey.client() as client:
        photos = progress.add_task("photos settled", total=feed.uploads)
        while time.monotonic() < deadline:
            fleet.tend()
            finished = _finished(engine)
            if finished is not None:
                progress.update(photos, completed=finished)
                feed.allowed = finished + WINDOW
            if (finished or 0) < DISTURBED_SHARE * feed.uploads:
                disturber.tend(finished or 0)
            elif deadline == float("inf") and feed.done:
                deadline = time.monotonic() + SETTLE_SECONDS
            if feed.done and finished == feed.uploads and _settled(engine, client):
                return
            time.sleep(LOOK_SECONDS)


def _finished(engine: Engine) -> int | None:
    """How many photos have their final state; None while the database is away."""
    try:
        with autocommit(engine) as connection:
            return connection.scalar(select(func.count()).where(Image.finished_at.is_not(None)))
    except SQLAlchemyError:
        return None


def _settled(engine: Engine, client: Redis) -> bool:
    try:
        with autocommit(engine) as connection:
            waiting = connection.scalar(select(func.count()).where(Notification.due_at.is_not(None)))
        return not waiting and not client.xlen("ad-images")
    except (SQLAlchemyError, RedisError):
        return False


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))
