"""`retake score`: what the model says of photos on disk."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

from typing import Annotated

import typer

from worker.cli.errors import FAILURE


def score(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Photos, folders (all images in and below them), or - for a photo on standard input.",
            show_default=False,
        ),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Score photos, and say what is wrong with the bad ones.

    Exits with 0 if every photo was scored, 1 if any was not, 2 for a wrong option, setting or model file.
    """
    from worker.score.run import run_score

    if not run_score(paths, as_json=as_json):
        raise typer.Exit(FAILURE)
