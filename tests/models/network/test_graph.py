"""Reading a network: operators, work, boundaries, names; and refusing what is damaged or cannot be cut."""

from __future__ import annotations

import random

import pytest
from ai_edge_litert import schema_py_generated as schema

from models.cutting.cut import choose_cuts, cut_network
from models.network.graph import read_graph
from models.network.layers import layer_name, names_of_cuts
from models.zoo import digits_vgg
from protocol.errors import InvalidInput
from protocol.work import total


@pytest.mark.parametrize(("kind", "element"), [("fp32", "float32"), ("int8", "int8")])
def test_the_digits_network_has_0_276_g_macs(kind, element):
    work = total(operator.work for operator in read_graph(digits_vgg(kind)).operators)

    assert work.macs == {f"conv/{element}": 275_447_808, f"dense/{element}": 131_712}
    assert round(work.total_macs / 1e9, 3) == 0.276


def test_weights_and_activations_are_counted_in_bytes_of_their_type():
    graphs = {kind: read_graph(digits_vgg(kind)) for kind in ("fp32", "int8")}

    first_conv = graphs["fp32"].operators[0].work
    assert first_conv.weight_bytes == (3 * 3 * 1 * 48 + 48) * 4
    assert first_conv.activation_bytes == (64 * 64 * 1 + 64 * 64 * 48) * 4
    assert graphs["int8"].operators[1].work.weight_bytes == 3 * 3 * 1 * 48 + 48 * 4


def test_cut_points_are_named_for_the_layer_that_ends_there():
    graph = read_graph(digits_vgg())
    names = [graph.cut_name(cut) for cut in range(graph.operator_count + 1)]

    assert names[:4] == ["input", "block1_relu1", "block1_relu2", "block1_pool"]
    assert names[-3:] == ["fc1", "predictions", "output"]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("tensor", "layer"),
    [
        ("functional_1/vgg_1/block1_relu1_1/Relu;functional_1/vgg_1/block1_conv1_1/conv", "block1_relu1"),
        ("vgg16/conv2d_1/Relu", "conv2d_1"),
        ("StatefulPartitionedCall_1:0", ""),
        ("conv2d_5", "conv2d_5"),
        ("", ""),
    ],
)
def test_a_layer_is_found_in_a_converters_tensor_name(tensor, layer):
    assert layer_name(tensor) == layer


def test_both_branches_of_a_diamond_cross_between_them(odd_networks):
    graph = read_graph(odd_networks["diamond"])

    assert [len(graph.boundary(cut)) for cut in range(5)] == [1, 1, 2, 2, 0]
    assert graph.boundary(2) == tuple(sorted(graph.boundary(2)))


def test_an_input_that_is_used_late_crosses(odd_networks):
    graph = read_graph(odd_networks["crossing_input"])

    assert graph.inputs["b"] in graph.boundary(2)


def test_an_output_that_is_complete_early_is_finished_and_crosses_only_if_it_is_used_later(odd_networks):
    graph = read_graph(odd_networks["two_outputs"])
    early, shared = graph.outputs["early/mul"], graph.outputs["shared/mul"]

    assert graph.finished_outputs(2) == ("early/mul", "shared/mul")
    assert early not in graph.boundary(2)
    assert shared in graph.boundary(2)


def test_what_depends_on_constants_only_never_crosses(odd_networks):
    graph = read_graph(odd_networks["half_weights"])
    widen = graph.operators[0]

    assert widen.derived
    assert all(widen.outputs[0] not in graph.boundary(cut) for cut in range(1, graph.operator_count))
    assert not graph.is_cut_point(1)
    assert graph.operators[1].work.weight_bytes == 4 * 4


def test_resource_variables_are_refused_by_operator_and_name(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    handle = sketch.tensor("counter", [1], schema.TensorType.RESOURCE)
    value = sketch.tensor("value", [1, 4])
    sketch.add("VAR_HANDLE", [], [handle], schema.VarHandleOptionsT(sharedName="counter"))
    sketch.add("READ_VARIABLE", [handle], [value], schema.ReadVariableOptionsT())
    path = sketch.save(tmp_path / "stateful.tflite", sketch.sum(x, value, "sum/add"))

    with pytest.raises(InvalidInput, match=r"stateful\.tflite: operator 0, VAR_HANDLE, keeps state .* 'counter'"):
        choose_cuts(read_graph(path))


def test_tensors_that_keep_state_between_calls_are_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    state = sketch.tensor("state", [1, 4], isVariable=True)

    with pytest.raises(InvalidInput, match="ADD, keeps state between calls in 'state'"):
        choose_cuts(read_graph(sketch.save(tmp_path / "lstm.tflite", sketch.sum(x, state, "sum/add"))))


def test_an_output_that_is_just_an_input_is_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])

    with pytest.raises(InvalidInput, match="output 'x' is an input, passed on as it is"):
        choose_cuts(read_graph(sketch.save(tmp_path / "through.tflite", sketch.relu(x, "y"), x)))


@pytest.mark.parametrize("squared", ["MUL", "SQUARE"])
def test_no_cut_lies_between_squares_and_their_mean(squared, sketch, tmp_path):
    x = sketch.relu(sketch.input("x", [1, 4]), "first/Relu")
    squares = sketch.step(squared, [x, x] if squared == "MUL" else [x], "squares")
    mean = sketch.tensor("mean", [1, 1])
    sketch.add("MEAN", [squares, sketch.constant("axis", [1], "int32")], [mean], schema.ReducerOptionsT(keepDims=True))
    graph = read_graph(sketch.save(tmp_path / "norm.tflite", sketch.relu(mean, "last/Relu")))

    assert [cut for cut in range(1, 4) if graph.is_cut_point(cut)] == [1, 3]
    assert f"operator 1, {squared}, and operator 2, MEAN, as one" in graph.obstacle_at(2)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"hello, I am a text file\n", b"\x00" * 64, b"\x1c\x00\x00\x00TFL3"])
def test_what_is_not_tflite_is_refused_by_name(content, tmp_path):
    path = tmp_path / "not.tflite"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"not\.tflite"):
        read_graph(path)


def test_a_missing_file_is_invalid_input(tmp_path):
    with pytest.raises(InvalidInput, match=r"gone\.tflite cannot be read"):
        read_graph(tmp_path / "gone.tflite")


def test_a_truncated_network_is_refused_wherever_it_ends(tmp_path):
    content, path = digits_vgg("int8").read_bytes(), tmp_path / "short.tflite"
    generator = random.Random(11)

    for size in [generator.randrange(len(content)) for _ in range(40)] + [len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(InvalidInput, match=r"short\.tflite"):
            read_graph(path)


def test_a_small_network_is_refused_wherever_it_ends(odd_networks, tmp_path):
    content, path = odd_networks["loop"].read_bytes(), tmp_path / "short.tflite"

    for size in range(0, len(content), 64):
        path.write_bytes(content[:size])
        with pytest.raises(InvalidInput, match=r"short\.tflite"):
            read_graph(path)


def test_names_stay_different_where_numbers_are_added():
    names = names_of_cuts(["mul", "mul", "mul_2", "add"], ["MUL", "MUL", "ADD", "ADD"])

    assert names == ("input", "mul/mul_1", "mul/mul_2", "mul_2", "output")
    assert len(set(names_of_cuts(["x", "x", "x/a_1", "x/a_2", "y"], ["A", "A", "B", "C", "D"]))) == 6


def test_names_are_told_in_one_line(sketch, tmp_path):
    x = sketch.input("x", [1, 4], 5)
    path = sketch.save(tmp_path / "text.tflite", sketch.step("EQUAL", [x, x], "two\nlines\x1b[31m/Equal", kind="bool"))

    graph = read_graph(path)

    assert graph.tensors[1].name.isprintable()
    assert "\n" not in graph.obstacle


@pytest.mark.exhaustive
def test_damaged_bytes_never_end_in_anything_but_invalid_input(odd_networks, tmp_path):
    generator, path = random.Random(12), tmp_path / "bent.tflite"
    refused = 0
    for content in [network.read_bytes() for network in odd_networks.values()] * 60:
        bent = bytearray(content)
        for _ in range(3):
            bent[generator.randrange(len(bent))] = generator.choice([0, 1, 127, 128, 255])
        path.write_bytes(bent)
        try:
            graph = read_graph(path)
            cut_network(graph, choose_cuts(graph, "all"))
        except InvalidInput as error:
            refused += 1
            assert "bent.tflite" in str(error)

    assert refused > 100


def test_an_index_that_points_nowhere_is_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    y = sketch.relu(x, "y")
    sketch.graph.operators[0].inputs = [77]

    with pytest.raises(InvalidInput, match="refers to tensor 77 of 2"):
        read_graph(sketch.save(tmp_path / "bad.tflite", y))


def test_a_constant_that_is_shorter_than_its_shape_is_refused(sketch, tmp_path):
    x = sketch.input("x", [1, 4])
    y = sketch.scale(x, [1, 2, 3, 4], "y")
    sketch.graph.tensors[1].shape = [1, 400]

    with pytest.raises(InvalidInput, match="holds 16 bytes, its shape needs 1600"):
        read_graph(sketch.save(tmp_path / "bad.tflite", y))
