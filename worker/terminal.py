"""What a terminal shows of a photo: its name, its stars, its reasons."""

import os
import sys
from collections.abc import Iterable, Sequence
from io import TextIOWrapper

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

MAX_STARS = 5


def make_console(*, stderr: bool = False) -> Console:
    """A console that writes a question mark for what its encoding lacks, instead of failing."""
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")
    return Console(file=stream, highlight=False)


def make_table() -> Table:
    """An empty table in the one style that all commands use."""
    return Table(box=box.SIMPLE_HEAD, border_style="bright_black", header_style="bold", pad_edge=False)


def printable(name: str) -> str:
    """A file name that is safe to show: odd bytes and control characters are made visible."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def short_names(names: Sequence[str]) -> list[str]:
    """File names without the folder, where all are in the same one: a narrow terminal would break them."""
    if len({os.path.dirname(name) for name in names}) > 1:  # noqa: PTH120 - a Path would drop the caller's spelling
        return list(names)
    return [os.path.basename(name) or name for name in names]  # noqa: PTH119


def show_name(name: str) -> Text:
    """A file name as it is, even if it looks like markup."""
    return Text(printable(name))


def show_stars(score: float, stars: int, threshold: float) -> Text:
    """Like ★★★★☆ 4.21, the number red where a retake is asked for."""
    verdict = "bold red" if score < threshold else "bold green"
    return Text.assemble(
        ("★" * stars, "yellow"), ("☆" * (MAX_STARS - stars), "bright_black"), " ", (f"{score:.2f}", verdict)
    )


def show_reasons(codes: Iterable[str]) -> str:
    """Reason codes as words: too_dark, blurry -> too dark, blurry."""
    return ", ".join(code.replace("_", " ") for code in codes)
