"""`retake forget`: erase all that is stored about a seller."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import AsJson, DryRun, Yes, confirm

if TYPE_CHECKING:
    from tasks.forget import Erased


def forget(
    *,
    seller: Annotated[str, typer.Option(metavar="ID", help="The seller_id of the events.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase a seller's photos, scores, retake requests, cooldowns, and refused events that name them.

    Stop publishing their events first: one that comes later, or still waits on the stream, is new.
    """
    from tasks.forget import Erased, find_rows
    from tasks.forget import forget as erase
    from worker.database import migrated_database
    from worker.progress import progress_bar
    from worker.settings import load_settings

    with migrated_database(load_settings()) as engine:
        found = find_rows(engine, seller)
        if dry_run or found == Erased():
            _tell(found, "would be erased", as_json=as_json)
            return
        confirm(f"Erase for good: {_describe(found)}?", yes=yes)
        erased = Erased()
        with progress_bar("erasing photos", found.photos) as advance:
            for some in erase(engine, seller):
                erased += some
                advance(some.photos)
    _tell(erased, "erased", as_json=as_json)


def _tell(rows: "Erased", what: str, *, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(rows)) if as_json else f"{what}: {_describe(rows)}")
    if rows.unclear_letters:
        ids = ", ".join(map(str, rows.unclear_letters))
        typer.echo(f"retake: these refused events hold the name but do not parse, look at them: {ids}", err=True)


def _describe(rows: "Erased") -> str:
    return (
        f"{rows.photos:,} photos, {rows.scores:,} scores, {rows.requests:,} retake requests, "
        f"{rows.cooldowns:,} cooldowns, {rows.letters:,} refused events"
    )
