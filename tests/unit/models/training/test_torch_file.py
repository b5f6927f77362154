import io
import pickle
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from models.training.torch_file import read_tensors


class Reference:
    """A tensor as PyTorch's older files write it: a call that names a storage."""

    def __init__(self, key: str, offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.key, self.place = key, (offset, shape, stride)

    def __reduce__(self) -> Any:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, (Stored(self.key), *self.place, False, {})


class Stored:
    def __init__(self, key: str) -> None:
        self.key = key


class Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> Any:
        return (
            ("storage", sys.modules["torch"].FloatStorage, obj.key, "cpu", 0, None) if isinstance(obj, Stored) else None
        )


@pytest.fixture
def _torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two modules for pickle to find the names in."""

    def rebuild() -> None:
        """Is only named."""

    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    storage = type("FloatStorage", (), {"__module__": "torch"})
    for name, content in (("torch", storage), ("torch._utils", rebuild)):
        module = ModuleType(name)
        setattr(module, content.__qualname__, content)
        monkeypatch.setitem(sys.modules, name, module)


def written(tensors: dict[str, Any], storages: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    for front in (1, 2, 3):
        pickle.dump(front, file)
    Pickler(file, protocol=2).dump(tensors)
    pickle.dump(list(storages), file)
    for values in storages.values():
        file.write(len(values).to_bytes(8, "little") + np.array(values, "<f4").tobytes())
    return file.getvalue()


@pytest.mark.usefixtures("_torch")
def test_tensors_are_views_of_their_storages() -> None:
    content = written(
        {
            "whole": Reference("a", 0, (2, 3), (3, 1)),
            "turned": Reference("a", 1, (2,), (3,)),
            "b": Reference("b", 0, (1,), (1,)),
        },
        {"a": [0, 1, 2, 3, 4, 5], "b": [7]},
    )
    tensors = {name: tensor.tolist() for name, tensor in read_tensors(content).items()}
    assert tensors == {"whole": [[0, 1, 2], [3, 4, 5]], "turned": [1, 4], "b": [7]}


def test_a_file_that_names_anything_else_is_refused() -> None:
    content = b"".join(pickle.dumps(front) for front in (1, 2, 3)) + pickle.dumps(print)
    with pytest.raises(pickle.UnpicklingError, match="print is not part of a file of weights"):
        read_tensors(content)
