"""`python -m benchmarks.scale`: what more processes bring, how long a seller waits, and what stored rows cost.

With ten million rows it needs 15 GB of disk and about half an hour. The figures are kept in
build/bench/scale.json.
"""

import argparse
import json
import os
import statistics
from collections.abc import Callable, Iterable
from functools import partial

from rich.console import Console
from rich.progress import Progress

from benchmarks.__main__ import show
from benchmarks.latency import measure_latency, measure_requests, measure_throughput
from benchmarks.servers import FOLDER, database, image_host
from benchmarks.stored_rows import store
from benchmarks.worker_path import CORES, Run, drain, drain_into
from tasks import schema
from tasks.database import make_engine

PHOTOS = 1500
TURNS = 5
"""Runs of each kind: two of the same kind differ by a tenth, and more."""
FIGURES = FOLDER / "scale.json"


def measure_processes(progress: Progress) -> dict[str, float]:
    """Photos a second of 1, 2, 4, ... pool processes, as many as there are cores, against one: medians, in turn."""
    counts = [2**n for n in range(9) if 2**n <= (os.cpu_count() or 1)]
    with image_host() as host:
        medians = _in_turn(partial(drain, Run("postgres", host, PHOTOS, count), progress) for count in counts)
    rates = dict(zip(counts, medians, strict=True))
    figures = {f"{count} pool processes, photos/s": rate for count, rate in rates.items()}
    return figures | {f"{count} / 1": rate / rates[1] for count, rate in rates.items() if count > 1}


def measure_rows(sizes: list[int], progress: Progress) -> dict[str, float]:
    """Photos a second with rows stored, against the same database empty: medians of several runs, taken in turn."""
    figures: dict[str, float] = {}
    with image_host() as host:
        for run in (Run("sqlite", host, PHOTOS), Run("postgres", host, PHOTOS)):
            for rows in sizes:
                filled, empty = _beside_empty(run, rows, progress)
                figures[f"{run.kind}, {rows:,} rows, photos/s"] = filled
                figures[f"{run.kind}, {rows:,} rows / empty"] = filled / empty
    return figures


def _beside_empty(run: Run, rows: int, progress: Progress) -> list[float]:
    with database(run.kind) as filled, database(run.kind) as empty:
        engine = make_engine(filled)
        schema.upgrade(engine)
        store(engine, rows)
        engine.dispose()
        return _in_turn(partial(drain_into, url, run, progress) for url in (filled, empty))


def _in_turn(drains: Iterable[Callable[[], float]]) -> list[float]:
    """Run each once, then each again, and so on: the median of each."""
    kinds = tuple(drains)
    return [statistics.median(rates) for rates in zip(*([one() for one in kinds] for _ in range(TURNS)), strict=True)]


def main() -> None:
    """Run every measurement once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000_000, 10_000_000], help="rows stored beforehand")
    sizes = parser.parse_args().rows
    console = Console()
    with Progress(console=console, transient=True) as progress:
        requests = measure_requests(PHOTOS, progress)
        figures = {
            f"{CORES} pool processes, every server on this machine": measure_throughput(PHOTOS, progress),
            "the same, every photo calling for a request": requests,
            "at half that load": measure_latency(PHOTOS, requests["webhooks/s"] / 2, progress),
            "pool processes": measure_processes(progress),
            "rows stored": measure_rows(sizes, progress),
        }
    FIGURES.write_text(json.dumps(figures, indent=2))
    show(console, figures)


if __name__ == "__main__":
    main()
