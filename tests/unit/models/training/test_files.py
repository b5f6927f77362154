import json
from pathlib import Path

import pytest

from models.training.files import read_csv, replacing, write_csv, write_json


def write_half(path: Path) -> None:
    with replacing(path) as draft:
        draft.write_text("half of the n")
        raise OSError("disk full")


def test_nothing_half_written_is_left_when_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("old")

    with pytest.raises(OSError, match="disk full"):
        write_half(path)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_table_survives_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    rows = [{"id": "a,b", "text": 'says "no"'}, {"id": "c", "text": "two\nlines"}]

    write_csv(path, rows)

    assert [row for _, row in read_csv(path, ["id"])] == rows


def test_place_of_a_row_counts_lines_with_the_header_as_the_first(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("\ufeffid\na\nb\n", encoding="utf-8")

    assert [place for place, _ in read_csv(path, ["id"])] == [f"{path} row 2", f"{path} row 3"]


def test_json_is_readable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"rmse": 0.9})

    assert json.loads((tmp_path / "a.json").read_text()) == {"rmse": 0.9}
