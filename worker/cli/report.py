"""`retake report`: one page that shows what the threshold does."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import ago, misuse, parse_since

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.settings import Settings

DEFAULT_AGE = timedelta(days=30)


def report(
    *,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write the page.")],
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_since, metavar="AGE|DATE", help="Photos received since then; 30d if not said."),
    ] = None,
) -> None:
    """Write one HTML page: scores and what a threshold would do, photos, reasons, days, models, what was given up."""
    from models.judge import Judge
    from tasks.database import autocommit
    from worker.database import migrated_database
    from worker.report.gather import gather
    from worker.report.page import render
    from worker.settings import load_settings

    settings = load_settings()
    with migrated_database(settings) as engine, autocommit(engine) as connection:
        page = render(
            gather(
                connection,
                now=datetime.now(UTC),
                since=since or ago(DEFAULT_AGE),
                threshold=settings.threshold,
                current_model=Judge(settings.model).model,
                thumbnails=partial(_thumbnails, settings),
            )
        )
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise misuse(f"{output}: cannot be written: {error.strerror}") from error
    typer.echo(f"{output}: {len(page.encode()) / 1000:,.0f} kB")


def _thumbnails(settings: "Settings", urls: "Sequence[str]") -> "Sequence[str | None]":
    from tasks.decode import decode
    from worker.composition import make_fetcher
    from worker.progress import progress_bar
    from worker.report.thumbnails import make_thumbnails

    fetcher = make_fetcher(settings)
    with progress_bar("fetching photos", len(urls)) as advance:
        return make_thumbnails(urls, fetcher.fetch, partial(decode, max_pixels=settings.image_max_pixels), advance)
