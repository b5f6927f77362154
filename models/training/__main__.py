"""From votes to models/quality.tflite and its card: every step in order, each in a process of its own."""

import subprocess
import sys
from pathlib import Path

import typer
from rich.console import Console

from models.training.command import Data, Work

BOTH = ("--data", "{data}", "--work", "{work}")

STEPS = (
    ("labels", *BOTH),
    ("split", *BOTH),
    ("masks", *BOTH),
    ("nima", *BOTH),
    ("engineered", *BOTH),
    ("trees", *BOTH),
    ("degrade", *BOTH),
    ("features", *BOTH),
    ("teacher", "--work", "{work}"),
    ("train", *BOTH),
    ("teacher", "--work", "{work}", "--everything"),
    ("train", *BOTH, "--everything"),
    ("quantise", *BOTH),
    ("evaluate", "{work}/network.tflite", "{data}", "--part", "test", "--work", "{work}"),
    ("plots", *BOTH),
    ("card", *BOTH),
)
"""Modules of this package, with what they are told."""


def command(step: tuple[str, ...], data: Path, work: Path) -> list[str]:
    """Write out the command line of a step."""
    module, *options = step
    told = [option.format(data=data, work=work) for option in options]
    return [sys.executable, "-m", f"models.training.{module}", *told]


def main(data: Data, work: Work = Path("build/model")) -> None:
    """Run every step; the first that fails, having said why, ends the run with its exit status."""
    console = Console()
    for number, step in enumerate(STEPS, start=1):
        console.rule(f"{number} of {len(STEPS)}: {step[0]}")
        status = subprocess.run(command(step, data, work), check=False).returncode  # noqa: S603 - our own modules
        if status:
            raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(main)
