"""Evaluate a model file on a labelled folder, or two models side by side: what to run before a model is swapped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track
from rich.table import Table

from models.judge import Judge
from models.training.command import run
from models.training.data import read_photos, read_votes
from models.training.errors import TrainingError
from models.training.files import read_csv, write_csv, write_json
from models.training.labels import Label, label
from models.training.metrics import Figure, Floats, compare
from models.training.report import Prediction, Report, console, report, slices, to_json, to_table

Model = Annotated[Path, typer.Argument(help="A quality model, .tflite.")]
Folder = Annotated[Path, typer.Argument(help="Folder with photos.csv, votes.csv and photos/.")]
Against = Annotated[Path | None, typer.Option(help="A second model, to compare with.")]
Part = Annotated[str | None, typer.Option(help="Only this part of WORK/split.csv: train, valid or test.")]
Work = Annotated[Path, typer.Option(help="Folder with split.csv; the result goes there.")]
Save = Annotated[
    Path | None, typer.Option(help="Where the figures go, as JSON; the scores go beside it [default: WORK/MODEL.json].")
]


def read_parts(work: Path) -> Mapping[str, str]:
    """Read the part of each photo from split.csv."""
    return {row["id"]: row["part"] for _, row in read_csv(work / "split.csv", ["id", "part"])}


def only(labels: Sequence[Label], part: str, work: Path) -> list[Label]:
    """Keep the photos of one part.

    Raises:
        TrainingError: the split has no such part.
    """
    parts = read_parts(work)
    kept = [one for one in labels if parts.get(one.photo.id) == part]
    if not kept:
        raise TrainingError(f"{work / 'split.csv'}: has no photo of the data in part {part!r}")
    return kept


def predict(judge: Judge, labels: Sequence[Label]) -> list[Prediction]:
    """Judge every photo as the worker does."""
    judged = (judge.judge(one.photo.open()) for one in track(labels, f"Judging with {judge.model}"))
    return [Prediction(one.score, one.ranked[0]) for one in judged]


def to_rows(labels: Sequence[Label], predictions: Sequence[Prediction]) -> list[dict[str, object]]:
    """Set each photo's votes beside what the model says of it."""
    return [
        {"id": one.photo.id, "votes": round(one.score, 4), "score": said.score, "reason": said.reason}
        for one, said in zip(labels, predictions, strict=True)
    ]


def difference(labels: Sequence[Label], first: Sequence[Prediction], second: Sequence[Prediction]) -> Report:
    """Compare two models' scores on all photos and on untouched and touched ones apart."""
    votes: Floats = np.array([one.score for one in labels])
    scores, others = (np.array([one.score for one in predictions]) for predictions in (first, second))
    cuts = [cut for cut in slices(labels) if cut[0] in ("all", "untouched", "touched")]
    return {name: compare(scores[chosen], others[chosen], votes[chosen]) for name, chosen in cuts}


def side_by_side(first: Report, second: Report, apart: Report) -> Table:
    """Lay two reports and their difference out beside each other."""
    table = Table(title="Side by side", caption="difference: first less second, 95% interval of paired resamples")
    for column in ("slice", "metric", "first", "second", "difference"):
        table.add_column(column, no_wrap=True)
    nothing = Figure(float("nan"), float("nan"), float("nan"))
    for name in apart:
        for metric in list(first[name])[1:]:
            row = first[name][metric], second[name][metric], apart[name].get(metric, nothing)
            table.add_row(name, metric, *(str(figure) for figure in row))
    return table


def main(
    model: Model,
    data: Folder,
    against: Against = None,
    part: Part = None,
    work: Work = Path("build/model"),
    save: Save = None,
) -> None:
    """Print and save how a model's scores and reasons agree with the votes, by category and by fault."""
    photos = read_photos(data)
    labels, _ = label(photos, read_votes(data, photos))
    if part:
        labels = only(labels, part, work)
    paths = [model, against] if against else [model]
    judges = [Judge(path) for path in paths]
    predictions = [predict(judge, labels) for judge in judges]
    reports = [report(labels, one) for one in predictions]
    output = console()
    for path, judge, result in zip(paths, judges, reports, strict=True):
        output.print(to_table(f"{path} ({judge.model})", result))
    content = {judge.model: to_json(result) for judge, result in zip(judges, reports, strict=True)}
    if against:
        apart = difference(labels, *predictions)
        output.print(side_by_side(reports[0], reports[1], apart))
        content["difference"] = {
            name: {metric: figure.as_list() for metric, figure in figures.items()} for name, figures in apart.items()
        }
    path = save or work / f"{model.stem}.json"
    write_json(path, content)
    write_csv(path.with_name(f"{path.stem}-scores.csv"), to_rows(labels, predictions[0]))
    output.print(f"Saved to {path}")


if __name__ == "__main__":
    run(main)
