import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.training.data import read_photos, read_votes
from models.training.errors import TrainingError
from models.training.labels import Label, label
from models.training.split import group, main, split

EditRows = Callable[[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]], None]


def labels_of(data: Path) -> list[Label]:
    photos = read_photos(data)
    return label(photos, read_votes(data, photos))[0]


def test_near_duplicates_never_straddle_a_border(data: Path) -> None:
    for twin, original in (("g10", "g00"), ("g21", "g03"), ("g07", "g03")):
        with Image.open(data / "photos" / f"{original}.jpg") as image:
            image.resize((140, 105)).save(data / "photos" / f"{twin}.jpg", quality=60)

    places = split(labels_of(data))

    folds = defaultdict(set)
    for place in places:
        folds[place.group].add(place.fold)
    assert places[10].group == places[0].group
    assert places[21].group == places[3].group == places[7].group
    assert all(len(numbers) == 1 for numbers in folds.values())


def test_chain_of_near_pairs_is_one_group() -> None:
    hashes = np.zeros((4, 64), dtype=bool)
    hashes[1, :10] = True
    hashes[2, :20] = True
    hashes[3, 24:] = True

    assert group(hashes).tolist() == [0, 0, 0, 1]


def test_split_is_the_same_every_time(data: Path) -> None:
    assert split(labels_of(data)) == split(labels_of(data))


def test_every_part_has_good_and_bad_photos(data: Path) -> None:
    labels = labels_of(data)
    places = split(labels)

    assert {(place.part, one.score > 2.5) for one, place in zip(labels, places, strict=True)} == {
        (part, good) for part in ("train", "valid", "test") for good in (True, False)
    }
    assert sum(place.part == "test" for place in places) == pytest.approx(len(places) / 5, abs=2)


def test_part_without_a_class_is_refused(data: Path, edit_rows: EditRows) -> None:
    edit_rows(
        "votes.csv",
        lambda rows: [row | {"vote": "1", "reason": "ok"} if row["id"] != "g01" else row for row in rows],
    )

    with pytest.raises(TrainingError, match=r"split\.csv: part \w+ has no bad photo"):
        split(labels_of(data))


def test_too_few_photos_are_refused(data: Path, edit_rows: EditRows) -> None:
    few = ("g00", "g01", "g02")
    for name in ("photos.csv", "votes.csv"):
        edit_rows(name, lambda rows: [row for row in rows if row["id"] in few])

    with pytest.raises(TrainingError, match="3 groups of photos cannot be dealt into 5 folds"):
        split(labels_of(data))


def test_command_writes_the_split(data: Path, tmp_path: Path) -> None:
    main(data, tmp_path / "work")

    with (tmp_path / "work" / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "group", "part", "fold"]
    assert {row["part"] for row in rows if row["fold"] == "0"} == {"test"}
    assert {row["part"] for row in rows if row["fold"] == "1"} == {"valid"}
