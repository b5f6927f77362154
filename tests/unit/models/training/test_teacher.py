from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

from models.training.efficientnet import build_teacher, build_teacher_stem
from models.training.features import MASK_SIDE, Targets
from models.training.teacher import lesson_file, lessons

# Keras warns of its own ways, which are not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_lessons_are_the_teachers_probabilities_for_every_view() -> None:
    teacher = build_teacher()
    for name in ("observers", "reasons"):
        layer = teacher.get_layer(name)
        layer.kernel.assign(np.random.default_rng(0).normal(0, 0.1, layer.kernel.shape))
    features = np.random.default_rng(1).normal(0, 1, (2, 2, *build_teacher_stem().output_shape[1:])).astype(np.float16)
    masks = np.zeros((2, 2, MASK_SIDE, MASK_SIDE, 1), np.float16)
    unknown = Targets(np.full((2, 2, 5), np.nan, np.float32), np.full((2, 2, 12), np.nan, np.float32), masks)

    said = lessons(teacher, features, unknown)

    expected = expit(np.asarray(teacher(features[1].astype(np.float32))["observers"]))
    assert said.votes[1] == pytest.approx(expected, abs=1e-3)
    assert said.reasons.shape == (2, 2, 12)
    assert said.masks is masks


def test_what_ships_has_lessons_of_its_own() -> None:
    assert lesson_file(Path(), everything=True) != lesson_file(Path(), everything=False)
