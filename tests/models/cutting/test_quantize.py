"""Quantising a network for the heads of a mixed bundle."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from models.bundle import Bundle
from models.cutting.mixed import make_mixed_bundle
from models.cutting.quantize import quantize
from models.network.graph import read_graph
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, load_digits_vgg
from protocol.errors import InvalidInput, ServiceMissing

QUANTISE = """
import sys
from pathlib import Path
from models.cutting.quantize import quantize
from models.zoo import digits_vgg, load_digits_vgg
zoo = load_digits_vgg()
quantize(digits_vgg(), ([zoo.input(number)] for number in range(30)), Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    """In a process of its own: the quantizer warns, prints and counts its steps."""
    if importlib.util.find_spec("ai_edge_quantizer") is None:
        pytest.skip("needs the quantizer: make install-convert")
    path = tmp_path_factory.mktemp("quantised") / "int8.tflite"
    subprocess.run([sys.executable, "-c", QUANTISE, str(path)], check=True)
    return path


@pytest.mark.convert
def test_weights_and_activations_are_int8_and_the_ends_floats(quantised):
    graph = read_graph(quantised)

    inner = {graph.tensors[index].type_name for cut in range(1, graph.operator_count) for index in graph.boundary(cut)}
    assert inner == {"INT8"}
    assert [graph.tensors[index].type_name for index in (*graph.inputs.values(), *graph.outputs.values())] == [
        "FLOAT32",
        "FLOAT32",
    ]


@pytest.mark.convert
def test_the_mixed_bundle_that_it_makes_answers_as_fp32_does(quantised, tmp_path):
    bundle = make_mixed_bundle(quantised, digits_vgg(), tmp_path / "b", name="digits", cuts=(4, 10, 16)).bundle
    runner, zoo = open_runner(bundle), load_digits_vgg()

    for cut in bundle.manifest.cuts:
        heads = [runner.head(cut, [zoo.input(number)]) for number in range(40, 60)]
        said = [{**head.finished, **runner.tail(cut, head.boundary)} for head in heads]
        right = [next(iter(each.values())).argmax() == zoo.labels[40 + place] for place, each in enumerate(said)]
        assert sum(right) >= 19, cut
    assert Bundle.open(bundle.folder).digest == bundle.digest


def test_without_the_quantizer_a_service_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ai_edge_quantizer", None)

    with pytest.raises(ServiceMissing, match="make install-convert"):
        quantize(digits_vgg(), [[np.zeros((1, 64, 64, 1), np.float32)]], tmp_path / "int8.tflite")


@pytest.mark.convert
def test_without_samples_nothing_is_quantised(quantised, tmp_path):
    assert quantised.is_file()

    with pytest.raises(InvalidInput, match="at least one calibration sample"):
        quantize(digits_vgg(), [], tmp_path / "int8.tflite")


@pytest.mark.convert
def test_an_operator_that_the_quantizer_cannot_look_into_is_named(quantised, monkeypatch, odd_networks):
    assert quantised.is_file()

    def give_up(*_arguments):
        raise RuntimeError("Tensor data is null. Run allocate_tensors() first")

    monkeypatch.setattr("models.cutting.quantize._signature", lambda _graph: "serving_default")
    monkeypatch.setattr("models.cutting.quantize._quantized", give_up)

    with pytest.raises(InvalidInput, match=r"cannot be quantised: .*operator 1, WHILE, which runs graphs of its own"):
        quantize(odd_networks["loop"], [[np.ones(1, np.float32)]], odd_networks["loop"].with_name("int8.tflite"))
