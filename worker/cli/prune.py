"""`retake prune`: delete what is old."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from worker.cli.options import AsJson, DryRun, Yes, confirm, parse_age


def prune(
    *,
    older_than: Annotated[timedelta, typer.Option(parser=parse_age, metavar="AGE", help="As 90d or 12w.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Delete finished photos with their scores and requests, and refused events, that are older than an age.

    Photos and requests that are still open stay. Cooldowns that are over go with them.
    """
    from tasks.prune import Pruned, find_rows
    from tasks.prune import prune as delete
    from worker.cli.options import ago
    from worker.database import migrated_database
    from worker.progress import progress_bar
    from worker.settings import load_settings

    before = ago(older_than)
    with migrated_database(load_settings()) as engine:
        found = find_rows(engine, before)
        what = f"{found.photos:,} photos and {found.letters:,} refused events from before {before:%Y-%m-%d %H:%M} UTC"
        if dry_run:
            typer.echo(json.dumps(asdict(found)) if as_json else f"would be deleted: {what}")
            return
        confirm(f"Delete for good {what}?", yes=yes)
        pruned = Pruned()
        with progress_bar("deleting photos", found.photos) as advance:
            for some in delete(engine, before, datetime.now(UTC)):
                pruned += some
                advance(some.photos)
    typer.echo(
        json.dumps(asdict(pruned))
        if as_json
        else f"deleted: {pruned.photos:,} photos, {pruned.letters:,} refused events, {pruned.cooldowns:,} cooldowns"
    )
