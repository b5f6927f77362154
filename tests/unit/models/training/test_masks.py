import zipfile
from pathlib import Path

import numpy as np
import pytest

from models.training.errors import TrainingError
from models.training.masks import MEMBER, read_network, to_picture


def test_missing_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.onnx: u2netp cannot be read from it"):
        read_network(tmp_path / "gone.onnx")


def test_other_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "u2netp.onnx"
    path.write_bytes(b"another network")

    with pytest.raises(TrainingError, match=r"u2netp\.onnx: is not the expected u2netp"):
        read_network(path)


@pytest.mark.parametrize(
    ("member", "why"), [("other.py", "u2netp cannot be read from it"), (MEMBER, "is not the expected u2netp")]
)
def test_wheel_without_the_network_is_refused(tmp_path: Path, member: str, why: str) -> None:
    path = tmp_path / "rembg.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, b"x")

    with pytest.raises(TrainingError, match=rf"rembg\.whl: {why}"):
        read_network(path)


def test_file_that_is_no_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rembg.whl"
    path.write_bytes(b"not a zip")

    with pytest.raises(TrainingError, match=r"rembg\.whl: u2netp cannot be read from it"):
        read_network(path)


def test_mask_becomes_a_grey_picture_of_the_input_size() -> None:
    mask = np.zeros((160, 160), dtype=np.float32)
    mask[:, 80:] = 1

    picture = to_picture(mask)

    assert (picture.mode, picture.size) == ("L", (224, 224))
    assert (picture.getpixel((20, 100)), picture.getpixel((200, 100))) == (0, 255)
