"""Options that several commands share, and how their values are read."""

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from worker.cli.errors import MISUSE

_AGE = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str) -> timedelta:
    """Read 30m, 12h, 90d or 2w."""
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} is not an age: write a number and s, m, h, d or w, as 90d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def ago(age: timedelta) -> datetime:
    """The moment so long before now, in UTC."""
    try:
        return datetime.now(UTC) - age
    except OverflowError:
        raise typer.BadParameter("there was no calendar so long ago") from None


def parse_since(text: str) -> datetime:
    """Read an age, or a date or time in ISO 8601, in UTC where it names no offset."""
    if _AGE.fullmatch(text.strip()):
        return ago(parse_age(text))
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is neither an age, as 12h or 7d, nor a date, as 2026-11-23") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def check_readable(path: Path | None) -> Path | None:
    """Let a file pass that can be read, and - for standard input."""
    if path is not None and str(path) != "-" and not (path.is_file() and os.access(path, os.R_OK)):
        raise typer.BadParameter(f"{path} is not a file that can be read")
    return path


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is changed; without a person to ask, --yes is needed."""
    if yes:
        return
    if not sys.stdin.isatty():
        typer.echo("retake: nobody is there to confirm: add --yes, or look first with --dry-run", err=True)
        raise typer.Exit(MISUSE)
    typer.confirm(question, abort=True, err=True)


def misuse(message: str) -> typer.Exit:
    """Say what is wrong with the command line, and give the exit to raise."""
    typer.echo(f"retake: {message}", err=True)
    return typer.Exit(MISUSE)


Since = Annotated[
    datetime | None, typer.Option(parser=parse_since, metavar="AGE|DATE", help="Not older, as 12h, 7d or 2026-11-23.")
]
Ids = Annotated[list[int] | None, typer.Argument(metavar="[ID...]", help="As listed.", show_default=False)]
Codes = Annotated[list[str] | None, typer.Option("--code", help="With this error code; may be repeated.")]
Ad = Annotated[str | None, typer.Option(help="Of this ad.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many, the newest.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything that the other filters leave.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
