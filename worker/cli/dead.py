"""`retake dead list|show|replay`: refused events, and with --images the photos that were given up."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import sys
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.carry_out import carry_out
from worker.cli.errors import FAILURE
from worker.cli.options import Ad, AsJson, Codes, DryRun, Everything, Ids, Limit, Since, Yes, check_readable, misuse

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

    from tasks.replay.selection import Selection
    from worker.replay.jobs import Job
    from worker.replay.rows import Row

app = typer.Typer(no_args_is_help=True, help="Look at what was given up, and set it going again.")


class GivenUp(StrEnum):
    """The states of photos without a score: ImageState without what it takes to load it."""

    FAILED = "failed"
    UNREACHABLE = "unreachable"
    REJECTED = "rejected"


Images = Annotated[bool, typer.Option("--images", help="Photos without a score, instead of refused events.")]
States = Annotated[list[GivenUp] | None, typer.Option("--state", help="With --images: in this state; may be repeated.")]


@app.command("list")
def list_dead(
    *,
    images: Images = False,
    state: States = None,
    code: Codes = None,
    ad: Ad = None,
    since: Since = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List refused events that were not replayed yet, or with --images the photos that were given up."""
    from tasks.database import autocommit
    from tasks.replay import letters, photos
    from tasks.replay.letters import RefusedEvent
    from tasks.replay.photos import UnscoredPhoto
    from worker.database import migrated_database
    from worker.replay.rows import print_rows
    from worker.settings import load_settings

    selection = _selection(None, images=images, state=state, code=code, ad=ad, since=since)
    with migrated_database(load_settings()) as engine, autocommit(engine) as connection:
        rows: list[Row] = [*(photos if images else letters).find(connection, selection, limit)]
    print_rows(UnscoredPhoto if images else RefusedEvent, rows, as_json=as_json)


@app.command()
def show(
    key: Annotated[int, typer.Argument(metavar="ID", help="As listed.")],
    *,
    images: Images = False,
    raw: Annotated[bool, typer.Option("--raw", help="Write the event's bytes alone, as they came.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one refused event, with its bytes, or of one photo."""
    from tasks.database import autocommit
    from tasks.replay import letters, photos
    from tasks.replay.selection import Selection
    from worker.database import migrated_database
    from worker.replay.rows import print_details
    from worker.settings import load_settings

    if images and raw:
        raise misuse("--raw goes with refused events alone")
    with migrated_database(load_settings()) as engine, autocommit(engine) as connection:
        rows: list[Row] = [*(photos if images else letters).find(connection, Selection([key]), 1)]
        body = None if images else letters.body(connection, key)
    if not rows:
        raise _missing(key)
    if raw:
        sys.stdout.buffer.write(body or b"")
    else:
        print_details(rows[0], body, as_json=as_json)


@app.command()
def replay(  # noqa: PLR0913 - a parameter for each option
    ids: Ids = None,
    *,
    images: Images = False,
    state: States = None,
    code: Codes = None,
    ad: Ad = None,
    since: Since = None,
    everything: Everything = False,
    event: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=check_readable,
            help="Publish the event in FILE (- for standard input) in the place of one.",
        ),
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Publish refused events again, byte for byte, or with --images have photos worked on again.

    Which ones is said by ids, by filters, or by --all.
    """
    from worker.composition import make_stream_client
    from worker.database import migrated_database
    from worker.settings import load_settings

    selection = _selection(ids, images=images, state=state, code=code, ad=ad, since=since)
    if not (ids or state or code or ad or since or everything):
        raise misuse("say which: ids, --code, --since, with --images also --state and --ad, or --all")
    if event is not None and (images or len(selection.ids) != 1):
        raise misuse("--event goes with the id of one refused event")
    settings = load_settings()
    with migrated_database(settings) as engine, make_stream_client(settings) as redis:
        job = _photos_job(engine, selection) if images else _letters_job(engine, redis, selection, event)
        carry_out(job, selection.ids, dry_run=dry_run, yes=yes, as_json=as_json)


def _photos_job(engine: "Engine", selection: "Selection") -> "Job":
    from tasks.database import autocommit
    from tasks.replay import photos
    from worker.replay.jobs import photos_job

    with autocommit(engine) as connection:
        return photos_job(engine, photos.keys(connection, selection))


def _letters_job(engine: "Engine", redis: "Redis", selection: "Selection", event: Path | None) -> "Job":
    from tasks.database import autocommit
    from tasks.events import parse_event
    from tasks.replay import letters
    from worker.replay.jobs import correction_job, letters_job

    with autocommit(engine) as connection:
        if event is None:
            return letters_job(engine, redis, letters.keys(connection, selection))
        corrected = parse_event(sys.stdin.buffer.read() if str(event) == "-" else event.read_bytes())
        found = [letter for letter in letters.find(connection, selection, 1) if letter.replayed_at is None]
    return correction_job(engine, redis, found, corrected)


def _selection(
    ids: list[int] | None,
    *,
    images: bool,
    state: list[GivenUp] | None,
    code: list[str] | None,
    ad: str | None,
    since: datetime | None,
) -> "Selection":
    from tasks.replay.selection import Selection

    if not images and (state or ad is not None):
        raise misuse("--state and --ad go with --images: of an event that was refused they are not known")
    return Selection(ids or (), code or (), state or (), ad, since)


def _missing(key: int) -> typer.Exit:
    typer.echo(f"retake: there is no {key}", err=True)
    return typer.Exit(FAILURE)
