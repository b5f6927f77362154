from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from models.training.efficientnet import FEATURES, GROUPS, build_teacher
from models.training.features import FAULTY, MASK_SIDE, POOLED, TEACHER, VOTED, Targets
from models.training.ridge import ask, fit
from models.training.teacher import ASKED, FAULTY_WEIGHT, TUNED, learn, lesson_file, lessons

# Keras warns of its own ways, which are not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_lessons_mix_what_both_teachers_say_of_every_view(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    teacher = build_teacher()
    for name in ("observers", "reasons"):
        layer = teacher.get_layer(name)
        layer.kernel.assign(random.normal(0, 0.1, layer.kernel.shape))
    (tmp_path / "features").mkdir()
    photos = ASKED + 2
    features = random.normal(0, 1, (photos, 2, *FEATURES)).astype(np.float16)
    pooled = random.normal(0, 1, (photos, 2, 7)).astype(np.float16)
    np.save(tmp_path / "features" / TEACHER, features)
    np.save(tmp_path / "features" / POOLED, pooled)
    cast = random.random((photos, 5), np.float32), random.random((photos, 12), np.float32)
    ridge = fit(pooled[:, 0], *cast, np.ones(photos), (3, 4))
    masks = np.zeros((photos, 2, MASK_SIDE, MASK_SIDE, 1), np.float16)
    unknown = Targets(np.full((photos, 2, 5), np.nan, np.float32), np.full((photos, 2, 12), np.nan, np.float32), masks)

    said = lessons(teacher, ridge, tmp_path, unknown, np.delete(np.arange(photos), 1))

    last = photos - 1
    heads = teacher(features[last].astype(np.float32))
    votes, reasons = ask(ridge, pooled[last])
    assert said.votes[last] == pytest.approx(TUNED * expit(heads["observers"]) + (1 - TUNED) * votes, abs=1e-3)
    assert said.reasons[last] == pytest.approx(TUNED * expit(heads["reasons"]) + (1 - TUNED) * reasons, abs=1e-3)
    assert np.isnan(said.votes[1]).all()
    assert said.masks is masks


def test_the_ridge_learns_from_photos_and_from_the_faulty_view_of_each(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "features").mkdir()
    pooled = random.normal(0, 1, (4, VOTED, sum(GROUPS))).astype(np.float16)
    np.save(tmp_path / "features" / POOLED, pooled)
    votes, reasons = np.ones((4, VOTED, 5), np.float32), np.zeros((4, VOTED, 12), np.float32)
    votes[0, FAULTY], reasons[0, FAULTY] = 0, 0.5
    masks = np.zeros((4, VOTED, MASK_SIDE, MASK_SIDE, 1), np.float16)

    learnt = learn(tmp_path, Targets(votes, reasons, masks), np.array([0, 2]))

    seen = np.concatenate([pooled[[0, 2], 0], pooled[[0], FAULTY]])
    expected = fit(
        seen,
        np.repeat([[1.0], [1], [0]], 5, axis=1),
        np.repeat([[0], [0], [0.5]], 12, axis=1),
        np.array([1, 1, FAULTY_WEIGHT]),
        GROUPS,
    )
    assert np.array_equal(ask(learnt, pooled[1])[0], ask(expected, pooled[1])[0])


def test_what_ships_has_lessons_of_its_own() -> None:
    assert lesson_file(Path(), everything=True) != lesson_file(Path(), everything=False)
