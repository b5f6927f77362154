"""`retake compare`: what would change if another model decided."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.errors import FAILURE
from worker.cli.options import AsJson, misuse

if TYPE_CHECKING:
    from tasks.comparison import Comparison

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Its name or the start of it, or a model file.")]


def compare(first: Model, second: Model, *, as_json: AsJson = False) -> None:
    """Compare two models over the photos that both have scored.

    A second model scores photos as RETAKE_SHADOW_MODEL, or through `retake rescore`.
    """
    from tasks.comparison import compare as compare_models
    from tasks.comparison import find_models
    from tasks.database import autocommit
    from worker.database import migrated_database
    from worker.settings import load_settings

    settings = load_settings()
    with migrated_database(settings) as engine, autocommit(engine) as connection:
        known = find_models(connection)
        names = [_resolve(name, known) for name in (first, second)]
        found = compare_models(connection, names[0], names[1], settings.threshold)
    if found is None:
        typer.echo(f"retake: no photo has a score by both {names[0]} and {names[1]}", err=True)
        raise typer.Exit(FAILURE)
    if as_json:
        values = {"first": names[0], "second": names[1], "threshold": settings.threshold, **asdict(found)}
        typer.echo(json.dumps(values | {"agreement": found.agreement}))
    else:
        _print(names, found, settings.threshold)


def _resolve(given: str, known: Iterable[str]) -> str:
    from models.judge import Judge

    name = Judge(Path(given)).model if Path(given).is_file() else given
    matches = [each for each in known if each == name] or [
        each for each in known if each.startswith((name, f"quality@{name}"))
    ]
    if len(matches) != 1:
        wrong = "names several models" if matches else "has scored no photo"
        raise misuse(f"{given}: {wrong}; there are: {', '.join(known) or 'none'}")
    return matches[0]


def _print(names: list[str], found: "Comparison", threshold: float) -> None:
    from worker.terminal import make_console, make_table

    correlation = "-" if found.correlation is None else f"{found.correlation:.3f}"
    rows = [
        ("photos scored by both", f"{found.photos:,}"),
        (f"mean score of {names[0]}", f"{found.mean_first:.2f}"),
        (f"mean score of {names[1]}", f"{found.mean_second:.2f}"),
        ("drift, mean ± standard deviation", f"{found.drift:+.2f} ± {found.drift_spread:.2f}"),
        ("mean difference", f"{found.mean_difference:.2f}"),
        ("correlation", correlation),
        ("same stars", f"{found.same_stars:.1%}"),
        (f"same side of {threshold:g}", f"{found.agreement:.1%}"),
        ("requests now", f"{found.both_below + found.only_first_below:,}"),
        ("requests no longer made", f"-{found.only_first_below:,}"),
        ("requests made in addition", f"+{found.only_second_below:,}"),
        ("as many requests at threshold", f"{found.even_threshold:.2f}"),
    ]
    table = make_table()
    table.add_column("Compared")
    table.add_column("", justify="right")
    for row in rows:
        table.add_row(*row)
    make_console().print(table)
