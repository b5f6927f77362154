"""`retake backfill`: publish a whole catalogue, slowly enough, and go on where the last run ended."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from worker.cli.errors import FAILURE
from worker.cli.options import AsJson, check_readable

if TYPE_CHECKING:
    from redis import Redis

    from worker.backfill.run import Pace
    from worker.settings import Settings


def backfill(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv|-",
            callback=check_readable,
            help="CSV with the columns ad_id, image_id, seller_id, image_url and, if need be, replaces.",
        ),
    ],
    *,
    rate: Annotated[float | None, typer.Option(min=0.01, help="At most so many events a second.")] = None,
    waiting: Annotated[int, typer.Option(min=1, help="Pause while more photos than this wait.")] = 1000,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to note the place; FILE.csv.checkpoint if not said.")
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, whatever the checkpoint says.")] = False,
    as_json: AsJson = False,
) -> None:
    """Publish an event for every row of a catalogue.

    The same row is always the same event, so that publishing it again changes nothing. Exits with 1 if any row is bad:
    each is named by its line, and the others are published.
    """
    from worker.backfill.checkpoint import Checkpoint, resume, save
    from worker.backfill.rows import Catalogue
    from worker.backfill.run import backfill as publish
    from worker.composition import make_stream_client
    from worker.progress import progress_bar
    from worker.settings import load_settings

    settings = load_settings()
    place = checkpoint or (None if str(file) == "-" else file.with_name(file.name + ".checkpoint"))
    with _opened(file) as source, make_stream_client(settings) as redis:
        catalogue = Catalogue(source)
        refused = 0 if place is None or restart else resume(place, catalogue)
        published, before = 0, catalogue.place
        size = None if str(file) == "-" else file.stat().st_size - before
        with progress_bar("publishing (bytes)", size) as advance:
            for done in publish(catalogue, redis, settings.stream, _pace(settings, redis, rate, waiting)):
                published, refused = published + done.published, refused + len(done.refused)
                for row in done.refused:
                    typer.echo(f"retake: {file}: line {row.line}: {row.fault}", err=True)
                if place is not None:
                    save(place, Checkpoint(catalogue.place, catalogue.digest, refused))
                advance(catalogue.place - before)
                before = catalogue.place
    if as_json:
        typer.echo(json.dumps({"published": published, "refused": refused}))
    else:
        typer.echo(f"{published:,} events published, {refused:,} rows refused")
    if refused:
        raise typer.Exit(FAILURE)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if str(file) == "-":
        yield sys.stdin.buffer
    else:
        with file.open("rb") as source:
            yield source


def _pace(settings: "Settings", redis: "Redis", rate: float | None, most_waiting: int) -> "Pace":
    from tasks.celery_tasks import IMAGES
    from worker.backfill.run import Pace
    from worker.broker import queue_depths
    from worker.celery_app import make_app

    app = make_app(settings)
    told: list[int] = []

    def waiting() -> int:
        return int(redis.xlen(settings.stream)) + queue_depths(app)[IMAGES]

    def on_hold(count: int) -> None:
        if not told:
            typer.echo(f"retake: {count:,} photos wait already; going on when there are fewer", err=True)
        told.append(count)

    return Pace(rate, most_waiting, waiting, on_hold=on_hold)
