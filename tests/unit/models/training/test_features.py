from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from models.training.degrade import Cost
from models.training.errors import TrainingError
from models.training.features import (
    FAULTY,
    FREE,
    PUPIL,
    VOTED,
    Targets,
    read_features,
    read_mask,
    read_targets,
    views_of,
    write_targets,
)
from models.training.views import View


@pytest.fixture
def view() -> View:
    pixels = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    return View(pixels, np.zeros((224, 224), np.uint8), np.ones(5, np.float32), np.zeros(12, np.float32))


def photos() -> NDArray[np.uint8]:
    return np.stack([np.full((224, 224, 3), grey, np.uint8) for grey in (90, 160)])


def test_the_first_view_is_the_photo_itself(view: View) -> None:
    assert np.array_equal(views_of(view, view.pixels, photos(), 0, {})[0].pixels, view.pixels)


def test_one_view_has_a_fault_and_the_other_voted_ones_have_the_votes_of_the_photo(view: View) -> None:
    costs = {"cast": Cost(0.0, 4.0, np.full(12, 1 / 12, np.float32))}
    votes = np.array([one.votes.mean() for one in views_of(view, view.pixels, photos(), 0, costs)[:VOTED]])
    assert votes[FAULTY] < 0.6
    assert (np.delete(votes, FAULTY) == 1).all()


def test_a_photo_that_came_with_a_fault_gets_no_other(view: View) -> None:
    assert all((one.votes == 1).all() for one in views_of(view, view.pixels, photos(), 0, {})[:VOTED])


def test_nobody_voted_on_free_views(view: View) -> None:
    views = views_of(view, view.pixels, photos(), 0, {})
    assert len(views) == VOTED + FREE
    assert all(np.isfinite(one.votes).all() for one in views[:VOTED])
    assert all(np.isnan(one.votes).all() and np.isnan(one.reasons).all() for one in views[VOTED:])


def test_a_row_has_the_same_views_each_time_and_another_row_others(view: View) -> None:
    first, again, next_row = (views_of(view, view.pixels, photos(), row, {}) for row in (3, 3, 4))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a.pixels, b.pixels) for a, b in zip(first[1:], next_row[1:], strict=True))


def test_targets_survive_writing(tmp_path: Path) -> None:
    targets = Targets(
        np.ones((1, 2, 5), np.float32), np.full((1, 2, 12), np.nan, np.float32), np.ones((1, 2, 14, 14, 1), np.float16)
    )
    write_targets(tmp_path / "targets.npz", targets)
    read = read_targets(tmp_path / "targets.npz")
    assert np.array_equal(read.votes, targets.votes)
    assert np.isnan(read.reasons).all()


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"features/pupil\.npy.*No such file"):
        read_features(tmp_path, PUPIL)
    with pytest.raises(TrainingError, match=r"lessons\.npz"):
        read_targets(tmp_path / "lessons.npz")


def test_a_missing_mask_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"masks/a\.png.*run the masks step"):
        read_mask(tmp_path, "a")


def test_a_mask_is_read_at_the_networks_size(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    Image.new("L", (50, 40), 200).save(tmp_path / "masks" / "a.png")
    assert read_mask(tmp_path, "a").tolist() == np.full((224, 224), 200).tolist()
