"""Pictures for the card: figures only, no photo."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import typer
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from models.reasons import ReasonCode
from models.training.attempts import Labelled, read_labelled
from models.training.command import Data, Work, run
from models.training.errors import TrainingError
from models.training.files import read_csv, replacing
from models.training.metrics import GOOD, Floats, auc
from models.training.report import main_reasons

ATTEMPTS: Mapping[str, str] = {
    "nima": "NIMA as it is",
    "nima-head": "NIMA, new head",
    "engineered": "features and trees",
    "network": "MobileNetV2",
}
"""Names of the attempts' files, and what to call them."""

FOLDER = Path("models/plots")

Plots = Annotated[Path, typer.Option(help="Folder for the pictures.")]


def read_scores(path: Path, labelled: Labelled) -> Floats:
    """Read an attempt's scores of the test part, in the order of the labels.

    Raises:
        TrainingError: the file is missing, or lacks a photo.
    """
    scores = {row["id"]: float(row["score"]) for _, row in read_csv(path, ["id", "score"])}
    test = np.flatnonzero(labelled.of("test")).tolist()
    try:
        return np.array([scores[labelled.labels[index].photo.id] for index in test])
    except KeyError as error:
        raise TrainingError(f"{path}: lacks photo {error}: run that attempt again") from error


def draw_votes(scores: Floats, votes: Floats) -> Figure:
    """Draw the spread of scores for each number of good votes."""
    figure = Figure((6, 4))
    axes = figure.subplots()
    stars = np.arange(6)
    groups = [scores[votes.round() == star] for star in stars]
    shown = [(star, group) for star, group in zip(stars, groups, strict=True) if len(group)]
    axes.boxplot([group for _, group in shown], positions=[star for star, _ in shown], widths=0.6, whis=(5, 95), sym="")
    axes.plot(stars, stars, "--", color="0.6", linewidth=1, label="score = votes")
    for star, group in shown:
        axes.annotate(f"{len(group)}", (star, 5.15), ha="center", fontsize=8, color="0.4")
    axes.set(xlabel="good votes of five (photos above)", ylabel="score", ylim=(-0.1, 5.5), xlim=(-0.6, 5.6))
    axes.set_xticks(stars, [str(star) for star in stars])
    axes.set_title("Scores against votes: median, quartiles, 5% to 95%", fontsize=10)
    axes.legend(loc="lower right", frameon=False)
    return figure


def draw_roc(attempts: Mapping[str, Floats], votes: Floats) -> Figure:
    """Draw how well each attempt tells good photos from bad ones."""
    figure = Figure((5, 5))
    axes = figure.subplots()
    for name, scores in attempts.items():
        false, true, _ = roc_curve(votes >= GOOD, scores)
        axes.plot(false, true, label=f"{ATTEMPTS[name]}: {auc(scores, votes):.3f}")
    axes.plot([0, 1], [0, 1], ":", color="0.6", linewidth=1)
    axes.set(xlabel="bad photos that pass", ylabel="good photos that pass", xlim=(0, 1), ylim=(0, 1.01))
    axes.set_title("ROC and area under it; good is three or more of five votes", fontsize=10)
    axes.legend(loc="lower right", frameon=False)
    return figure


def draw_histograms(attempts: Mapping[str, Floats], votes: Floats) -> Figure:
    """Draw how much of the scale each attempt uses, beside what the votes use."""
    figure = Figure((8, 2.6), layout="constrained")
    panels = {"votes": votes, **{ATTEMPTS[name]: attempts[name] for name in ("nima", "engineered", "network")}}
    edges = np.linspace(0, 5, 26)
    for axes, (name, values) in zip(figure.subplots(1, len(panels), sharex=True), panels.items(), strict=True):
        axes.hist(np.clip(values, 0, 5), edges, color="tab:blue" if name != "votes" else "0.5")
        axes.set_title(f"{name}\nsd {values.std():.2f}", fontsize=9)
        axes.set(xlabel="stars", xlim=(0, 5))
        axes.tick_params(labelsize=8)
    return figure


def draw_reasons(voted: Sequence[ReasonCode], said: Sequence[ReasonCode]) -> Figure:
    """Draw which main reason the model gives for each that the observers give."""
    codes = list(ReasonCode)
    table = np.zeros((len(codes), len(codes)), dtype=int)
    for one, other in zip(voted, said, strict=True):
        table[codes.index(one), codes.index(other)] += 1
    figure = Figure((6.5, 6), layout="constrained")
    axes = figure.subplots()
    axes.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(table):
        if count:
            dark = count > table[row].sum() / 2
            axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color="w" if dark else "k")
    axes.set_xticks(range(len(codes)), codes, rotation=60, ha="right", fontsize=8)
    axes.set_yticks(range(len(codes)), codes, fontsize=8)
    axes.set(xlabel="main reason of the model", ylabel="main reason of the observers")
    axes.set_title("Main reasons of photos that three or more call bad", fontsize=10)
    return figure


def pair_reasons(path: Path, labelled: Labelled) -> tuple[list[ReasonCode], list[ReasonCode]]:
    """Pair each photo's main voted reason with the model's; on a tie, with the model's where that is among them."""
    said = {row["id"]: ReasonCode(row["reason"]) for _, row in read_csv(path, ["id", "reason"])}
    pairs = []
    for index in np.flatnonzero(labelled.of("test")).tolist():
        label = labelled.labels[index]
        if expected := main_reasons(label):
            reason = said[label.photo.id]
            pairs.append((reason if reason in expected else min(expected, key=list(ReasonCode).index), reason))
    return [voted for voted, _ in pairs], [given for _, given in pairs]


def save(figure: Any, path: Path) -> None:  # noqa: ANN401 - a figure of matplotlib, whatever its type
    """Write a picture without the date, so that the same data give the same file."""
    with replacing(path) as draft:
        figure.savefig(draft, dpi=90, metadata={"Software": None})


def main(data: Data, work: Work, plots: Plots = FOLDER) -> None:
    """Draw the card's pictures from what the attempts said of the test part."""
    mpl.use("Agg")
    labelled = read_labelled(data, work)
    votes = labelled.scores[labelled.of("test")]
    attempts = {name: read_scores(work / f"{name}-scores.csv", labelled) for name in ATTEMPTS}
    voted, said = pair_reasons(work / "network-scores.csv", labelled)
    save(draw_votes(attempts["network"], votes), plots / "votes.png")
    save(draw_roc(attempts, votes), plots / "roc.png")
    save(draw_histograms(attempts, votes), plots / "histograms.png")
    save(draw_reasons(voted, said), plots / "reasons.png")


if __name__ == "__main__":
    run(main)
