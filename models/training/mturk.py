"""Amazon Mechanical Turk batch results to photos.csv and votes.csv.

A photo is named after its file in `Input.image_url`. The vote is in `Answer.vote` (good or bad), the main reason of
a bad one in `Answer.reason`, the category in `Input.category`; the last two may be missing. Rejected work is left out.
"""

from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

import typer
from rich import print as show

from models.training.command import run
from models.training.data import REASONS
from models.training.errors import TrainingError
from models.training.files import read_csv, write_csv

VOTES = {"good": 1, "1": 1, "yes": 1, "true": 1, "bad": 0, "0": 0, "no": 0, "false": 0}
"""How a vote may be written, in any case."""

Row = dict[str, str]

Batch = Annotated[Path, typer.Argument(help="Batch results, as the requester site offers them for download.")]
Folder = Annotated[Path, typer.Argument(help="Data folder to write to; the photos belong in its photos/, as ID.jpg.")]


def to_id(place: str, url: str) -> str:
    """Name a photo after the file in its address.

    Raises:
        TrainingError: the address names no file.
    """
    stem = PurePosixPath(unquote(urlsplit(url).path)).stem
    if not stem:
        raise TrainingError(f"{place}: Input.image_url names no file: {url!r}")
    return stem


def to_vote(place: str, row: Row) -> tuple[int, str]:
    """Read a vote and its reason.

    Raises:
        TrainingError: either is not of the form.
    """
    said = row["Answer.vote"].strip().lower()
    if said not in VOTES:
        raise TrainingError(f"{place}: Answer.vote must be good or bad, not {row['Answer.vote']!r}")
    if VOTES[said]:
        return 1, "ok"
    reason = row.get("Answer.reason", "").strip().lower() or "other"
    if reason not in REASONS or reason == "ok":
        raise TrainingError(f"{place}: unknown reason {reason!r} of a bad vote, expected one of {', '.join(REASONS)}")
    return 0, reason


def convert(batch: Path) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Turn batch results into the rows of photos.csv and votes.csv.

    Raises:
        TrainingError: a column is missing or a row unusable; names the row.
    """
    photos: dict[str, dict[str, object]] = {}
    addresses: dict[str, str] = {}
    votes: dict[tuple[str, str], dict[str, object]] = {}
    for place, row in read_csv(batch, ["Input.image_url", "Answer.vote", "WorkerId"]):
        if row.get("AssignmentStatus") == "Rejected":
            continue
        url, worker = row["Input.image_url"], row["WorkerId"]
        photo = to_id(place, url)
        if addresses.setdefault(photo, url) != url:
            raise TrainingError(f"{place}: {url} and {addresses[photo]} would both be photo {photo}")
        if (photo, worker) in votes:
            raise TrainingError(f"{place}: worker {worker} votes twice on photo {photo}")
        photos.setdefault(photo, {"id": photo, "category": row.get("Input.category") or "unknown", "faults": ""})
        vote, reason = to_vote(place, row)
        votes[photo, worker] = {"id": photo, "observer": worker, "vote": vote, "reason": reason}
    if not votes:
        raise TrainingError(f"{batch}: has no accepted vote")
    return list(photos.values()), list(votes.values())


def main(batch: Batch, data: Folder) -> None:
    """Write photos.csv and votes.csv from Mechanical Turk batch results."""
    photos, votes = convert(batch)
    write_csv(data / "photos.csv", photos)
    write_csv(data / "votes.csv", votes)
    show(f"{len(votes)} votes on {len(photos)} photos written to {data}")


if __name__ == "__main__":
    run(main)
