import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.training import engineered, split, trees
from models.training.attempts import read_labelled
from models.training.engineered import featurise
from models.training.errors import TrainingError
from models.training.files import read_csv

LEFT_HALF = Image.fromarray(np.repeat([[255] * 112 + [0] * 112], 224, axis=0).astype(np.uint8))
NOWHERE = Image.new("L", (224, 224))


def halves(left: int, right: int) -> Image.Image:
    image = Image.new("RGB", (224, 224), (right, right, right))
    image.paste((left, left, left), (0, 0, 112, 224))
    return image


def test_object_and_background_are_measured_apart() -> None:
    features = featurise(halves(51, 204), LEFT_HALF)

    assert features["object_top_left_brightness"] == pytest.approx(0.2)
    assert features["background_bottom_right_brightness"] == pytest.approx(0.8)
    assert features["difference_brightness"] == pytest.approx(-0.6)
    assert features["quadrant_difference"] == pytest.approx(0.6)
    assert features["subject_share"] == 0.5


def test_region_that_is_not_there_has_no_features() -> None:
    features = featurise(halves(51, 204), LEFT_HALF)

    assert math.isnan(features["object_top_right_brightness"])
    assert math.isnan(featurise(halves(51, 204), NOWHERE)["difference_sharpness"])


def test_there_are_three_properties_of_two_regions_in_four_quadrants() -> None:
    names = featurise(halves(51, 204), LEFT_HALF)

    assert sum(name.startswith(("object_", "background_")) for name in names) == 24
    assert {"difference_contrast", "quadrant_difference", "white_share", "black_share"} < set(names)


@pytest.fixture
def work(data: Path, tmp_path: Path) -> Path:
    work = tmp_path / "work"
    split.main(data, work)
    (work / "masks").mkdir()
    for photo in (data / "photos").iterdir():
        LEFT_HALF.save(work / "masks" / f"{photo.stem}.png")
    np.save(work / "nima-ratings.npy", np.linspace(3, 6, 24))
    return work


def test_features_of_every_photo_are_written_and_trained_on(data: Path, work: Path) -> None:
    engineered.main(data, work)
    trees.main(data, work)

    rows = [row for _, row in read_csv(work / "engineered.csv", ["id", "nima", "white_share"])]
    scores = [row for _, row in read_csv(work / "engineered-scores.csv", ["id", "part", "score"])]
    assert [row["id"] for row in rows] == [row["id"] for row in scores]
    assert all(0 <= float(row["score"]) <= 5 for row in scores)
    assert (work / "engineered.json").exists()


def test_trees_learn_that_dark_is_bad(data: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(trees.PARAMETERS, "min_data_in_leaf", 2)
    labelled = read_labelled(data, work)
    features = np.array([[1.0 - index % 2, 0.5] for index in range(24)])

    scores, notes = trees.train(features, ["brightness", "nothing"], labelled)

    assert scores[::2].min() > scores[1::2].max() + 2
    assert notes["most_useful"]["brightness"] == 1  # type: ignore[index]


Spoil = Callable[[Path], object]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda work: (work / "masks" / "g05.png").unlink(), r"g05\.png: cannot be read, run the masks step"),
        (lambda work: (work / "masks" / "g05.png").write_bytes(b"x"), r"g05\.png: cannot be read, run the masks step"),
        (lambda work: (work / "nima-ratings.npy").unlink(), r"nima-ratings\.npy: cannot be read, run the nima step"),
        (lambda work: np.save(work / "nima-ratings.npy", np.ones(3)), r"nima-ratings\.npy: was made of other data"),
    ],
)
def test_what_an_earlier_step_left_out_is_named(data: Path, work: Path, spoil: Spoil, why: str) -> None:
    spoil(work)

    with pytest.raises(TrainingError, match=why):
        engineered.main(data, work)

    assert not (work / "engineered.csv").exists()


def test_split_of_other_data_is_named(data: Path, work: Path) -> None:
    lines = (work / "split.csv").read_text().splitlines(keepends=True)
    (work / "split.csv").write_text("".join(lines[:-1]))

    with pytest.raises(TrainingError, match=r"split\.csv: lacks photo g23: run the split step again"):
        read_labelled(data, work)
