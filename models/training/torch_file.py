"""Reading PyTorch's older file format without PyTorch, which would be a gigabyte for one file of weights.

The file is four pickles (a magic number, the protocol's version, sizes of types, then the tensors, which only name
their storages), a list of the storages' keys, and each storage as a count and its raw numbers.
"""

import collections
import io
import pickle
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
FRONT_MATTER = 3  # pickles before the tensors


class _Tensors(pickle.Unpickler):
    """Reads which tensors there are; any class but those that such a file needs is refused."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a class or a function
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _describe
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is not part of a file of weights")

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401
        _, dtype, key, *_ = pid
        return dtype, key


def _describe(storage: Any, offset: int, shape: tuple[int, ...], stride: tuple[int, ...], *_: object) -> Any:  # noqa: ANN401
    return (*storage, offset, shape, stride)


def read_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """Read every tensor of a state dictionary by its name.

    Raises:
        pickle.UnpicklingError: it is no such file.
    """
    file = io.BytesIO(content)
    for _ in range(FRONT_MATTER):
        _Tensors(file).load()
    tensors = _Tensors(file).load()
    dtypes = {key: dtype for dtype, key, *_ in tensors.values()}
    storages = {key: _read_storage(file, dtypes[key]) for key in _Tensors(file).load()}
    return {name: _view(storages[key], *place) for name, (_, key, *place) in tensors.items()}


def _read_storage(file: BinaryIO, dtype: np.dtype[Any]) -> NDArray[Any]:
    count = int(np.frombuffer(file.read(8), "<i8")[0])
    return np.frombuffer(file.read(count * dtype.itemsize), dtype)


def _view(storage: NDArray[Any], offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> NDArray[Any]:
    steps = tuple(step * storage.itemsize for step in stride)
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)
