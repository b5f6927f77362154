"""Write the model's card, models/README.md, from what the steps measured."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer
from rich import print as show

from models.location import DEFAULT_MODEL
from models.training.command import Data, Work, run
from models.training.errors import TrainingError
from models.training.files import replacing
from models.training.plots import ATTEMPTS

HERE = Path(__file__).parent
CARD = DEFAULT_MODEL.with_name("README.md")
TEMPLATE = HERE / "card.md"
"""The card's text; `$name` stands for a figure or a table."""

EXPERIMENTS = HERE / "experiments.md"
FAILURES = HERE / "failures.md"
"""What was tried, and where the model fails: written by hand, put into the card as they are."""

FIGURES = {
    "rmse": "RMSE",
    "auc": "AUC",
    "spearman": "Spearman",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "spread": "standard deviation of scores",
    "main_reason": "main reason right",
}

GOALS = {
    "rmse": "at most 1.00; 1.00",
    "auc": "at least 0.94; 0.90",
    "spearman": "at least 0.85; 0.75",
    "accuracy": "at least 0.87; -",
    "spread": "at least 1.2; -",
    "main_reason": "at least 0.70; -",
}
"""What was aimed at, on all photos; on untouched ones."""

Card = Annotated[Path, typer.Option(help="Where the card goes.")]
Report = Mapping[str, Mapping[str, Any]]


def read_report(path: Path) -> Report:
    """Read the figures of one attempt by slice.

    Raises:
        TrainingError: the file is missing or is none.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        (report,) = (value for name, value in content.items() if name not in ("notes", "difference"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: figures cannot be read, run the step that makes them: {error}") from error
    return dict(report)


def cell(figure: list[float | None]) -> str:
    """Write a figure with its interval."""
    value, low, high = figure
    if value is None or low is None or high is None:
        return "-"
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows])


def by_part(report: Report) -> str:
    """Tabulate every figure on all, untouched and touched photos."""
    parts = [part for part in ("all", "untouched", "touched") if part in report]
    head = ["figure", "goal: all; untouched", *(f"{part} ({report[part]['photos']} photos)" for part in parts)]
    rows = [
        [word, GOALS.get(name, "-"), *(cell(report[part][name]) for part in parts)] for name, word in FIGURES.items()
    ]
    return table(head, rows)


def by_slice(report: Report, kind: str) -> str:
    """Tabulate the figures of each category or fault."""
    chosen = ("rmse", "auc", "accuracy", "main_reason")
    head = [kind, "photos", *(FIGURES[name] for name in chosen)]
    rows = [
        [name.removeprefix(kind).strip(), str(one["photos"]), *(cell(one[figure]) for figure in chosen)]
        for name, one in report.items()
        if name.startswith(kind)
    ]
    return table(head, rows)


def by_attempt(reports: Mapping[str, Report]) -> str:
    """Set the attempts side by side, all photos; untouched photos."""
    chosen = ("rmse", "auc", "spearman", "accuracy", "spread")
    rows = [
        [f"{ATTEMPTS[attempt]}, {part}", *(cell(report[part][name]) for name in chosen)]
        for part in ("all", "untouched")
        for attempt, report in reports.items()
    ]
    return table(["attempt, photos", *(FIGURES[name] for name in chosen)], rows)


def read_text(path: Path) -> str:
    """Read a text that belongs into the card.

    Raises:
        TrainingError: it is missing.
    """
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror}") from error


def fill(work: Path, model: Path) -> dict[str, str]:
    """Gather what the card's template asks for."""
    reports = {name: read_report(work / f"{name}.json") for name in ATTEMPTS}
    observers = json.loads(read_text(work / "observers.json"))
    cost = json.loads(read_text(work / "quantise.json"))
    ratings = json.loads(read_text(work / "nima.json"))["notes"]["ratings"]
    content = model.read_bytes()
    return {
        "bytes": f"{len(content):,}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "photos": f"{observers['photos']:,}",
        "votes": f"{observers['votes']:,}",
        "kappa": f"{observers['fleiss_kappa']:.2f}",
        "shares": ", ".join(f"{name} {share:.2f}" for name, share in observers["share_good"].items()),
        "figures": by_part(reports["network"]),
        "attempts": by_attempt(reports),
        "as_float": f"{cost['rmse_float']:.3f}",
        "as_int8": f"{cost['rmse_int8']:.3f}",
        "invoke": f"{cost['invoke_ms']:.2f}",
        "invoke_to_uncut": f"{cost['invoke_to_uncut']:.2f}",
        "categories": by_slice(reports["network"], "category"),
        "faults": by_slice(reports["network"], "fault"),
        "nima_range": f"{ratings['p5']:.2f} to {ratings['p95']:.2f} (standard deviation {ratings['sd']:.2f})",
        "failures": read_text(FAILURES),
        "experiments": read_text(EXPERIMENTS),
    }


def main(data: Data, work: Work, card: Card = CARD) -> None:  # noqa: ARG001 - as every step
    """Write the card."""
    text = Template(read_text(TEMPLATE)).substitute(fill(work, DEFAULT_MODEL))
    with replacing(card) as draft:
        draft.write_text(text + "\n", encoding="utf-8")
    show(f"{card}: written")


if __name__ == "__main__":
    run(main)
