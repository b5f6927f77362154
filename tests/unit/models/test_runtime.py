from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import ModelError
from models.runtime import Runtime

PIXELS = np.random.default_rng(3).integers(0, 256, (224, 224, 3), dtype=np.uint8)
WriteModel = Callable[..., Path]


@pytest.mark.parametrize(("kind", "shift"), [("uint8", 0), ("int8", 128), ("float32", 0)])
@pytest.mark.parametrize(("scale", "zero"), [(0.5, 10), (0.0, 0)])
def test_heads_come_by_name_as_real_numbers(
    write_model: WriteModel, kind: str, shift: int, scale: float, zero: int
) -> None:
    heads = Runtime(write_model(kind=kind, scale=scale, zero=zero)).invoke(PIXELS)

    real = PIXELS.astype(np.float32) - shift
    expected = (real - zero) * scale if scale else real
    assert (heads["observers"] == expected.ravel()[:5]).all()
    assert (heads["reasons"] == expected.ravel()[:12]).all()
    assert (heads["mask"] == expected[:14, :14, :1]).all()
    assert all(head.dtype == np.float32 for head in heads.values())


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.tflite: cannot be read: No such file"):
        Runtime(tmp_path / "nowhere.tflite")


def test_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read: Is a directory"):
        Runtime(tmp_path)


@pytest.mark.parametrize("content", [b"", b"x", b"\x89PNG\r\n\x1a\n" + bytes(500), b"{}" * 1000])
def test_what_is_not_tflite_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tflite"
    path.write_bytes(content)

    with pytest.raises(ModelError, match=r"other\.tflite: not a whole TFLite model"):
        Runtime(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_file_is_refused(write_model: WriteModel, share: float) -> None:
    path = write_model()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])

    with pytest.raises(ModelError, match=r"model\.tflite: not a whole TFLite model"):
        Runtime(path)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"heads": {"observers": [1, 5], "mask": [1, 14, 14, 1]}}, "no head `reasons`"),
        ({"heads": {"observers": [1, 4], "reasons": [1, 12], "mask": [1, 7, 7, 1]}}, r"`observers` has shape \(1, 4\)"),
        ({"heads": {"observers": [1, 5], "reasons": [1, 12], "mask": [1, 196]}}, "`mask` has shape"),
        ({"image": [1, 192, 192, 3]}, r"takes \[\(1, 192, 192, 3\)\], expected \(1, 224, 224, 3\)"),
    ],
)
def test_another_network_is_refused(write_model: WriteModel, options: dict[str, Any], why: str) -> None:
    with pytest.raises(ModelError, match=why):
        Runtime(write_model(**options))
