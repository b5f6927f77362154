from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.reasons import ReasonCode
from models.training import degrade, labels, split
from models.training.degrade import DEGRADATIONS, Cost, relabel
from models.training.errors import TrainingError

Pixels = NDArray[np.uint8]


@pytest.fixture
def photo() -> Pixels:
    random = np.random.default_rng(3)
    rows, columns = np.meshgrid(np.arange(224), np.arange(224), indexing="ij")
    checks = ((rows // 16 + columns // 16) % 2)[..., np.newaxis] * 60
    return (checks + 70 + random.integers(0, 30, (224, 224, 3))).astype(np.uint8)


def change(kind: str, photo: Pixels, severity: float) -> float:
    copy = DEGRADATIONS[kind](photo, severity, np.random.default_rng(5))
    assert copy.shape == photo.shape
    assert copy.dtype == np.uint8
    return float(np.abs(copy.astype(float) - photo).mean())


def steps(pixels: Pixels) -> float:
    return float(np.abs(np.diff(pixels.astype(float), axis=1)).mean())


@pytest.mark.parametrize("kind", sorted(set(DEGRADATIONS) - {"cutoff"}))
def test_harder_changes_more(kind: str, photo: Pixels) -> None:
    mild, medium, hard = (change(kind, photo, severity) for severity in (0.0, 0.5, 1.0))
    assert 1 < mild < medium < hard


@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_the_same_generator_gives_the_same_copy_and_leaves_the_photo_alone(kind: str, photo: Pixels) -> None:
    before = photo.copy()
    first, second = (DEGRADATIONS[kind](photo, 0.5, np.random.default_rng(9)) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(photo, before)


def test_dark_takes_light_and_bright_gives_it(photo: Pixels) -> None:
    random = np.random.default_rng(0)
    assert DEGRADATIONS["dark"](photo, 0.5, random).mean() < 0.5 * photo.mean()
    assert DEGRADATIONS["bright"](photo, 0.5, random).mean() > 1.5 * photo.mean()


def test_flat_takes_contrast(photo: Pixels) -> None:
    assert DEGRADATIONS["flat"](photo, 0.5, np.random.default_rng(0)).std() < 0.5 * photo.std()


@pytest.mark.parametrize("kind", ["defocus", "motion", "lowres"])
def test_blur_takes_edges(kind: str, photo: Pixels) -> None:
    assert steps(DEGRADATIONS[kind](photo, 0.5, np.random.default_rng(0))) < 0.6 * steps(photo)


def test_noise_adds_grain(photo: Pixels) -> None:
    assert steps(DEGRADATIONS["noise"](photo, 0.5, np.random.default_rng(0))) > 1.5 * steps(photo)


def test_shadow_darkens_one_half_only() -> None:
    shaded = DEGRADATIONS["shadow"](np.full((64, 64, 3), 200, np.uint8), 0.5, np.random.default_rng(1))
    assert shaded.max() > 190
    assert shaded.min() < 100


def test_cast_parts_the_channels() -> None:
    tinted = DEGRADATIONS["cast"](np.full((8, 8, 3), 120, np.uint8), 0.5, np.random.default_rng(1))
    assert np.ptp(tinted[0, 0].astype(int)) > 20


@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_cutoff_keeps_less_when_harder(severity: float) -> None:
    ramp = np.tile(np.linspace(0, 255, 224).astype(np.uint8), (224, 1))
    kept = np.ptp(DEGRADATIONS["cutoff"](ramp, severity, np.random.default_rng(0)).astype(float)) / 255
    assert kept == pytest.approx(0.7 - 0.28 * severity, abs=0.02)


def test_a_copy_loses_votes_and_gains_the_reason() -> None:
    dark = np.eye(12, dtype=np.float32)[list(ReasonCode).index(ReasonCode.TOO_DARK)]
    votes = np.array([1, 1, 1, 1, 0], np.float32)
    reasons = np.eye(12, dtype=np.float32)[8] / 5
    changed, named = relabel(votes, reasons, Cost(0.0, 2.0, dark), 0.5)
    assert (changed <= votes).all()
    assert named.sum() == pytest.approx(1 - changed.mean())
    assert named.argmax() == 0


def test_harder_copies_keep_fewer_votes() -> None:
    cost = Cost(1.0, 4.0, np.full(12, 1 / 12, np.float32))
    assert cost.kept(0.1) > cost.kept(0.5) > cost.kept(0.9)


def test_costs_are_fitted_and_read_back(data: Path, tmp_path: Path) -> None:
    labels.main(data, tmp_path)
    split.main(data, tmp_path)
    degrade.main(data, tmp_path)
    costs = degrade.read_costs(tmp_path)
    assert set(costs) == set(DEGRADATIONS)
    assert costs["dark"].kept(0.8) < 0.2
    assert costs["dark"].reasons.argmax() == 0


def test_costs_that_cannot_be_read_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "degrade.json").write_text("{", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"degrade\.json"):
        degrade.read_costs(tmp_path)
