"""Results that the runtime allocates late or computes early answer as the network's own file, again and again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from models.cutting import plain
from models.cutting.exactness import through
from models.cutting.plain import make_bundle
from models.cutting.rehearsal import doubtful, rehearse
from models.network.graph import read_graph
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine
from models.running.runner import RunnerFailed, SignatureRunner
from models.zoo import digits_vgg
from protocol.errors import InvalidInput
from tools.cli import main

INT32, INT64 = schema.TensorType.INT32, schema.TensorType.INT64


def segments(sketch):
    """SEGMENT_SUM allocates its result anew at every run, though its segments are constant."""
    stem = sketch.relu(sketch.input("x", [4, 8]), "stem/Relu")
    summed = sketch.tensor("summed/SegmentSum", [2, 8])
    sketch.add("SEGMENT_SUM", [stem, sketch.constant("of", [0, 0, 1, 1], "int32")], [summed])
    return [sketch.relu(summed, "end/Relu"), summed]


def _positions(sketch, x):
    large = sketch.step("GREATER", [x, sketch.constant("half", [[0.5]])], "large", schema.GreaterOptionsT(), "bool")
    found = sketch.tensor("found/Where", [1, 2], INT64, shapeSignature=[-1, 2])
    sketch.add("WHERE", [large], [found])
    shape = sketch.tensor("sides/Shape", [2], "int32")
    sketch.add("SHAPE", [found], [shape], schema.ShapeOptionsT(outType=INT32))
    return shape


def counted(sketch):
    """How many entries WHERE has found is an output: a scalar that is computed while its operator is prepared."""
    x = sketch.input("x", [1, 8])
    count = sketch.tensor("count/Prod", [], "int32")
    sketch.add(
        "REDUCE_PROD", [_positions(sketch, x), sketch.constant("axis", [0], "int32")], [count], schema.ReducerOptionsT()
    )
    return [count, sketch.scale(x, [2.0] * 8, "end/mul")]


def counted_shape(sketch):
    """The shape itself crosses, then what is cast from it, and it is an output."""
    x = sketch.input("x", [1, 8])
    shape = _positions(sketch, x)
    options = schema.CastOptionsT(inDataType=INT32, outDataType=schema.TensorType.FLOAT32)
    sides = sketch.step("CAST", [shape], "sides/Cast", options)
    total = sketch.tensor("total/Sum", [])
    sketch.add("SUM", [sides, sketch.constant("axes", [0], "int32")], [total], schema.ReducerOptionsT())
    return [sketch.step("DIV", [x, total], "end/div", schema.DivOptionsT()), shape]


def distinct(sketch):
    """UNIQUE gives the places as well, whose shape is fixed."""
    x = sketch.input("x", [8], "int32")
    values, places = sketch.tensor("values", [1], "int32", shapeSignature=[-1]), sketch.tensor("places", [8], "int32")
    sketch.add("UNIQUE", [x], [values, places], schema.UniqueOptionsT(idxOutType=INT32))
    one = sketch.constant("one", [1] * 8, "int32")
    return [sketch.step("ADD", [places, one], "end/add", schema.AddOptionsT(), "int32"), places]


DRAWINGS = (segments, counted, counted_shape, distinct)


def _answers(path, samples):
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    for (sample,) in samples:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], sample)
        interpreter.invoke()
        yield [interpreter.get_tensor(entry["index"]).copy() for entry in interpreter.get_output_details()]


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("draw", DRAWINGS)
@pytest.mark.parametrize("engine", [CompiledEngine, InterpreterEngine])
def test_every_cut_answers_as_the_file_run_after_run(draw, engine, sketch, tmp_path):
    path = sketch.save(tmp_path / "odd.tflite", *draw(sketch))
    bundle = make_bundle(path, tmp_path / "bundle", name="odd", cuts="all")
    spec, generator = bundle.manifest.inputs[0], np.random.default_rng(3)
    samples = [((generator.random(spec.shape) * 3).astype(spec.dtype),) for _ in range(3)]
    runner = SignatureRunner(bundle.manifest, engine(bundle))

    for cut in bundle.manifest.cuts:
        for sample, answer in zip(samples, _answers(path, samples), strict=True):
            found = through(runner, cut, sample)

            for output, expected in zip(bundle.manifest.outputs, answer, strict=True):
                assert found[output.name].tobytes() == expected.tobytes(), (cut, output.name)
    runner.close()


def test_networks_of_known_operators_are_not_rehearsed():
    assert not any(doubtful(read_graph(digits_vgg(kind))) for kind in ("fp32", "int8"))


@pytest.fixture
def segments_network(sketch, tmp_path):
    return sketch.save(tmp_path / "segments.tflite", *segments(sketch))


def test_a_cut_that_fails_at_the_rehearsal_is_left_out_or_refused_by_name(segments_network, tmp_path, monkeypatch):
    monkeypatch.setattr(plain, "rehearse", lambda *_: {2: "it fails"})

    bundle = make_bundle(segments_network, tmp_path / "bundle", name="odd", prove=lambda *_: None)

    assert bundle.manifest.cuts == (0, 1, 3)
    with pytest.raises(InvalidInput, match="cannot be cut at 2: with operator 1, SEGMENT_SUM, it fails"):
        make_bundle(segments_network, tmp_path / "other", name="odd", cuts=[2], prove=lambda *_: None)
    assert not (tmp_path / "other").exists()


@pytest.mark.system
def test_a_rehearsal_tells_wrong_answers(segments_network, new_sketch, tmp_path):
    other = new_sketch()
    bundle = make_bundle(segments_network, tmp_path / "bundle", name="odd")
    x = other.input("x", [4, 8])
    wrong = other.constant("zeros", np.zeros((2, 8)))
    top = other.tensor("top", [2, 8])
    other.add("SLICE", [x, other.constant("at", [0, 0], "int32"), other.constant("size", [2, 8], "int32")], [top])
    path = other.save(tmp_path / "other.tflite", top, other.sum(top, wrong, "sum"))

    assert rehearse(segments_network, bundle) == {}
    assert set(rehearse(path, bundle)) == {0, 1, 2, 3}


@pytest.mark.exhaustive
def test_a_check_that_the_runtime_fails_is_told_by_cut_and_in_the_json(tmp_path, monkeypatch, capfd):
    run = SignatureRunner.tail

    def fail_at_7(self, cut, boundary):
        if cut == 7:
            raise RunnerFailed("no answer")
        return run(self, cut, boundary)

    monkeypatch.setattr(SignatureRunner, "tail", fail_at_7)
    target = tmp_path / "facts.json"
    words = ["cut", str(digits_vgg("int8")), "-o", str(tmp_path / "b"), "--cuts", "4,7", "--check", "1"]

    code = main([*words, "--json", str(target)])

    facts = json.loads(target.read_text())
    assert code == 1
    assert facts["exact"] is False
    assert [(point["exact"], point["failure"]) for point in facts["cut_points"][1:3]] == [
        (True, None),
        (False, "no answer"),
    ]
    assert "cut 7 fails: no answer" in capfd.readouterr().err


def test_a_number_of_checks_that_is_refused_is_in_the_json_too(tmp_path):
    target = tmp_path / "facts.json"

    code = main(["cut", str(digits_vgg()), "-o", str(tmp_path / "b"), "--check", "0", "--json", str(target)])

    assert code == 2
    assert "--check takes a number" in json.loads(target.read_text())["refused"]
