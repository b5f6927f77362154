"""`make chaos EVENTS=20000 SEED=1`: kills and restarts everything under load, and counts what is lost."""

import json
import shutil
import signal
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tests.chaos.run import Options, Outcome, run


def main(
    events: Annotated[int, typer.Option(help="Events to publish.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Chooses the events, the disturbances and the sink's faults.")] = 1,
    every: Annotated[int, typer.Option(help="Settled photos between two disturbances, in the mean.")] = 60,
    workers: Annotated[int, typer.Option(help="Worker processes.")] = 3,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Exits with 0 if nothing was lost or doubled, else with 1, and keeps the logs."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # everything that was started is ended
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    outcome = run(Options(events, seed, every, workers), folder)
    if as_json:
        sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    else:
        Console().print(_table(outcome, seed))
    if not outcome.reckoning.clean:
        sys.stderr.write(f"the logs are in {folder}\n")
        raise typer.Exit(1)
    shutil.rmtree(folder)


def _table(outcome: Outcome, seed: int) -> Table:
    table = Table("", "count", title=f"chaos, seed {seed}, {outcome.seconds:.0f} s")
    for name, value in asdict(outcome.reckoning).items():
        table.add_row(name.replace("_", " "), str(value))
    table.add_section()
    for name, count in sorted(outcome.disturbances.items()):
        table.add_row(name, str(count))
    table.add_row("orphaned processes", str(outcome.orphans))
    table.add_row("services that outlived SIGTERM", ", ".join(outcome.killed_at_the_end) or "none")
    return table


if __name__ == "__main__":
    typer.run(main)
