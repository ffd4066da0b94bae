"""Mixed bundles: heads of one file, tails of another of the same model, and nothing else."""

from __future__ import annotations

import json
from contextlib import closing

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from models.bundle import MANIFEST, Bundle
from models.cutting.exactness import differences, random_samples
from models.cutting.matching import scores
from models.cutting.mixed import make_mixed_bundle, matched
from models.cutting.mixed_check import reference
from models.manifest import Manifest
from models.network import tflite
from models.network.graph import graph_of, read_graph
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.runner import FakeRunner, SignatureRunner
from models.running.runner_choice import open_runner
from models.zoo import digits_vgg, digits_vit, load_digits_vgg
from protocol.configuration import Codec
from protocol.errors import InvalidInput
from protocol.tensors import decode, encode


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    return make_mixed_bundle(digits_vgg("int8"), digits_vgg(), folder / "bundle", name="digits_vgg", cuts="all")


@pytest.fixture(scope="module")
def runner(mixed, tmp_path_factory):
    opened = open_runner(mixed.bundle, cache_dir=tmp_path_factory.mktemp("weights"))
    yield opened
    opened.close()


def test_the_int8_boundary_of_the_head_crosses_with_its_own_scale(mixed):
    point = mixed.bundle.manifest.cut(4)

    assert point.name == "block1_pool"
    assert [(spec.datatype, spec.shape) for spec in point.boundary] == [("INT8", (1, 32, 32, 48))]
    assert point.boundary[0].scale == pytest.approx(0.0322, abs=1e-4)
    assert point.boundary_bytes * 4 == 32 * 32 * 48 * 4


def test_cut_points_count_the_head_s_operators_and_the_tail_has_its_own(mixed):
    manifest = mixed.bundle.manifest

    assert manifest.mixed
    assert manifest.cuts == (*range(19), 20)
    assert [manifest.tail_network.cuts[cut] for cut in (0, 1, 2, 18, 20)] == [0, 0, 1, 17, 18]
    assert manifest.network_digest == read_graph(digits_vgg("int8")).digest
    assert manifest.tail_network.network_digest == read_graph(digits_vgg()).digest


def test_the_head_s_work_is_int8_and_the_tail_s_is_fp32(mixed):
    manifest = mixed.bundle.manifest

    assert set(manifest.head_work(20).macs) == {"conv/int8", "dense/int8"}
    assert set(manifest.tail_work(0).macs) == {"conv/float32", "dense/float32"}
    assert manifest.head_work(10).total_macs + manifest.tail_work(10).total_macs == manifest.tail_work(0).total_macs
    assert manifest.tail_work(20).operators == 0


def test_the_manifest_survives_json_under_a_schema_that_older_readers_refuse(mixed):
    content = json.loads((mixed.bundle.folder / MANIFEST).read_bytes())

    assert content["schema"] == 2
    assert Manifest.from_json(content) == mixed.bundle.manifest
    assert Bundle.open(mixed.bundle.folder).digest == mixed.bundle.digest


def test_a_plain_bundle_is_written_as_it_always_was(digits_bundles):
    content = json.loads((digits_bundles["int8"].folder / MANIFEST).read_bytes())

    assert content["schema"] == 1
    assert "tail_network" not in content


@pytest.mark.parametrize("change", [[], [[0, 0]], [[0, 0], [1]], [[0, 5], [20, 18]]])
def test_a_manifest_whose_tails_do_not_fit_is_refused(mixed, change):
    content = mixed.bundle.manifest.to_json()
    content["tail_network"] = {**content["tail_network"], "cuts": change}

    with pytest.raises(InvalidInput, match="cut"):
        Manifest.from_json(content)


@pytest.mark.exhaustive
def test_making_it_again_gives_the_same_digest(mixed, tmp_path):
    again = make_mixed_bundle(digits_vgg("int8"), digits_vgg(), tmp_path / "b", name="digits_vgg", cuts="all")

    assert again.bundle.digest == mixed.bundle.digest


def test_it_is_about_as_large_as_both_networks(mixed):
    networks = sum(digits_vgg(kind).stat().st_size for kind in ("int8", "fp32"))

    assert sum(artifact.bytes for artifact in mixed.bundle.manifest.artifacts) < 1.01 * networks


@pytest.mark.exhaustive
def test_it_is_as_accurate_as_fp32_wherever_it_is_cut(mixed, runner):
    zoo, wrong = load_digits_vgg(), dict.fromkeys((0, 4, 10, 16, 20), 0)
    for number in range(24):
        for cut in wrong:
            outputs = served(mixed.bundle, runner, cut, zoo.input(number))
            wrong[cut] += int(next(iter(outputs.values())).argmax() != zoo.labels[number])

    assert max(wrong.values()) <= min(wrong.values()) + 1


def served(bundle, runner, cut, image):
    """The outputs as when they are served: the boundary crosses as its own INT8, whatever the codec."""
    head = runner.head(cut, [image])
    specs = bundle.manifest.cut(cut).boundary
    sent = [encode(array, spec, Codec.INT8) for array, spec in zip(head.boundary, specs, strict=True)]
    received = [decode(tensor, spec, Codec.INT8) for tensor, spec in zip(sent, specs, strict=True)]
    return {**head.finished, **runner.tail(cut, received)}


def test_the_fake_answers_alike_at_every_cut(mixed):
    fake, image = FakeRunner(mixed.bundle.manifest), np.zeros((1, 64, 64, 1), np.float32)
    image[0, 0, 0, 0] = 5.0
    whole = next(iter(fake.head(20, [image]).finished.values()))

    for cut in mixed.bundle.manifest.cuts[:-1]:
        found = fake.tail(cut, fake.head(cut, [image]).boundary)
        assert np.array_equal(next(iter(found.values())), whole), cut


@pytest.mark.exhaustive(sample=1)
def test_odd_networks_make_both_halves_exactly(odd_network, tmp_path):
    """The same file on both sides: skip connections, several outputs and graphs that are called keep their places."""
    mixed = make_mixed_bundle(odd_network, odd_network, tmp_path / "bundle", name="odd", cuts="all")
    samples = list(random_samples(mixed.bundle.manifest, 2))

    with reference(mixed, odd_network, odd_network, tmp_path) as expected:
        runner = open_runner(mixed.bundle, cache_dir=tmp_path)
        found = differences(mixed.bundle.manifest, runner, samples, expected=expected)
        runner.close()

    assert len(found) > 2
    assert set(found.values()) == {None}


def quantised(scale, zero_point):
    return schema.QuantizationParametersT(scale=[scale], zeroPoint=[zero_point])


def partly_quantised(sketch, path):
    """relu as INT8 between QUANTIZE and DEQUANTIZE, then floats again."""
    x = sketch.input("x", [1, 4])
    narrow = sketch.tensor("x_quantized", [1, 4], "int8", quantization=quantised(1 / 64, -3))
    sketch.add("QUANTIZE", [x], [narrow])
    relu = sketch.tensor("first/Relu", [1, 4], "int8", quantization=quantised(1 / 64, -3))
    sketch.add("RELU", [narrow], [relu])
    wide = sketch.tensor("first/Relu_dequant", [1, 4])
    sketch.add("DEQUANTIZE", [relu], [wide])
    return sketch.save(path, sketch.scale(wide, [2.0, 3, 4, 5], "second/mul"))


def plain(sketch, path, *, last=(2.0, 3, 4, 5), name="first/Relu"):
    relu = sketch.relu(sketch.input("x", [1, 4]), name)
    return sketch.save(path, sketch.scale(relu, list(last), "second/mul"))


def test_a_boundary_that_is_a_float_in_the_head_crosses_as_it_is(new_sketch, tmp_path):
    head = partly_quantised(new_sketch(), tmp_path / "int8.tflite")
    tail = plain(new_sketch(), tmp_path / "fp32.tflite")

    manifest = make_mixed_bundle(head, tail, tmp_path / "bundle", name="small", cuts="all").bundle.manifest

    assert manifest.tail_network.cuts == {0: 0, 1: 0, 2: 1, 3: 1, 4: 2}
    assert [manifest.cut(cut).boundary[0].datatype for cut in (1, 2, 3)] == ["INT8", "INT8", "FP32"]


def test_int8_ends_are_the_head_s_input_and_a_float_output(new_sketch, tmp_path):
    sketch = new_sketch()
    x = sketch.tensor("x", [1, 4], "int8", quantization=quantised(1 / 64, 0))
    sketch.graph.inputs.append(x)
    relu = sketch.tensor("first/Relu", [1, 4], "int8", quantization=quantised(1 / 64, 0))
    sketch.add("RELU", [x], [relu])
    again = sketch.tensor("second/Relu", [1, 4], "int8", quantization=quantised(1 / 64, 0))
    sketch.add("RELU", [relu], [again])
    head = sketch.save(tmp_path / "int8.tflite", again)
    sketch = new_sketch()
    relu = sketch.relu(sketch.input("x", [1, 4]), "first/Relu")
    tail = sketch.save(tmp_path / "fp32.tflite", sketch.relu(relu, "second/Relu"))

    bundle = make_mixed_bundle(head, tail, tmp_path / "bundle", name="small", cuts="all").bundle
    runner = open_runner(bundle)
    image = np.array([[64, -64, 32, 0]], np.int8)
    found = [served(bundle, runner, cut, image) for cut in bundle.manifest.cuts]

    assert (bundle.manifest.inputs[0].datatype, bundle.manifest.outputs[0].datatype) == ("INT8", "FP32")
    assert [next(iter(outputs.values())).tolist() for outputs in found] == [[[1.0, 0.0, 0.5, 0.0]]] * 3


@pytest.mark.parametrize(
    ("tail", "complaint"),
    [
        ({"name": "stem/Relu"}, "no boundary of the same name and shape"),
        ({"inputs": [1, 5]}, "their inputs are"),
    ],
)
def test_files_that_are_not_of_one_model_are_refused(new_sketch, tmp_path, tail, complaint):
    head = partly_quantised(new_sketch(), tmp_path / "int8.tflite")
    sketch = new_sketch()
    x = sketch.input("x", tail.get("inputs", [1, 4]))
    middle = sketch.relu(sketch.relu(x, "before/Relu"), tail.get("name", "first/Relu"))
    path = sketch.save(tmp_path / "fp32.tflite", sketch.relu(middle, "second/Relu"))
    if "name" in tail:
        head = plain(new_sketch(), tmp_path / "other.tflite")

    with pytest.raises(InvalidInput, match=complaint):
        make_mixed_bundle(head, path, tmp_path / "bundle", name="no", cuts="all")
    assert not (tmp_path / "bundle").exists()


def test_other_weights_under_the_same_names_are_refused(tmp_path):
    model = tflite.read(digits_vgg())
    generator = np.random.default_rng(1)
    for buffer in model.buffers:
        if (data := tflite.data_of(buffer)) is not None and len(data) > 4000:
            buffer.data = generator.permutation(data.view(np.float32)).view(np.uint8)
    model.buffers = [tflite.AlignedBuffer(tflite.data_of(buffer)) for buffer in model.buffers]
    (tmp_path / "other.tflite").write_bytes(tflite.pack(model))

    with pytest.raises(InvalidInput, match=r"not of one model: (after|at output) '.*' their values correlate by"):
        matched(read_graph(digits_vgg("int8")), read_graph(tmp_path / "other.tflite"))


def test_a_cut_that_only_one_of_them_has_is_refused_when_asked_for(tmp_path):
    with pytest.raises(
        InvalidInput, match="cannot be cut at 19 with the tail of another network; both can be cut at 1, 2"
    ):
        make_mixed_bundle(digits_vgg("int8"), digits_vgg(), tmp_path / "b", name="digits", cuts=(19,))


def test_two_models_that_share_their_input_alone_are_refused():
    with pytest.raises(InvalidInput, match=r"are not of one model.*behind their inputs they have no boundary"):
        matched(read_graph(digits_vit("int8")), read_graph(digits_vgg()))


def test_files_that_differ_behind_the_last_common_boundary_only_are_refused(new_sketch, tmp_path):
    head = partly_quantised(new_sketch(), tmp_path / "int8.tflite")
    tail = plain(new_sketch(), tmp_path / "fp32.tflite", last=(-2.0, 3, -4, 1))

    with pytest.raises(InvalidInput, match="not of one model: at output 'second/mul'"):
        make_mixed_bundle(head, tail, tmp_path / "bundle", name="no")


def test_outputs_are_compared_before_the_softmax(new_sketch):
    """In int8, small probabilities are 0: a thousand random classes come to a correlation of 0.2 behind it, 0.96 before."""
    ends = []
    for wide in (False, True):
        sketch = new_sketch()
        last = sketch.relu(sketch.input("x", [1, 4]), "scores")
        last = sketch.step("SOFTMAX", [last], "shares", schema.SoftmaxOptionsT(beta=1.0))
        if wide:
            last = sketch.step("DEQUANTIZE", [last], "wide")
        ends.append(graph_of(sketch.model(last), what="drawn", digest=""))

    assert list(scores(ends[0], ends[1]).values()) == [(1, 1)]


def test_outputs_that_are_whole_numbers_are_not_compared(new_sketch):
    sketch = new_sketch()
    places = sketch.tensor("places", [1, 2], "int32")
    values = sketch.tensor("values", [1, 2])
    sketch.add("TOPK_V2", [sketch.input("x", [1, 4]), sketch.constant("k", 2, "int32")], [values, places])
    graph = graph_of(sketch.model(values, places), what="drawn", digest="")

    assert list(scores(graph, graph)) == ["values"]


def compiled(bundle, *, cache_dir):
    return SignatureRunner(bundle.manifest, CompiledEngine(bundle, cache=weight_cache(bundle, cache_dir)))


def interpreter(bundle, *, cache_dir):
    return SignatureRunner(bundle.manifest, InterpreterEngine(bundle, folder=cache_dir))


@pytest.mark.system
@pytest.mark.parametrize("open_one", [compiled, interpreter])
def test_a_product_of_two_boundary_tensors_is_the_fp32_file_s_own_to_the_bit(tmp_path, monkeypatch, open_one):
    """Attention at cut 23 of the transformer: softmax and values cross, and BATCH_MATMUL comes next."""
    monkeypatch.setattr("models.cutting.mixed_check.open_runner", open_one)
    files = digits_vit("int8"), digits_vit()
    mixed = make_mixed_bundle(*files, tmp_path / "bundle", name="vit", cuts=(23,))
    samples = list(random_samples(mixed.bundle.manifest, 2))

    with reference(mixed, *files, tmp_path) as expected, closing(open_one(mixed.bundle, cache_dir=tmp_path)) as opened:
        found = differences(mixed.bundle.manifest, opened, samples, expected=expected)

    assert found == {0: None, 23: None, 152: None}
