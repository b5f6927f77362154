import numpy as np
import pytest
from PIL import Image

from models.preprocess import to_input
from models.training.degrade import Cost
from models.training.views import (
    View,
    cover_corner,
    crop,
    degrade,
    flip,
    make_free_view,
    make_view,
    mix,
    move,
    relight,
    tint_background,
)


@pytest.fixture
def view() -> View:
    random = np.random.default_rng(2)
    mask = np.zeros((224, 224), np.uint8)
    mask[60:160, 20:120] = 255
    pixels = random.integers(0, 200, (224, 224, 3), dtype=np.uint8)
    return View(pixels, mask, np.ones(5, np.float32), np.zeros(12, np.float32))


def test_flip_mirrors_photo_and_mask(view: View) -> None:
    flipped = flip(view)
    assert np.array_equal(flipped.pixels[:, 0], view.pixels[:, -1])
    assert np.array_equal(flipped.mask[:, ::-1], view.mask)


def test_move_keeps_the_mask_on_the_subject(view: View) -> None:
    bright = View(np.repeat(view.mask[..., np.newaxis], 3, axis=2), view.mask, view.votes, view.reasons)
    moved = move(bright, np.random.default_rng(4))
    assert not np.array_equal(moved.mask, view.mask)
    assert np.array_equal(moved.pixels[..., 0], moved.mask)


def test_a_covered_corner_is_one_colour_at_the_top() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    before = pixels.copy()
    cover_corner(pixels, np.random.default_rng(1))
    changed = np.argwhere((pixels != before).any(axis=-1))
    assert len(changed) > 400
    assert changed[:, 0].max() < 60
    assert len(np.unique(pixels[tuple(changed.T)], axis=0)) == 1


def test_a_white_background_turns_off_white_and_the_subject_stays() -> None:
    pixels = np.full((224, 224, 3), 255, np.uint8)
    pixels[100:120, 100:120] = 90
    tint_background(pixels, np.random.default_rng(1))
    assert pixels[0, 0].max() < 255
    assert (pixels[100:120, 100:120] == 90).all()


def test_relight_stays_mild(view: View) -> None:
    lit = relight(view.pixels, np.random.default_rng(6))
    assert 0 < np.abs(lit.astype(float) - view.pixels).mean() < 20


def test_views_repeat_and_differ(view: View) -> None:
    first, again, other = (make_view(view, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.pixels, again.pixels)
    assert not np.array_equal(first.pixels, other.pixels)
    assert (first.votes == view.votes).all()


def test_a_fault_costs_votes(view: View) -> None:
    costs = {"dark": Cost(0.0, 4.0, np.eye(12, dtype=np.float32)[0])}
    dark = degrade(view, view.pixels, np.random.default_rng(1), costs)
    assert dark.pixels.mean() < view.pixels.mean()
    assert dark.votes.max() < 0.6
    assert dark.reasons.argmax() == 0


def test_a_cut_off_copy_cuts_its_mask_alike(view: View) -> None:
    pixels = np.repeat(view.mask[..., np.newaxis], 3, axis=2)
    same = View(pixels, view.mask, view.votes, view.reasons)
    cut = degrade(same, pixels, np.random.default_rng(3), {"cutoff": Cost(0.0, 4.0, np.full(12, 1 / 12, np.float32))})
    assert not np.array_equal(cut.mask, view.mask)
    assert np.array_equal(cut.pixels[..., 0], cut.mask)


def test_a_crop_has_the_size_of_the_input_and_less_in_it() -> None:
    ramp = np.tile(np.arange(240, dtype=np.uint8)[:, None, None], (1, 300, 3))
    parts = [crop(ramp, np.random.default_rng(seed)) for seed in range(10)]
    assert all(part.shape == (224, 224, 3) for part in parts)
    assert min(int(part.max()) - int(part.min()) for part in parts) < 200


def test_a_crop_shows_what_is_too_fine_for_the_whole() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8)[None, :, None], (448, 224, 3))
    assert np.ptp(to_input(Image.fromarray(stripes))[:, 5:-5]) == 0
    assert max(np.ptp(crop(stripes, np.random.default_rng(seed))[:, 5:-5]) for seed in range(20)) > 30


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 400, 3)])
def test_a_crop_of_the_least_photo_has_a_pixel(shape: tuple[int, int, int]) -> None:
    assert crop(np.full(shape, 9, np.uint8), np.random.default_rng(0)).tolist() == np.full((224, 224, 3), 9).tolist()


def test_half_of_a_mixed_picture_remains() -> None:
    black, white = np.zeros((224, 224, 3), np.uint8), np.full((224, 224, 3), 255, np.uint8)
    shares = [mix(black, white, np.random.default_rng(seed)).mean() / 255 for seed in range(20)]
    assert 0 < min(shares) < max(shares) <= 0.5


def test_free_views_repeat_and_differ(view: View) -> None:
    other = np.zeros_like(view.pixels)
    first, again, different = (
        make_free_view(view.pixels, other, np.random.default_rng(seed), {}) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, different)


def test_some_free_views_have_a_fault(view: View) -> None:
    dark = {"dark": Cost(0.0, 4.0, np.full(12, 1 / 12, np.float32))}
    seeds = range(20)
    views = [make_free_view(view.pixels, view.pixels, np.random.default_rng(seed), dark) for seed in seeds]
    assert 0 < sum(one.mean() < 0.8 * view.pixels.mean() for one in views) < len(views) / 2
