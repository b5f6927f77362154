from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.training.data import Vote, read_photos, read_votes
from models.training.errors import TrainingError

EditRows = Callable[[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]], None]


def with_value(index: int, **values: str) -> Callable[[list[dict[str, str]]], list[dict[str, str]]]:
    def change(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        rows[index] |= values
        return rows

    return change


def test_photos_and_votes_are_read_in_order(data: Path) -> None:
    photos = read_photos(data)
    votes = read_votes(data, photos)

    assert [photo.id for photo in photos[:3]] == ["g00", "g01", "g02"]
    assert photos[1].faults == (("dark", 0.8),)
    assert photos[0].faults == ()
    assert votes[2] == Vote("g00", "C", good=False, reason="blur")
    assert len(votes) == 5 * len(photos)


def test_photo_decodes_to_rgb(data: Path) -> None:
    image = read_photos(data)[0].open()

    assert (image.mode, image.size) == ("RGB", (160, 120))


def test_missing_photo_is_named_with_its_row(data: Path) -> None:
    (data / "photos" / "g03.jpg").unlink()

    with pytest.raises(TrainingError, match=r"photos\.csv row 5: photo .*g03\.jpg is missing"):
        read_photos(data)


@pytest.mark.parametrize("content", [b"", b"not a photo", b"\xff\xd8\xff\xe0 cut short"])
def test_unreadable_photo_is_named_with_its_row(data: Path, content: bytes) -> None:
    (data / "photos" / "g03.jpg").write_bytes(content)

    with pytest.raises(TrainingError, match=r"photos\.csv row 5: g03\.jpg cannot be decoded"):
        read_photos(data)[3].open()


def test_truncated_photo_is_unreadable(data: Path) -> None:
    path = data / "photos" / "g03.jpg"
    path.write_bytes(path.read_bytes()[:900])

    with pytest.raises(TrainingError, match=r"row 5: g03\.jpg cannot be decoded: .*truncated"):
        read_photos(data)[3].open()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"id": "g01"}, "row 5: photo g01 is listed twice"),
        ({"faults": "dark"}, "row 5: faults must be empty or like"),
        ({"faults": '["dark"]'}, "row 5: faults must be empty or like"),
        ({"faults": '[["dark", null]]'}, "row 5: faults must be empty or like"),
    ],
)
def test_wrong_photo_row(data: Path, edit_rows: EditRows, values: dict[str, Any], why: str) -> None:
    edit_rows("photos.csv", with_value(3, **values))

    with pytest.raises(TrainingError, match=rf"photos\.csv {why}"):
        read_photos(data)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"id": "g99"}, "row 4: vote for unknown photo g99"),
        ({"vote": "2"}, r"row 4: vote must be 1 \(good\) or 0 \(bad\), not '2'"),
        ({"vote": ""}, "row 4: vote must be"),
        ({"reason": "ugly"}, "row 4: unknown reason 'ugly', expected one of ok, dark"),
        ({"reason": "ok"}, "row 4: reason must be ok for a good vote and only then"),
        ({"vote": "1"}, "row 4: reason must be ok for a good vote and only then"),
        ({"observer": "A"}, "row 4: observer A votes twice on photo g00"),
    ],
)
def test_wrong_vote_row(data: Path, edit_rows: EditRows, values: dict[str, str], why: str) -> None:
    edit_rows("votes.csv", with_value(2, **values))

    with pytest.raises(TrainingError, match=rf"votes\.csv {why}"):
        read_votes(data, read_photos(data))


def test_one_observer_is_too_few(data: Path, edit_rows: EditRows) -> None:
    edit_rows("votes.csv", lambda rows: [row for row in rows if row["observer"] == "A"])

    with pytest.raises(TrainingError, match=r"votes\.csv: has 1 observers, at least 2 are needed"):
        read_votes(data, read_photos(data))


def test_photo_without_a_vote_is_named(data: Path, edit_rows: EditRows) -> None:
    edit_rows("votes.csv", lambda rows: [row for row in rows if row["id"] != "g07"])

    with pytest.raises(TrainingError, match=r"photos\.csv row 9: nobody voted on photo g07"):
        read_votes(data, read_photos(data))


@pytest.mark.parametrize("name", ["photos.csv", "votes.csv"])
def test_missing_table(data: Path, name: str) -> None:
    photos = read_photos(data)
    (data / name).unlink()

    with pytest.raises(TrainingError, match=rf"{name}: cannot be read: No such file"):
        read_photos(data) if name == "photos.csv" else read_votes(data, photos)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "has no column id, category, faults"),
        (b"id,category\ng00,car\n", "has no column faults"),
        (b"id,category,faults\ng00,car\n", "row 2: has more or fewer values"),
        (b"id,category,faults\ng00,car,,extra\n", "row 2: has more or fewer values"),
        (b"id,category,faults\n", "lists no photo"),
        (b"id,category,faults\n\xff\xfe\n", "is not UTF-8 text"),
    ],
)
def test_table_of_another_form(data: Path, content: bytes, why: str) -> None:
    (data / "photos.csv").write_bytes(content)

    with pytest.raises(TrainingError, match=rf"photos\.csv:? {why}"):
        read_photos(data)
