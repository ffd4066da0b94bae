"""The flatbuffer of heads and tails: which cuts it holds, what it shares, what can be taken out of it."""

from __future__ import annotations

import numpy as np
import pytest

from models.cutting.cut import choose_cuts, cut_network, cut_point
from models.network import tflite
from models.network.graph import read_graph
from models.running.extract import extract
from models.zoo import digits_vgg
from protocol.errors import InvalidInput


def test_by_default_only_cuts_with_one_boundary_tensor_are_chosen(odd_networks):
    graph = read_graph(odd_networks["diamond"])

    assert choose_cuts(graph) == (1,)
    assert choose_cuts(graph, "all") == (1, 2, 3)
    assert choose_cuts(graph, [3, 1, 3, 0, 4]) == (1, 3)


def test_a_cut_after_an_operator_that_both_sides_repeat_is_not_counted_twice(odd_networks):
    graph = read_graph(odd_networks["half_weights"])

    assert choose_cuts(graph, "all") == (2, 3)


@pytest.mark.parametrize("cut", [-1, 5, 99])
def test_an_impossible_cut_is_refused_with_the_possible_ones(odd_networks, cut):
    with pytest.raises(InvalidInput, match=rf"cannot be cut at {cut}; possible are 1, 2, 3"):
        choose_cuts(read_graph(odd_networks["diamond"]), [cut])


def test_an_unknown_word_for_cuts_is_refused(odd_networks):
    with pytest.raises(InvalidInput, match="'single', 'all' or a list"):
        choose_cuts(read_graph(odd_networks["diamond"]), "some")


def test_the_same_network_and_cuts_give_the_same_bytes():
    first, second = (cut_network(read_graph(digits_vgg()), (3, 6)) for _ in range(2))

    assert first == second


@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_all_cuts_together_are_hardly_larger_than_the_network(kind):
    graph = read_graph(digits_vgg(kind))

    flatbuffer = cut_network(graph, choose_cuts(graph, "all"))

    assert len(flatbuffer) < 1.05 * digits_vgg(kind).stat().st_size


def test_every_buffer_starts_at_a_multiple_of_16():
    flatbuffer = cut_network(read_graph(digits_vgg("int8")), (3,))
    model = tflite.parse(flatbuffer, what="cut")
    start = np.frombuffer(flatbuffer, np.uint8).ctypes.data
    offsets = [buffer.data.ctypes.data - start for buffer in model.buffers if tflite.data_of(buffer) is not None]

    assert len(offsets) > 20
    assert {offset % 16 for offset in offsets} == {0}


def test_a_bundle_can_be_read_as_a_network_again(tmp_path):
    path = tmp_path / "again.tflite"
    path.write_bytes(cut_network(read_graph(digits_vgg()), (3, 6)))

    assert read_graph(path).operator_count == 18


def test_an_extracted_head_holds_only_its_own_weights():
    graph = read_graph(digits_vgg())
    flatbuffer = cut_network(graph, (3, 16))

    head, tail = extract(flatbuffer, "head_3"), extract(flatbuffer, "tail_16")

    assert len(head) < 100_000
    assert len(tail) < 20_000
    assert len(tflite.parse(head, what="head").subgraphs) == 1


def test_an_unknown_signature_cannot_be_extracted():
    flatbuffer = cut_network(read_graph(digits_vgg()), (3,))

    with pytest.raises(InvalidInput, match="no signature 'head_4'"):
        extract(flatbuffer, "head_4")


def test_called_graphs_come_along_when_a_side_is_extracted(odd_networks):
    flatbuffer = cut_network(read_graph(odd_networks["loop"]), (1, 2))

    extracted = tflite.parse(extract(flatbuffer, "tail_1"), what="tail")

    assert [tflite.text(graph.name) for graph in extracted.subgraphs] == ["tail_1", "cond", "body"]


def test_a_cut_point_says_what_crosses_and_where_it_comes_from(odd_networks):
    crossing = cut_point(read_graph(odd_networks["crossing_input"]), 2)
    shared = cut_point(read_graph(odd_networks["two_outputs"]), 2)

    assert [spec.name for spec in crossing.boundary] == ["b0", "b1"]
    assert crossing.from_inputs == {"b0": "b"}
    assert shared.outputs_in_boundary == {"shared/mul": "b0"}
    assert shared.finished_outputs == ("early/mul", "shared/mul")


def test_a_quantised_boundary_carries_the_networks_own_scale():
    point = cut_point(read_graph(digits_vgg("int8")), 4)

    assert point.boundary[0].datatype == "INT8"
    assert point.boundary[0].scale > 0
    assert point.boundary_bytes == 32 * 32 * 48
