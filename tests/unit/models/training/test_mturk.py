import csv
from pathlib import Path

import pytest

from models.training.data import read_photos, read_votes
from models.training.errors import TrainingError
from models.training.mturk import convert, main

HEADER = ["HITId", "AssignmentStatus", "WorkerId", "Input.image_url", "Input.category", "Answer.vote", "Answer.reason"]
ROWS = [
    ["h1", "Approved", "W1", "https://img.example.com/a/car%201.jpg?w=9", "car", "good", ""],
    ["h1", "Approved", "W2", "https://img.example.com/a/car%201.jpg?w=9", "car", "Bad", "dark"],
    ["h2", "Rejected", "W1", "https://img.example.com/a/sofa.jpg", "sofa", "what?", ""],
    ["h2", "Submitted", "W2", "https://img.example.com/a/sofa.jpg", "", "no", ""],
]


def write(path: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    return path


def test_results_become_photos_and_votes(tmp_path: Path) -> None:
    photos, votes = convert(write(tmp_path / "batch.csv", ROWS))

    assert photos == [
        {"id": "car 1", "category": "car", "faults": ""},
        {"id": "sofa", "category": "unknown", "faults": ""},
    ]
    assert votes == [
        {"id": "car 1", "observer": "W1", "vote": 1, "reason": "ok"},
        {"id": "car 1", "observer": "W2", "vote": 0, "reason": "dark"},
        {"id": "sofa", "observer": "W2", "vote": 0, "reason": "other"},
    ]


def test_result_is_a_data_folder(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "photos").mkdir(parents=True)
    for name in ("car 1", "sofa"):
        (data / "photos" / f"{name}.jpg").touch()

    main(write(tmp_path / "batch.csv", ROWS), data)

    assert len(read_votes(data, read_photos(data))) == 3


def test_reason_is_optional(tmp_path: Path) -> None:
    rows = [[row[2], row[3], row[5]] for row in ROWS[:2]]

    _, votes = convert(write(tmp_path / "batch.csv", rows, ["WorkerId", "Input.image_url", "Answer.vote"]))

    assert [vote["reason"] for vote in votes] == ["ok", "other"]


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        (3, "https://img.example.com/", "row 3: Input.image_url names no file"),
        (3, "https://img.example.com/b/car%201.jpg", "row 3: .* would both be photo car 1"),
        (5, "maybe", "row 3: Answer.vote must be good or bad, not 'maybe'"),
        (6, "ugly", "row 3: unknown reason 'ugly'"),
        (6, "ok", "row 3: unknown reason 'ok' of a bad vote"),
        (2, "W1", "row 3: worker W1 votes twice on photo car 1"),
    ],
)
def test_bad_row_is_named(tmp_path: Path, column: int, value: str, why: str) -> None:
    rows = [list(row) for row in ROWS]
    rows[1][column] = value

    with pytest.raises(TrainingError, match=rf"batch\.csv {why}"):
        convert(write(tmp_path / "batch.csv", rows))


def test_other_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"batch\.csv: has no column Input\.image_url, Answer\.vote, WorkerId"):
        convert(write(tmp_path / "batch.csv", [["g"]], ["id"]))


def test_nothing_accepted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"batch\.csv: has no accepted vote"):
        convert(write(tmp_path / "batch.csv", ROWS[2:3]))
