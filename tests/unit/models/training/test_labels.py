import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.reasons import ReasonCode
from models.training.data import read_photos, read_votes
from models.training.labels import blockiness, label, main, to_seats

EditRows = Callable[[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]], None]


def test_score_is_the_number_of_good_votes(data: Path) -> None:
    photos = read_photos(data)
    labels, _ = label(photos, read_votes(data, photos))

    assert [one.score for one in labels[:4]] == [4.0, 0.0, 5.0, 0.0]
    assert labels[0].votes == (1, 1, 0, 1, 1)
    assert labels[0].reasons == {ReasonCode.BLURRY: 1}
    assert labels[1].reasons == {ReasonCode.TOO_DARK: 5}


def test_photo_that_some_did_not_see_gets_its_expected_score(data: Path, edit_rows: EditRows) -> None:
    edit_rows("votes.csv", lambda rows: [row for row in rows if row["id"] != "g02" or row["observer"] in "AB"])
    photos = read_photos(data)

    one = label(photos, read_votes(data, photos))[0][2]

    assert 4 < one.score < 5
    assert (one.good, one.count) == (2, 2)
    assert np.isnan(one.votes[2:]).all()


def test_noise_on_a_blocky_photo_is_low_resolution(data: Path, edit_rows: EditRows) -> None:
    edit_rows("votes.csv", lambda rows: [row | {"reason": "noise"} if row["reason"] == "dark" else row for row in rows])
    blocks = np.random.default_rng(0).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    coarse = Image.fromarray(blocks).resize((160, 120), Image.Resampling.NEAREST)
    coarse.save(data / "photos" / "g01.jpg", quality=95)
    grain = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    Image.fromarray(grain).save(data / "photos" / "g03.jpg", quality=95)
    photos = read_photos(data)

    labels, _ = label(photos, read_votes(data, photos))

    assert labels[1].reasons == {ReasonCode.LOW_RESOLUTION: 5}
    assert labels[3].reasons == {ReasonCode.NOISY: 5}


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 5), (64, 64)])
def test_plain_photo_is_not_blocky(size: tuple[int, int]) -> None:
    assert blockiness(Image.new("RGB", size, (90, 90, 90))) == 1


@pytest.mark.parametrize(
    ("observers", "seats"),
    [
        ("ABCDE", [[0], [1], [2], [3], [4]]),
        ("AB", [[1], [1], [1], [0], [0]]),
        ("ABCDEFG", [[6, 5], [4, 3], [2], [1], [0]]),
    ],
)
def test_observers_share_five_seats_by_strictness(observers: str, seats: list[list[int]]) -> None:
    strictness = np.arange(len(observers), 0, -1, dtype=np.float64)

    assert to_seats(list(observers), strictness) == seats


def test_command_writes_labels_and_what_is_known_of_the_observers(data: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"

    main(data, work)

    with (work / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    observers = json.loads((work / "observers.json").read_text())
    assert rows[0]["vote_C"] == "0"
    assert json.loads(rows[1]["faults"]) == [["dark", 0.8]]
    assert rows[1]["reason_too_dark"] == "5"
    assert observers["strictness"]["C"] > observers["strictness"]["A"]
    assert observers["share_good"]["A"] == 0.5
