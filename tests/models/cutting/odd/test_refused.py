"""Odd networks that cannot be cut are refused by name: at which operator, and why."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from models.cutting.cut import choose_cuts
from models.network.graph import read_graph
from models.network.obstacles import CUSTOM
from models.network.proof import prove
from protocol.errors import InvalidInput


def _recurrent(sketch, tmp_path):
    x = sketch.input("x", [1, 2, 3])
    weights, recurrent = sketch.constant("w", np.full((4, 3), 0.3)), sketch.constant("r", np.full((4, 4), 0.2))
    state = sketch.tensor("hidden", [1, 4], isVariable=True)
    out = sketch.tensor("out", [1, 2, 4])
    options = schema.SequenceRNNOptionsT(fusedActivationFunction=schema.ActivationFunctionType.TANH)
    bias = sketch.constant("b", np.zeros(4))
    sketch.add("UNIDIRECTIONAL_SEQUENCE_RNN", [x, weights, recurrent, bias, state], [out], options)
    return sketch.save(tmp_path / "recurrent.tflite", sketch.relu(out, "end/Relu"))


def _refusal(path) -> str:
    graph = read_graph(path)
    with pytest.raises(InvalidInput) as refused:
        choose_cuts(graph)
    assert graph.obstacle in str(refused.value)
    assert str(path) in str(refused.value)
    return graph.obstacle


def test_a_fused_recurrent_layer_keeps_its_state_between_calls_and_is_refused(sketch, tmp_path):
    path = _recurrent(sketch, tmp_path)
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    place, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    answers = []
    for _ in range(2):
        interpreter.set_tensor(place, np.ones((1, 2, 3), np.float32))
        interpreter.invoke()
        answers.append(interpreter.get_tensor(result))

    assert not np.array_equal(*answers)
    assert "operator 0, UNIDIRECTIONAL_SEQUENCE_RNN, keeps state between calls in 'hidden'" in _refusal(path)


def test_random_numbers_are_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    noise = sketch.tensor("noise", [1, 4])
    sketch.add("RANDOM_UNIFORM", [sketch.constant("sides", [1, 4], "int32")], [noise], schema.RandomOptionsT())

    refusal = _refusal(sketch.save(tmp_path / "noisy.tflite", sketch.sum(x, noise, "noisy/add")))

    assert "operator 0, RANDOM_UNIFORM, draws random numbers" in refusal


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    ("name", "kind"), [("FlexDet", "an operator of TensorFlow, which LiteRT lacks"), ("Mine", "a custom operator")]
)
def test_operators_that_the_runtime_lacks_are_refused(sketch, tmp_path, name, kind):
    x = sketch.input("x", [1, 4])
    path = sketch.save(tmp_path / "custom.tflite", sketch.relu(sketch.step(name, [x], "made"), "end/Relu"))

    assert f"operator 0, {name}, is {kind}" in _refusal(path)
    with pytest.raises(InvalidInput, match=r"custom\.tflite is refused by LiteRT"):
        prove(path, read_graph(path))


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("name", sorted(CUSTOM))
def test_custom_operators_that_the_runtime_brings_are_known_to_it(sketch, tmp_path, name):
    """Without its options such an operator crashes; one that is not known is refused by name."""
    x = sketch.input("x", [1, 4])
    path = sketch.save(tmp_path / "custom.tflite", sketch.relu(sketch.step(name, [x], "made"), "end/Relu"))

    assert read_graph(path).obstacle == ""
    with pytest.raises(InvalidInput) as refused:
        prove(path, read_graph(path))
    assert "unresolved" not in str(refused.value)


def test_an_operator_that_this_version_does_not_know_is_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    y = sketch.relu(x, "y")
    sketch.codes[0].builtinCode = 999

    assert "operator 0, operator 999, is not known" in _refusal(sketch.save(tmp_path / "new.tflite", y))


def test_strings_at_the_ends_are_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4], schema.TensorType.STRING)
    shape = sketch.step("EQUAL", [x, x], "same", schema.EqualOptionsT(), "bool")

    assert "input 'x' is STRING, which cannot travel" in _refusal(sketch.save(tmp_path / "text.tflite", shape))


def test_open_sides_other_than_the_batch_are_refused(sketch, tmp_path):
    x = sketch.input("image", [1, 1, 1, 3], shapeSignature=[-1, -1, -1, 3])

    refusal = _refusal(sketch.save(tmp_path / "open.tflite", sketch.relu(x, "y")))

    assert "input 'image' has open sides [-1, -1, -1, 3]; only the batch may be open" in refusal


@pytest.mark.exhaustive
def test_an_output_whose_shape_depends_on_the_data_is_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4], "bool")
    found = sketch.tensor("found", [1, 2], "int64", shapeSignature=[-1, 2])
    sketch.add("WHERE", [x], [found])

    refusal = _refusal(sketch.save(tmp_path / "where.tflite", found))

    assert "output 'found' has a shape that depends on the data since operator 0, WHERE" in refusal


def test_graphs_that_call_each_other_in_a_circle_are_damaged(sketch, tmp_path):
    x = sketch.input("x", [1])
    y = sketch.tensor("y", [1])
    sketch.add("WHILE", [x], [y], schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=1))
    sketch.another_graph("body")
    value, made = sketch.input("value", [1]), sketch.tensor("made", [1])
    sketch.add("WHILE", [value], [made], schema.WhileOptionsT(condSubgraphIndex=1, bodySubgraphIndex=1))
    sketch.graph.outputs = [made]

    with pytest.raises(InvalidInput, match="call each other in a circle"):
        read_graph(sketch.save(tmp_path / "circle.tflite", y))


@pytest.mark.parametrize("place", ["input", "constant", "other result"])
def test_what_is_there_already_cannot_be_made_again(sketch, tmp_path, place):
    x = sketch.input("x", [1, 4])
    y = sketch.scale(x, [1, 2, 3, 4], "y")
    sketch.relu(y, "z")
    sketch.graph.operators[1].outputs = [{"input": x, "constant": 1, "other result": y}[place]]

    with pytest.raises(InvalidInput, match=r"operator 1, RELU, makes .* which is there already"):
        read_graph(sketch.save(tmp_path / "twice.tflite", y))


def test_a_tensor_of_terabytes_is_refused_before_anything_is_allocated(sketch, tmp_path):
    x = sketch.input("x", [1 << 20, 1 << 20])

    with pytest.raises(InvalidInput, match="is too large"):
        read_graph(sketch.save(tmp_path / "vast.tflite", sketch.relu(x, "y")))


def test_a_tensor_whose_name_is_no_text_is_damaged(sketch, tmp_path):
    """The runtime's Python side leaves such a tensor out of its answers."""
    x = sketch.input("x", [1, 4])
    y = sketch.relu(x, "y")
    sketch.graph.tensors[y].name = b"\xff\xfe"

    with pytest.raises(InvalidInput, match=r"the name of tensor 1 is no text"):
        read_graph(sketch.save(tmp_path / "names.tflite", y))


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    ("changed", "said"), [({"shape": [1, 128]}, r"BOOL \[1, 128\]"), ({"type": 0}, r"FLOAT32 \[1, 4\]")]
)
def test_what_the_runtime_contradicts_is_refused(sketch, tmp_path, changed, said):
    x = sketch.input("x", [1, 4])
    y = sketch.step("GREATER", [x, sketch.constant("zero", [[0.0]])], "y", schema.GreaterOptionsT(), "bool")
    vars(sketch.graph.tensors[y]).update(changed)
    path = sketch.save(tmp_path / "wrong.tflite", y)

    with pytest.raises(InvalidInput, match=rf"tensor 'y' is {said} there, LiteRT makes it bool \[1, 4\]"):
        prove(path, read_graph(path))


def test_a_network_that_crashes_the_runtime_is_refused_and_nobody_dies(sketch, tmp_path):
    """This operator's options hold how it splits its input; without them LiteRT 2.3 reads at address 0."""
    x = sketch.input("x", [1, 4])
    path = sketch.save(tmp_path / "deadly.tflite", sketch.step("Mfcc", [x], "y"))

    with pytest.raises(InvalidInput, match=r"deadly\.tflite crashes LiteRT \(SIG"):
        prove(path, read_graph(path))


def test_a_constant_output_is_refused_as_such(sketch, tmp_path):
    x = sketch.input("x", [1, 4])

    refusal = _refusal(sketch.save(tmp_path / "fixed.tflite", sketch.relu(x, "y"), sketch.constant("c", [1.0])))

    assert "output 'c' is constant" in refusal


def test_a_tensor_given_twice_is_refused_by_both_names(sketch, tmp_path):
    y = sketch.relu(sketch.input("x", [1, 4]), "y")

    assert "outputs 'y' and 'y_1' are one tensor" in _refusal(sketch.save(tmp_path / "twice.tflite", y, y))


def test_tensors_of_one_name_are_told_apart_by_their_place(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    path = sketch.save(tmp_path / "names.tflite", sketch.relu(x, "y"), sketch.relu(x, "y"))

    assert read_graph(path).obstacle == ""
    assert read_graph(path).outputs == {"y": 1, "y_1": 2}
