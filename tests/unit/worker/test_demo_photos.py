from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.reasons import ReasonCode
from tasks.decode import decode
from tasks.errors import DecodeError
from tasks.tables import ImageState
from worker.demo.photos import SAMPLE, Photo, add_glare, blur, cut_off, darken, own_photos, sample_photos

SAMPLES = sample_photos()


@pytest.fixture(scope="module")
def good() -> Image.Image:
    return Image.open(SAMPLE).convert("RGB")


def luma(photo: Image.Image) -> np.ndarray:
    return np.asarray(photo.convert("L"), dtype=np.float64)


def test_dark_photo_keeps_a_quarter_of_every_level(good: Image.Image) -> None:
    assert luma(darken(good)).mean() == pytest.approx(luma(good).mean() * (1 / 30) ** (1 / 2.2), rel=0.05)


def test_glare_burns_out_a_spot_and_veils_the_rest(good: Image.Image) -> None:
    photo = add_glare(good)

    assert photo.getpixel((450, 100)) == (255, 255, 255)
    assert (luma(photo) >= luma(good)).all()
    assert luma(photo).min() > 255 * 0.3


def test_blurred_photo_has_no_fine_detail(good: Image.Image) -> None:
    def detail(photo: Image.Image) -> float:
        return float(np.abs(np.diff(luma(photo))).mean())

    assert detail(blur(good)) < detail(good) / 3


def test_cut_off_photo_shows_a_part_of_the_same_pixels(good: Image.Image) -> None:
    photo = cut_off(good)

    assert photo.width * photo.height < good.width * good.height / 3
    assert photo.getpixel((0, photo.height - 1)) == good.getpixel((0, good.height - 1))


@pytest.mark.parametrize("photo", [photo for photo in SAMPLES if photo.expected.state == ImageState.SCORED])  # type: ignore[union-attr]
def test_photo_to_be_scored_is_a_small_jpeg(photo: Photo) -> None:
    body = photo.read()

    assert body is not None
    assert decode(body).format == "JPEG"
    assert len(body) < 100_000


def test_error_page_is_no_photo() -> None:
    body = {photo.name: photo for photo in SAMPLES}["not an image"].read()

    assert body is not None
    with pytest.raises(DecodeError):
        decode(body)


def test_missing_photo_has_no_bytes() -> None:
    assert {photo.name: photo for photo in SAMPLES}["missing"].read() is None


def test_every_expected_reason_is_a_reason() -> None:
    reasons = {photo.expected.reason for photo in SAMPLES if photo.expected and photo.expected.reason}

    assert len(reasons) >= 3
    assert reasons <= set(ReasonCode)


def test_photos_are_made_the_same_each_time() -> None:
    assert [photo.read() for photo in SAMPLES] == [photo.read() for photo in sample_photos()]


def test_own_photo_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "mine.jpg"
    [photo] = own_photos([path])
    path.write_bytes(b"later")

    assert photo.read() == b"later"
    assert photo.name == str(path)
    assert photo.expected is None


def test_sample_is_small_enough_for_the_repository() -> None:
    assert SAMPLE.stat().st_size < 100_000
    assert Image.open(BytesIO(SAMPLE.read_bytes())).size == (600, 400)
