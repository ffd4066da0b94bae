"""Small odd networks, drawn with the schema's objects, and the trained one of the zoo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.network.tflite import AlignedBuffer, pack
from models.zoo import digits_vgg

TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}


class Sketch:
    """A flatbuffer under construction. Tensors are numbers; operators come in the order in which they are added."""

    def __init__(self) -> None:
        self.graphs = [schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[], name="main")]
        self.buffers = [AlignedBuffer(None)]
        self.codes: list[Any] = []
        self.graph = self.graphs[0]

    def tensor(self, name: str, shape: list[int], kind: Any = "float32", **more: Any) -> int:
        entry = schema.TensorT(shape=shape, type=TYPES.get(kind, kind), buffer=0, name=name, **more)
        self.graph.tensors.append(entry)
        return len(self.graph.tensors) - 1

    def input(self, name: str, shape: list[int], kind: Any = "float32", **more: Any) -> int:
        self.graph.inputs.append(self.tensor(name, shape, kind, **more))
        return self.graph.inputs[-1]

    def constant(self, name: str, values: Any, kind: str = "float32") -> int:
        data = np.asarray(values, kind)
        index = self.tensor(name, list(data.shape), kind)
        self.graph.tensors[index].buffer = len(self.buffers)
        self.buffers.append(AlignedBuffer(np.frombuffer(data.tobytes(), np.uint8)))
        return index

    def add(self, operator: str, inputs: list[int], outputs: list[int], options: Any = None) -> None:
        """An operator by the schema's name; any other name makes a custom one."""
        code = getattr(schema.BuiltinOperator, operator, schema.BuiltinOperator.CUSTOM)
        custom = operator if code == schema.BuiltinOperator.CUSTOM else None
        self.codes.append(schema.OperatorCodeT(min(code, 127), custom, version=1, builtinCode=code))
        entry = schema.OperatorT(opcodeIndex=len(self.codes) - 1, inputs=inputs, outputs=outputs)
        if options is not None:
            entry.builtinOptions = options
            entry.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.graph.operators.append(entry)

    def step(self, operator: str, inputs: list[int], name: str, options: Any = None, kind: Any = "float32") -> int:
        """An operator whose one output has the shape of its first input."""
        output = self.tensor(name, list(self.graph.tensors[inputs[0]].shape), kind)
        self.add(operator, inputs, [output], options)
        return output

    def sum(self, left: int, right: int, name: str) -> int:
        return self.step("ADD", [left, right], name, schema.AddOptionsT())

    def relu(self, source: int, name: str) -> int:
        return self.step("RELU", [source], name)

    def scale(self, source: int, factor: list[float], name: str) -> int:
        weights = self.constant(f"{name}/factor", [factor])
        return self.step("MUL", [source, weights], name, schema.MulOptionsT())

    def another_graph(self, name: str) -> int:
        self.graph = schema.SubGraphT(tensors=[], inputs=[], outputs=[], operators=[], name=name)
        self.graphs.append(self.graph)
        return len(self.graphs) - 1

    def model(self, *outputs: int) -> Any:
        self.graphs[0].outputs = list(outputs) or self.graphs[0].outputs
        return schema.ModelT(
            version=3,
            operatorCodes=self.codes,
            subgraphs=self.graphs,
            buffers=self.buffers,
            description="drawn by a test",
        )

    def save(self, path: Path, *outputs: int) -> Path:
        path.write_bytes(pack(self.model(*outputs)))
        return path


def diamond(folder: Path) -> Path:
    """Two branches that meet: one tensor crosses after the first operator, two in between."""
    sketch = Sketch()
    x = sketch.input("x", [1, 4])
    stem = sketch.relu(x, "stem/Relu")
    left = sketch.scale(stem, [1.5, -2, 3, 4], "left/mul")
    right = sketch.scale(stem, [0.5, 2, -3, 5], "right/mul")
    return sketch.save(folder / "diamond.tflite", sketch.sum(left, right, "join/add"))


def two_outputs(folder: Path) -> Path:
    """The first output is complete early and does not cross; the second is complete early and crosses as well."""
    sketch = Sketch()
    x = sketch.input("x", [1, 4])
    early = sketch.scale(x, [2, 2, 2, 2], "early/mul")
    shared = sketch.scale(x, [1, -1, 1, -1], "shared/mul")
    late = sketch.scale(sketch.relu(shared, "late_relu/Relu"), [3, 1, 4, 1], "late/mul")
    return sketch.save(folder / "two_outputs.tflite", early, shared, late)


def crossing_input(folder: Path) -> Path:
    """The second input is used by the last operator only, so it crosses every cut."""
    sketch = Sketch()
    a, b = sketch.input("a", [1, 4]), sketch.input("b", [1, 4])
    middle = sketch.scale(sketch.relu(a, "first/Relu"), [2, 3, 4, 5], "second/mul")
    return sketch.save(folder / "crossing_input.tflite", sketch.sum(middle, b, "last/add"))


def half_weights(folder: Path) -> Path:
    """fp16 weights that DEQUANTIZE widens once, for operators on both sides of a cut."""
    sketch = Sketch()
    x = sketch.input("x", [1, 4])
    narrow = sketch.constant("weights", [[1.5, -2, 0.25, 4]], "float16")
    wide = sketch.step("DEQUANTIZE", [narrow], "weights_wide")
    first = sketch.step("MUL", [x, wide], "first/mul", schema.MulOptionsT())
    second = sketch.step("MUL", [sketch.relu(first, "relu/Relu"), wide], "second/mul", schema.MulOptionsT())
    return sketch.save(folder / "half_weights.tflite", second)


def whole_numbers(folder: Path) -> Path:
    """Boundaries of types that are not floats: INT64, then BOOL."""
    sketch = Sketch()
    x = sketch.input("x", [1, 4])
    options = schema.CastOptionsT(inDataType=TYPES["float32"], outDataType=TYPES["int64"])
    long = sketch.step("CAST", [x], "long/cast", options, "int64")
    zero = sketch.constant("zero", [[0, 0, 0, 0]], "int64")
    positive = sketch.step("GREATER", [long, zero], "positive/greater", schema.GreaterOptionsT(), "bool")
    back = schema.CastOptionsT(inDataType=TYPES["bool"], outDataType=TYPES["float32"])
    return sketch.save(folder / "whole_numbers.tflite", sketch.step("CAST", [positive], "back/cast", back))


def loop(folder: Path) -> Path:
    """A WHILE whose condition and body are graphs of their own: it adds 1 until the first element reaches 5."""
    sketch = Sketch()
    x = sketch.input("x", [1])
    start = sketch.relu(x, "start/Relu")
    end = sketch.tensor("looped/while", [1])
    sketch.add("WHILE", [start], [end], schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=2))
    result = sketch.scale(end, [2.0], "scaled/mul")
    sketch.graph.outputs = [result]
    sketch.graph.tensors[result].shape = [1, 1]
    sketch.another_graph("cond")
    value, limit = sketch.input("value", [1]), sketch.constant("limit", [5.0])
    sketch.graph.outputs = [sketch.step("LESS", [value, limit], "less", schema.LessOptionsT(), "bool")]
    sketch.another_graph("body")
    value, one = sketch.input("value", [1]), sketch.constant("one", [1.0])
    sketch.graph.outputs = [sketch.sum(value, one, "more")]
    return sketch.save(folder / "loop.tflite")


ODD_NETWORKS = (diamond, two_outputs, crossing_input, half_weights, whole_numbers, loop)


@pytest.fixture
def sketch() -> Sketch:
    return Sketch()


@pytest.fixture
def new_sketch() -> type[Sketch]:
    """For tests that draw several."""
    return Sketch


@pytest.fixture(params=ODD_NETWORKS, ids=lambda draw: draw.__name__)
def odd_network(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return request.param(tmp_path)


@pytest.fixture
def odd_networks(tmp_path: Path) -> dict[str, Path]:
    return {draw.__name__: draw(tmp_path) for draw in ODD_NETWORKS}


@pytest.fixture(scope="session")
def digits_bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    """The trained network in both precisions, cut at every possible point."""
    folder = tmp_path_factory.mktemp("bundles")
    kinds = ("fp32", "int8")
    return {kind: make_bundle(digits_vgg(kind), folder / kind, name="digits_vgg", cuts="all") for kind in kinds}


@pytest.fixture(scope="session")
def weight_cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")
