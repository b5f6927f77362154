"""A TFLite file whose heads are pixels of its input, so that a test knows every output.

`observers` are the first 5 numbers of the flattened input, `reasons` the first 12, `mask` the red channel of
the 14x14 top left corner.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as tflite

IMAGE = [1, 224, 224, 3]
HEADS = {"observers": [1, 5], "reasons": [1, 12], "mask": [1, 14, 14, 1]}
KINDS = {"uint8": tflite.TensorType.UINT8, "int8": tflite.TensorType.INT8, "float32": tflite.TensorType.FLOAT32}
CODES = [tflite.BuiltinOperator.RESHAPE, tflite.BuiltinOperator.SLICE]


ModelWriter = Callable[..., Path]


@pytest.fixture
def write_model(tmp_path: Path) -> ModelWriter:
    """Write a model made by `build` and return its path."""

    def write(*, name: str = "model.tflite", **options: object) -> Path:
        path = tmp_path / name
        path.write_bytes(build(**options))  # type: ignore[arg-type]
        return path

    return write


class Graph:
    def __init__(self, kind: str, scale: float, zero: int) -> None:
        self.kind, self.scale, self.zero = KINDS[kind], scale, zero
        self.buffers = [tflite.BufferT()]
        self.tensors: list[tflite.TensorT] = []
        self.operators: list[tflite.OperatorT] = []

    def tensor(self, name: str, shape: Sequence[int]) -> int:
        tensor = tflite.TensorT()
        tensor.name, tensor.shape, tensor.type = name.encode(), list(shape), self.kind
        if self.scale:
            tensor.quantization = tflite.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [self.scale], [self.zero]
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, values: Sequence[int]) -> int:
        buffer = tflite.BufferT()
        buffer.data = list(np.asarray(values, dtype=np.int32).tobytes())
        self.buffers.append(buffer)
        tensor = tflite.TensorT()
        tensor.name, tensor.shape, tensor.type = b"constant", [len(values)], tflite.TensorType.INT32
        tensor.buffer = len(self.buffers) - 1
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def apply(self, code: int, inputs: Sequence[int], output: int) -> None:
        operator = tflite.OperatorT()
        operator.opcodeIndex = CODES.index(code)
        operator.inputs, operator.outputs = list(inputs), [output]
        self.operators.append(operator)

    def slice(self, name: str, source: int, size: Sequence[int]) -> int:
        output = self.tensor(name, size)
        begin = self.constant([0] * len(size))
        self.apply(tflite.BuiltinOperator.SLICE, [source, begin, self.constant(size)], output)
        return output


def build(
    kind: str = "uint8",
    scale: float = 1.0,
    zero: int = 0,
    image: Sequence[int] = IMAGE,
    heads: Mapping[str, Sequence[int]] = HEADS,
) -> bytes:
    graph = Graph(kind, scale, zero)
    source = graph.tensor("image", image)
    flat_shape = [1, int(np.prod(image))]
    flat = graph.tensor("flat", flat_shape)
    graph.apply(tflite.BuiltinOperator.RESHAPE, [source, graph.constant(flat_shape)], flat)
    outputs = {
        name: graph.slice(name, source if len(shape) == len(IMAGE) else flat, shape) for name, shape in heads.items()
    }
    return pack(graph, source, outputs)


def pack(graph: Graph, source: int, outputs: Mapping[str, int]) -> bytes:
    model, subgraph = tflite.ModelT(), tflite.SubGraphT()
    subgraph.tensors, subgraph.operators = graph.tensors, graph.operators
    subgraph.inputs, subgraph.outputs = [source], list(outputs.values())
    model.version, model.subgraphs, model.buffers = 3, [subgraph], graph.buffers
    model.operatorCodes = [operator_code(code) for code in CODES]
    model.signatureDefs = [signature({"image": source}, outputs)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def operator_code(code: int) -> tflite.OperatorCodeT:
    result = tflite.OperatorCodeT()
    result.builtinCode = result.deprecatedBuiltinCode = code
    result.version = 2 if code == tflite.BuiltinOperator.SLICE else 1
    return result


def signature(inputs: Mapping[str, int], outputs: Mapping[str, int]) -> tflite.SignatureDefT:
    result = tflite.SignatureDefT()
    result.signatureKey = b"serving_default"
    result.inputs = [tensor_map(name, index) for name, index in inputs.items()]
    result.outputs = [tensor_map(name, index) for name, index in outputs.items()]
    return result


def tensor_map(name: str, index: int) -> tflite.TensorMapT:
    result = tflite.TensorMapT()
    result.name, result.tensorIndex = name.encode(), index
    return result
