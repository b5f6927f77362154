"""Full integer quantisation: the trained networks as int8 TFLite files, and what that costs."""

from collections.abc import Sequence
from pathlib import Path
from timeit import timeit

import flatbuffers
import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from rich import print as show
from scipy.special import expit
from tensorflow.lite.tools import flatbuffer_utils

from models.location import DEFAULT_MODEL
from models.runtime import Runtime
from models.training.command import Data, Work, run
from models.training.dataset import read_pixels, read_samples, read_table
from models.training.errors import TrainingError
from models.training.files import replacing, write_json
from models.training.network import ALPHA, INPUT_SHAPE, ScaledConv, ask_observers, convert, converter_int8, to_real

LARGEST = 450_000
"""Bytes that the file may have."""

INVOKES = 300
"""Invokes whose median is the time of one."""

FEW = 10
"""Photos on which the uncut network's ranges are measured: its weights mean nothing."""


def load(path: Path) -> keras.Model:
    """Load a trained network.

    Raises:
        TrainingError: it is missing or no Keras model of this project.
    """
    try:
        return keras.models.load_model(path, custom_objects={"ScaledConv": ScaledConv})
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: is not a trained network: {str(error).splitlines()[0]}") from error


def quantise(model: keras.Model, samples: NDArray[np.uint8]) -> bytes:
    """Convert a network that is to ship as `to_int8` does.

    Raises:
        TrainingError: the file is larger than it may be.
    """
    content = to_int8(model, samples)
    if len(content) >= LARGEST:
        raise TrainingError(f"the network takes {len(content)} bytes in int8, it must stay under {LARGEST}")
    return content


def to_int8(model: keras.Model, samples: NDArray[np.uint8]) -> bytes:
    """Convert to int8, weights and activations; takes uint8 pixels. `samples` is (photos, 224, 224, 3)."""
    prepared = converter_int8(model, samples)
    prepared.inference_input_type = tf.uint8
    prepared.inference_output_type = tf.int8
    return strip(convert(prepared))


def uncut() -> keras.Model:
    """Build MobileNetV2 0.35 as it was for ImageNet, with its thousand classes; its weights mean nothing."""
    return keras.applications.MobileNetV2(INPUT_SHAPE, alpha=ALPHA, weights=None)


class Sharing(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers has no types
    """Writes equal arrays once: every channel of every tensor comes with a zero point of eight bytes, which is 0."""

    def __init__(self) -> None:
        super().__init__(1024)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: NDArray[np.generic]) -> int:  # noqa: N802 - the name that the packer calls
        """Write an array, or point to an equal one."""
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = int(super().CreateNumpyVector(x))
        return self._written[key]


def strip(content: bytes) -> bytes:
    """Drop what no interpreter reads, the tensors' names and the ranges behind their scales, and repetitions."""
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for tensor in (tensor for graph in model.subgraphs for tensor in graph.tensors):
        tensor.name = None
        if tensor.quantization is not None:
            tensor.quantization.min = tensor.quantization.max = None
    builder = Sharing()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def score_float(model: keras.Model, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Score photos, (photos, 224, 224, 3), with the unquantised network: 0-5."""
    return np.asarray(expit(ask_observers(model, pixels, to_real)).sum(axis=1))


def score_lite(path: Path, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Score photos, (photos, 224, 224, 3), with a TFLite file: 0-5."""
    runtime = Runtime(path)
    return np.array([expit(runtime.invoke(one)["observers"]).sum() for one in pixels])


def time_invokes(files: Sequence[bytes], pixels: NDArray[np.uint8]) -> list[float]:
    """Median milliseconds of one invoke of each TFLite file on one thread, in turn: all see the same machine."""
    interpreters = [Interpreter(model_content=content, num_threads=1) for content in files]
    for interpreter in interpreters:
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[np.newaxis])
    seconds = [[timeit(interpreter.invoke, number=1) for interpreter in interpreters] for _ in range(INVOKES)]
    return [float(median) * 1000 for median in np.median(seconds, axis=0)]


def rmse(scores: NDArray[np.float32], votes: NDArray[np.float32]) -> float:
    """Root of the mean squared difference, in stars."""
    return float(np.sqrt(np.mean(np.square(scores - votes))))


def main(data: Data, work: Work) -> None:
    """Quantise the measured network to network.tflite and the shipped one to quality.tflite, here and in models/.

    What quantisation costs on the test part, and how long an invoke takes, goes to quantise.json.
    """
    table = read_table(work)
    samples = read_samples(data, table)
    for source, target in (("network.keras", "network.tflite"), ("final.keras", "quality.tflite")):
        with replacing(work / target) as draft:
            draft.write_bytes(quantise(load(work / source), samples))
    test = table.rows("test")
    pixels = read_pixels(data, table, test)
    path = work / "network.tflite"
    as_float, as_int = score_float(load(work / "network.keras"), pixels), score_lite(path, pixels)
    clean = np.array([not table.faults[row] for row in test])
    votes = table.scores[test]
    shipped = (work / "quality.tflite").read_bytes()
    ours, whole = time_invokes([shipped, to_int8(uncut(), samples[:FEW])], pixels[0])
    content = {
        "rmse_float": round(rmse(as_float, votes), 4),
        "rmse_int8": round(rmse(as_int, votes), 4),
        "rmse_float_untouched": round(rmse(as_float[clean], votes[clean]), 4),
        "rmse_int8_untouched": round(rmse(as_int[clean], votes[clean]), 4),
        "bytes": len(shipped),
        "invoke_ms": round(ours, 3),
        "invoke_to_uncut": round(ours / whole, 3),
    }
    write_json(work / "quantise.json", content)
    show(content)
    with replacing(DEFAULT_MODEL) as draft:
        draft.write_bytes(shipped)


if __name__ == "__main__":
    run(main)
