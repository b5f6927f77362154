"""`make bench`: measure, print, and keep the figures in build/bench/figures.json."""

import json
from collections.abc import Mapping

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import memory, score, worker_path
from benchmarks.servers import FOLDER

PHOTOS = 1500
FIGURES = FOLDER / "figures.json"


def main() -> None:
    """Run every benchmark once."""
    console = Console()
    with Progress(console=console, transient=True) as progress:
        figures = {
            "bytes to score, 2 MP JPEG": score.measure(),
            "worker path, 1 MP JPEG, 2 pool processes": worker_path.measure(PHOTOS, progress),
            "an image host that waits": worker_path.measure_waiting(PHOTOS, progress),
            "memory of a pool process": memory.measure(progress),
        }
    FIGURES.write_text(json.dumps(figures, indent=2))
    show(console, figures)


def show(console: Console, figures: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table for each benchmark."""
    for title, rows in figures.items():
        table = Table(title=title, title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for name, value in rows.items():
            table.add_row(name, f"{value:.2f}")
        console.print(table)


if __name__ == "__main__":
    main()
