"""The TFLite interpreter, under either of its names."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.preprocess import INPUT_SIZE
from models.reasons import ReasonCode

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

OBSERVERS = 5
"""Observers whose votes the network predicts."""

INPUT_SHAPE = (1, INPUT_SIZE, INPUT_SIZE, 3)

HEADS: Mapping[str, tuple[int | None, ...]] = {
    "observers": (1, OBSERVERS),
    "reasons": (1, len(ReasonCode)),
    "mask": (1, None, None, 1),
}
"""Names and shapes of the network's outputs; None is any size."""

VERIFIES = Interpreter.__module__.startswith("ai_edge_litert")
"""LiteRT checks a file before it reads it; tflite-runtime 2.14 takes the process down with a broken one."""

PROBE = "import sys, tflite_runtime.interpreter as tflite; tflite.Interpreter(sys.argv[1]).allocate_tensors()"


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in the interpreter, and how its numbers are stored: real = scale * (stored - zero)."""

    index: int
    shape: tuple[int, ...]
    dtype: type[np.generic]
    scale: float
    zero: int

    @classmethod
    def of(cls, detail: Mapping[str, Any]) -> "Tensor":
        """Read one entry of the interpreter's tensor details."""
        scale, zero = detail["quantization"]
        shape = tuple(int(side) for side in detail["shape"])
        return cls(int(detail["index"]), shape, detail["dtype"], float(scale), int(zero))

    def to_real(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Undo the quantisation; a float tensor (scale 0) stays as it is."""
        real = stored.astype(np.float32)
        return (real - np.float32(self.zero)) * np.float32(self.scale) if self.scale else real


class Runtime:
    """One quality network, run on one thread. Not to be shared by threads, nor invoked before a fork.

    Raises:
        ModelError: the file is missing, unreadable, not TFLite, or lacks a head; the message names it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = self._read()
        self._interpreter = self._load()
        inputs, outputs = self._signature()
        self._input = self._only_input(inputs)
        self._heads = {name: self._head(name, outputs) for name in HEADS}

    def invoke(self, pixels: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """Run the network on RGB pixels (224, 224, 3), 0-255.

        Returns:
            Logits: `observers` (5,), `reasons` (12,) in the order of ReasonCode, `mask` (H, W, 1).
        """
        self._interpreter.set_tensor(self._input.index, self._stored(pixels)[np.newaxis])
        self._interpreter.invoke()
        return {
            name: tensor.to_real(self._interpreter.get_tensor(tensor.index)[0]) for name, tensor in self._heads.items()
        }

    def _stored(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        if self._input.dtype is np.int8:
            return (pixels ^ np.uint8(0x80)).view(np.int8)  # 0..255 shifted to -128..127
        return pixels.astype(self._input.dtype, copy=False)

    def _read(self) -> bytes:
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise ModelError(f"{self.path}: cannot be read: {error.strerror}") from error

    def _load(self) -> Any:  # noqa: ANN401 - the interpreter has no type information
        if not VERIFIES:
            self._probe()
        try:
            interpreter = Interpreter(model_content=self.content, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self.path}: not a whole TFLite model: {error}") from error
        return interpreter

    def _probe(self) -> None:
        command = [sys.executable, "-c", PROBE, str(self.path)]
        if subprocess.run(command, capture_output=True, check=False).returncode:  # noqa: S603 - our own program
            raise ModelError(f"{self.path}: not a whole TFLite model")

    def _signature(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        keys = list(self._interpreter.get_signature_list())
        if len(keys) != 1:
            raise ModelError(f"{self.path}: has {len(keys)} signatures, expected one that names the heads")
        runner = self._interpreter.get_signature_runner(keys[0])
        return runner.get_input_details(), runner.get_output_details()

    def _only_input(self, inputs: Mapping[str, Any]) -> Tensor:
        tensors = [Tensor.of(detail) for detail in inputs.values()]
        if [tensor.shape for tensor in tensors] != [INPUT_SHAPE]:
            raise ModelError(f"{self.path}: takes {[tensor.shape for tensor in tensors]}, expected {INPUT_SHAPE}")
        if tensors[0].dtype not in (np.uint8, np.int8, np.float32):
            raise ModelError(f"{self.path}: takes {tensors[0].dtype.__name__}, expected uint8, int8 or float32")
        return tensors[0]

    def _head(self, name: str, outputs: Mapping[str, Any]) -> Tensor:
        if name not in outputs:
            raise ModelError(f"{self.path}: has no head `{name}`, only {sorted(outputs)}")
        tensor = Tensor.of(outputs[name])
        expected = HEADS[name]
        if len(tensor.shape) != len(expected) or any(
            want not in (None, side) for want, side in zip(expected, tensor.shape, strict=True)
        ):
            raise ModelError(f"{self.path}: head `{name}` has shape {tensor.shape}, expected {expected}")
        return tensor
