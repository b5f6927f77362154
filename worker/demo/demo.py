"""The whole path on one machine: real servers, real processes, some photos, and a table of what came of each."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from sqlalchemy import Engine

from models.errors import RetakeError
from tasks import schema
from tasks.database import make_engine
from tasks.events import new_event
from worker.demo.expectations import complaints
from worker.demo.follow import Outcome, follow, read_outcomes
from worker.demo.image_host import ImageHost
from worker.demo.photos import Photo
from worker.demo.processes import Children, Guard, StopSignals, log_tails
from worker.demo.servers import embedded_valkey
from worker.demo.table import outcome_table
from worker.demo.webhook_sink import WebhookSink, new_secret
from worker.publish import Publisher
from worker.settings import Settings
from worker.terminal import short_names

PROCESSES = ("ingest", "worker", "beat")


class ExpectationError(RetakeError):
    """Not every photo came out as expected."""

    code = "expectation_failed"


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs around the photos."""

    engine: Engine
    sink: WebhookSink
    stream_url: str
    image_urls: Sequence[str]
    children: Children


def run_demo(photos: Sequence[Photo], settings: Settings, console: Console) -> None:
    """Send the photos down the whole path, and show what came of each.

    Of the caller's settings, the model file and the threshold hold; all others are the demo's own.

    Raises:
        ExpectationError: a photo came out otherwise than expected; the complaints are on the console.
        RetakeError: a process ended, or a photo never did; the logs' last lines are on the console.
        SystemExit: SIGINT, SIGTERM or SIGHUP ended the demo; nothing is left running.
    """
    with StopSignals() as signals, _workplace(console) as (folder, guard):
        with _stage(photos, settings, folder, guard) as stage:
            _publish(stage)
            outcomes = _follow(photos, stage, signals, console)
        names = short_names([photo.name for photo in photos])
        console.print(outcome_table(zip(names, outcomes, strict=True), settings.threshold))
        _compare(photos, outcomes, stage.sink, settings.threshold, console)


@contextmanager
def _workplace(console: Console) -> Iterator[tuple[Path, Guard]]:
    """A temporary folder and its guard; after an error the folder is kept, for its logs."""
    folder = Path(tempfile.mkdtemp(prefix="retake-demo-"))
    guard = Guard(folder)
    try:
        yield folder, guard
    except Exception as error:
        if not isinstance(error, ExpectationError):
            console.print(log_tails(sorted(folder.glob("*.log"))))
        console.print(f"The logs are kept in {folder}", markup=False)
        raise
    except BaseException:
        shutil.rmtree(folder)
        raise
    else:
        shutil.rmtree(folder)
    finally:
        guard.release()


@contextmanager
def _stage(photos: Sequence[Photo], settings: Settings, folder: Path, guard: Guard) -> Iterator[Stage]:
    secret = new_secret()
    database_url = f"sqlite:///{folder / 'retake.db'}"
    with ExitStack() as stack:
        stream_url = stack.enter_context(embedded_valkey(folder / "valkey", guard))
        host = stack.enter_context(ImageHost(photos))
        sink = stack.enter_context(WebhookSink(secret))
        engine = make_engine(database_url)
        stack.callback(engine.dispose)
        schema.upgrade(engine)
        environment = _environment(
            MODEL=str(settings.model.resolve()),
            THRESHOLD=str(settings.threshold),
            DATABASE_URL=database_url,
            BROKER_URL=stream_url,
            STREAM_URL=stream_url,
            IMAGE_PRIVATE_HOSTS=host.address,
            NOTIFY_URL=sink.url,
            NOTIFY_SECRET=secret,
            CONCURRENCY="2",
            SWEEP_EVERY="1",
            LOG_FORMAT="console",
        )
        children = stack.enter_context(Children(environment, folder, guard))
        for name in PROCESSES:
            children.start(name, [sys.executable, "-m", "worker", name])
        yield Stage(engine, sink, stream_url, host.urls, children)


def _environment(**settings: str) -> Mapping[str, str]:
    """The caller's environment, with the demo's settings instead of the caller's."""
    others = {name: value for name, value in os.environ.items() if not name.upper().startswith("RETAKE_")}
    return others | {f"RETAKE_{name}": value for name, value in settings.items()}


def _image_ids(count: int) -> list[str]:
    return [f"photo-{number}" for number in range(1, count + 1)]


def _publish(stage: Stage) -> None:
    with Publisher(stage.stream_url) as publisher:
        for image_id, url in zip(_image_ids(len(stage.image_urls)), stage.image_urls, strict=True):
            # Every photo has an ad of its own: an ad gets one request a day.
            event = new_event(ad_id=f"ad-of-{image_id}", image_id=image_id, seller_id="demo", image_url=url)
            publisher.publish(event)


def _follow(photos: Sequence[Photo], stage: Stage, signals: StopSignals, console: Console) -> list[Outcome]:
    def check() -> None:
        signals.check()
        stage.children.check()

    look = partial(read_outcomes, stage.engine, stage.sink.requests, _image_ids(len(photos)))
    return follow(look, check, [photo.name for photo in photos], console)


def _compare(
    photos: Sequence[Photo], outcomes: Sequence[Outcome], sink: WebhookSink, threshold: float, console: Console
) -> None:
    found = [f"a retake request was refused: {reason}" for reason in sink.refused]
    for photo, outcome in zip(photos, outcomes, strict=True):
        found += complaints(photo, outcome, threshold)
    for complaint in found:
        console.print(f"✗ {complaint}", style="red", markup=False)
    if found:
        raise ExpectationError(f"{len(found)} expectations failed; see the lines above")
    end = "came out as expected" if all(photo.expected for photo in photos) else "reached their end"
    requests = f"retake requests received, each with a good signature: {len(sink.requests)}"
    console.print(f"✓ {len(photos)} photos {end}; {requests}", style="green")
