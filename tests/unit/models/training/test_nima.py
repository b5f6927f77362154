from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad

from models.training import split
from models.training.attempts import read_labelled
from models.training.errors import TrainingError
from models.training.nima import load, squared_emd, to_distribution, to_stars, train_head, width


def test_lowest_rating_is_no_star_and_highest_five() -> None:
    assert to_stars(np.array([1.0, 5.5, 10.0])).tolist() == [0, 2.5, 5]


def test_score_between_two_stars_is_shared_by_them() -> None:
    distribution = to_distribution(np.array([0.0, 2.25, 5.0]))

    assert distribution.tolist() == [[1, 0, 0, 0, 0, 0], [0, 0, 0.75, 0.25, 0, 0], [0, 0, 0, 0, 0, 1]]


def test_earth_mover_distance_grows_with_the_distance_and_is_nothing_for_equals() -> None:
    stars = np.eye(6)

    distances = [squared_emd(50 * stars[:1], stars[k : k + 1])[0] for k in range(6)]

    assert distances == pytest.approx([k / 6 for k in range(6)])


def test_slope_of_the_distance_is_its_derivative() -> None:
    rng = np.random.default_rng(0)
    expected = rng.dirichlet(np.ones(6), 4)

    error = check_grad(
        lambda flat: squared_emd(flat.reshape(4, 6), expected)[0],
        lambda flat: squared_emd(flat.reshape(4, 6), expected)[1].ravel(),
        rng.normal(size=24),
    )

    assert error < 1e-6


def test_width_names_how_much_of_the_scale_is_used() -> None:
    assert width(np.linspace(3, 5, 101)) == {
        "lowest": 3, "p5": 3.1, "median": 4, "p95": 4.9, "highest": 5, "sd": pytest.approx(0.583, abs=1e-3),
    }  # fmt: skip


def test_head_learns_from_frozen_features(data: Path, tmp_path: Path) -> None:
    split.main(data, tmp_path / "work")
    labelled = read_labelled(data, tmp_path / "work")
    features = np.random.default_rng(0).normal(0, 1, (24, 8))
    features[::2, 0] += 20

    scores, _ = train_head(features, labelled)

    assert scores[::2].min() > scores[1::2].max() + 2


@pytest.mark.parametrize("content", [None, b"", b"not weights"])
def test_wrong_weights_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "weights.hdf5"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(TrainingError, match=r"weights\.hdf5: not the weights of NIMA on MobileNet: "):
        load(path)
