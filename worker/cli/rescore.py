"""`retake rescore`: score what is stored with another model."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.errors import FAILURE
from worker.cli.options import AsJson, DryRun, Yes, confirm

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from tasks.rescore import ModelFile

SETTLE_SECONDS = 5.0  # beyond one download, for what workers have in their hands


def rescore(
    *,
    model: Annotated[Path, typer.Option(metavar="FILE", help="The model file; the workers find it at the same path.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Have the workers score stored photos with another model, after all else they have to do; nobody is notified.

    Exits with 1 if photos are left without a score by it: they cannot be downloaded now, or the workers lack the file,
    as their logs say. The next run tries these again.
    """
    from models.judge import Judge
    from tasks.rescore import ModelFile
    from worker.broker import live_workers
    from worker.celery_app import make_app
    from worker.database import migrated_database
    from worker.progress import progress_bar
    from worker.rescore.feed import feed, wait_until_done
    from worker.settings import load_settings

    settings = load_settings()
    file = ModelFile(str(model.resolve()), Judge(model).model)
    app = make_app(settings)
    with migrated_database(settings) as engine:
        count = partial(_count, engine, file)
        wanted = count()
        if dry_run or not wanted:
            _tell(file, wanted, wanted, as_json=as_json)
            return
        if not live_workers(app):
            typer.echo("retake: no worker answers: start one, and give the command again", err=True)
            raise typer.Exit(FAILURE)
        confirm(f"Download and score {wanted:,} photos with {file.name}?", yes=yes)
        with progress_bar("queueing photos", wanted) as advance:
            for some in feed(app, engine, file):
                advance(some)
        left = wait_until_done(app, count, settings.image_total_timeout + SETTLE_SECONDS)
    _tell(file, wanted, left, as_json=as_json)
    if left:
        raise typer.Exit(FAILURE)


def _count(engine: "Engine", file: "ModelFile") -> int:
    from tasks.database import autocommit
    from tasks.rescore import count_without_score

    with autocommit(engine) as connection:
        return count_without_score(connection, file.name)


def _tell(file: "ModelFile", wanted: int, left: int, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"model": file.name, "wanted": wanted, "left": left}))
    else:
        typer.echo(f"{file.name}: {wanted - left:,} photos scored, {left:,} without a score")
