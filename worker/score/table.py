"""The result of `retake score` as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group
from rich.table import Table
from rich.text import Text

from models.errors import RetakeError
from models.judge import Judgement
from models.reasons import TIPS
from worker.terminal import make_table, printable, short_names, show_name, show_reasons, show_stars


@dataclass(frozen=True, slots=True)
class Scored:
    """What came of one file: a judgement, or the error that prevented one."""

    path: str
    result: Judgement | RetakeError


def score_report(files: Sequence[Scored], threshold: float) -> Group:
    """The table of all files, and a line that counts them."""
    return Group(_table(files, threshold), Text(_summary(files, threshold), "bright_black"))


def _table(files: Sequence[Scored], threshold: float) -> Table:
    table = make_table()
    table.add_column("Photo", overflow="fold")
    table.add_column("Score", no_wrap=True)
    table.add_column("Reasons", no_wrap=True)
    table.add_column("What to tell the seller")
    for file, short in zip(files, short_names([file.path for file in files]), strict=True):
        name = show_name(short)
        if isinstance(file.result, RetakeError):
            table.add_row(name, Text("no score", "red"), *_error(file.result))
        else:
            _add_judgement(table, name, file.result, threshold)
    return table


def _add_judgement(table: Table, name: Text, judgement: Judgement, threshold: float) -> None:
    """A row for each reason, so that every tip stands beside its reason; the first also names the photo."""
    score = show_stars(judgement.score, judgement.stars, threshold)
    whys = [(show_reasons([reason]), TIPS[reason]) for reason in judgement.reasons(threshold)]
    first, *others = whys or [("", "")]
    table.add_row(name, score, *first)
    for other in others:
        table.add_row("", "", *other)


def _error(error: RetakeError) -> tuple[Text, Text]:
    return Text(show_reasons([error.code]), "red"), Text(printable(str(error)), "red")


def _summary(files: Sequence[Scored], threshold: float) -> str:
    judgements = [file.result for file in files if isinstance(file.result, Judgement)]
    bad = sum(judgement.score < threshold for judgement in judgements)
    parts = [f"{len(judgements) - bad} good", f"{bad} to be taken again (below {threshold:g})"]
    if len(judgements) < len(files):
        parts.append(f"{len(files) - len(judgements)} without a score")
    models = sorted({judgement.model for judgement in judgements})
    return ", ".join(parts) + "".join(f" · {model}" for model in models)
