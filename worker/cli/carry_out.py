"""The way of every replay: count, ask, work under a progress bar, and say what came of it."""

# ruff: noqa: PLC0415 - heavy modules load inside the commands

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from worker.cli.errors import FAILURE
from worker.cli.options import confirm

if TYPE_CHECKING:
    from worker.replay.jobs import Job


def carry_out(job: "Job", ids: Sequence[int], *, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Do a job, and exit with 1 when rows that were asked for by id cannot be replayed."""
    if job.keys and not dry_run:
        confirm(f"Replay {len(job.keys):,} {job.noun}?", yes=yes)
    done = Counter[str]() if dry_run else _work(job)
    if as_json:
        typer.echo(json.dumps({"found": len(job.keys), "dry_run": dry_run, **done}))
    else:
        typer.echo(_summary(job, done, dry_run=dry_run))
    _name_missing(job, ids)


def _work(job: "Job") -> Counter[str]:
    from tasks.replay.selection import chunks
    from worker.progress import progress_bar

    done = Counter[str]()
    with progress_bar(f"replaying {job.noun}", len(job.keys)) as advance:
        for some in chunks(job.keys, job.at_once):
            done += job.step(some)
            advance(len(some))
    return done


def _summary(job: "Job", done: Counter[str], *, dry_run: bool) -> str:
    if dry_run or not job.keys:
        return f"{len(job.keys):,} {job.noun} to replay"
    return f"{job.noun}: " + (", ".join(f"{count:,} {what}" for what, count in done.items()) or "none replayed")


def _name_missing(job: "Job", ids: Sequence[int]) -> None:
    missing = sorted(set(ids) - set(job.keys))
    if missing:
        typer.echo(f"retake: not there, or not to be replayed: {', '.join(map(str, missing))}", err=True)
        raise typer.Exit(FAILURE)
