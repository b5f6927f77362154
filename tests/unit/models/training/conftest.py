"""A small labelled folder of generated photos: every other one is dark, and voted so."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PHOTOS = 24
OBSERVERS = "ABCDE"
Row = dict[str, str]


def draw(seed: int, *, dark: bool) -> Image.Image:
    """A bright box on a noisy ground, the box somewhere else for each seed."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(60, 200, (6, 8, 3), dtype=np.uint8)).resize((160, 120))
    left, top = int(rng.integers(10, 90)), int(rng.integers(10, 60))
    coarse.paste(tuple(rng.integers(0, 256, 3).tolist()), (left, top, left + 60, top + 50))
    return coarse.point(lambda level: level // 6) if dark else coarse


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def votes_on(index: int) -> list[Row]:
    """Good for a bright photo, dark for a dark one; C calls every third bright one blurred."""
    rows = []
    for observer in OBSERVERS:
        reason = "dark" if index % 2 else "blur" if observer == "C" and index % 3 == 0 else "ok"
        rows.append({"id": f"g{index:02}", "observer": observer, "vote": str(int(reason == "ok")), "reason": reason})
    return rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "photos").mkdir(parents=True)
    photos, votes = [], []
    for index in range(PHOTOS):
        dark = index % 2 == 1
        draw(index, dark=dark).save(folder / "photos" / f"g{index:02}.jpg")
        faults = '[["dark", 0.8]]' if index % 4 == 1 else ""
        photos.append({"id": f"g{index:02}", "category": "car" if index % 3 else "sofa", "faults": faults})
        votes += votes_on(index)
    write_rows(folder / "photos.csv", photos)
    write_rows(folder / "votes.csv", votes)
    return folder


EditRows = Callable[[str, Callable[[list[Row]], list[Row]]], None]


@pytest.fixture
def edit_rows(data: Path) -> EditRows:
    """Change the rows of one of the folder's CSV files."""

    def edit(name: str, change: Callable[[list[Row]], list[Row]]) -> None:
        with (data / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        write_rows(data / name, change(rows))

    return edit
