"""What holds for every runner: CompiledModel, Interpreter and the fake."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from models.bundle import SIGNATURES, Bundle, write
from models.cutting.mixed import make_mixed_bundle
from models.cutting.mixed_check import reference
from models.cutting.plain import make_bundle
from models.running.interpreter_runner import InterpreterEngine
from models.running.litert_runner import CompiledEngine, weight_cache
from models.running.runner import FakeRunner, Runner, RunnerFailed, SignatureRunner
from models.zoo import digits_vgg, load_digits_vgg
from protocol.configuration import Codec
from protocol.errors import InvalidInput, NotFound
from protocol.tensors import Array, Tensor, TensorSpec, decode, encode

Open = Callable[[Bundle], Runner]


def compiled(bundle: Bundle, folder: Path) -> Runner:
    return SignatureRunner(bundle.manifest, CompiledEngine(bundle, cache=weight_cache(bundle, folder)))


def interpreter(bundle: Bundle, folder: Path) -> Runner:
    return SignatureRunner(bundle.manifest, InterpreterEngine(bundle, folder=folder))


def fake(bundle: Bundle, folder: Path) -> Runner:
    return FakeRunner(bundle.manifest)


@pytest.fixture(params=[compiled, interpreter, fake], ids=lambda make: make.__name__)
def open_with(request: pytest.FixtureRequest, weight_cache_folder: Path) -> Iterator[Open]:
    opened = []

    def opening(bundle: Bundle) -> Runner:
        opened.append(request.param(bundle, weight_cache_folder))
        return opened[-1]

    yield opening
    for runner in opened:
        runner.close()


def travelled(array: Array, spec: TensorSpec) -> Array:
    """The tensor after the wire: encoded, as bytes, decoded."""
    sent = encode(array, spec, Codec.RAW)
    received = np.frombuffer(sent.array.tobytes(), sent.array.dtype).reshape(spec.shape)
    return decode(Tensor(sent.name, received, sent.parameters), spec, Codec.RAW)


def through(runner: Runner, bundle: Bundle, cut: int, inputs: list[Array]) -> Mapping[str, Array]:
    head = runner.head(cut, inputs)
    boundary = [travelled(*pair) for pair in zip(head.boundary, bundle.manifest.cut(cut).boundary, strict=True)]
    return {**runner.tail(cut, boundary), **head.finished}


def samples(bundle: Bundle) -> list[Array]:
    generator = np.random.default_rng(3)
    return [generator.normal(scale=3, size=spec.shape).astype(spec.dtype) for spec in bundle.manifest.inputs]


def assert_same(found: Mapping[str, Array], expected: Mapping[str, Array], cut: int) -> None:
    assert found.keys() == expected.keys(), f"cut {cut}"
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), f"cut {cut}, output {name}"


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_head_then_wire_then_tail_is_bit_identical_to_the_whole_at_every_cut(open_with, digits_bundles, kind):
    bundle, image = digits_bundles[kind], load_digits_vgg(kind).input(7)
    runner = open_with(bundle)
    whole = runner.head(bundle.manifest.operator_count, [image]).finished

    assert len(bundle.manifest.cuts) == bundle.manifest.operator_count + 1
    for cut in bundle.manifest.cuts:
        assert_same(through(runner, bundle, cut, [image]), whole, cut)


@pytest.mark.exhaustive(sample=6)
def test_odd_networks_are_bit_identical_at_every_cut(open_with, odd_network, tmp_path):
    bundle = make_bundle(odd_network, tmp_path / "bundle", name="odd", cuts="all")
    runner, inputs = open_with(bundle), samples(bundle)
    whole = runner.head(bundle.manifest.operator_count, inputs).finished

    assert len(bundle.manifest.cuts) > 2
    for cut in bundle.manifest.cuts:
        assert_same(through(runner, bundle, cut, inputs), whole, cut)


@pytest.mark.exhaustive(sample=1)
def test_a_mixed_bundle_answers_as_its_two_networks_one_after_the_other(open_with, tmp_path):
    networks = digits_vgg("int8"), digits_vgg()
    mixed = make_mixed_bundle(*networks, tmp_path / "bundle", name="digits_vgg", cuts=(1, 4, 10, 17))
    runner, image = open_with(mixed.bundle), load_digits_vgg().input(7)

    with reference(mixed, *networks, tmp_path) as expected:
        for cut in mixed.bundle.manifest.cuts:
            found = through(runner, mixed.bundle, cut, [image])
            for spec in mixed.bundle.manifest.outputs:
                spec.check(found[spec.name])
            if runner.runtime != "fake":
                assert_same(found, expected(cut, [image]), cut)


def test_arrays_have_the_dtypes_and_shapes_of_the_manifest(open_with, digits_bundles):
    bundle, image = digits_bundles["int8"], load_digits_vgg("int8").input(0)
    runner = open_with(bundle)

    for cut in (4, bundle.manifest.operator_count):
        head = runner.head(cut, [image])
        for spec, array in zip(bundle.manifest.cut(cut).boundary, head.boundary, strict=True):
            spec.check(array)
        outputs = {**runner.tail(cut, head.boundary), **head.finished}
        for spec in bundle.manifest.outputs:
            spec.check(outputs[spec.name])


def test_results_belong_to_the_caller(open_with, digits_bundles):
    bundle, zoo = digits_bundles["fp32"], load_digits_vgg()
    runner = open_with(bundle)
    first = runner.head(3, [zoo.input(0)]).boundary[0]
    kept = first.copy()

    runner.head(3, [zoo.input(1)])

    assert np.array_equal(first, kept)


def test_going_back_to_an_open_cut_point_costs_no_reload(open_with, digits_bundles, caplog):
    bundle, image = digits_bundles["fp32"], load_digits_vgg().input(0)
    runner = open_with(bundle)
    for cut in (3, 5):
        runner.tail(cut, runner.head(cut, [image]).boundary)
    caplog.set_level(logging.DEBUG)

    for cut in (3, 5, 3):
        runner.tail(cut, runner.head(cut, [image]).boundary)

    assert "opened" not in caplog.text


def test_at_cut_0_the_boundary_is_the_input(open_with, digits_bundles):
    image = load_digits_vgg().input(0)

    head = open_with(digits_bundles["fp32"]).head(0, [image])

    assert head.boundary[0] is image
    assert head.finished == {}


def test_at_the_last_cut_nothing_is_left_for_the_tail(open_with, digits_bundles):
    bundle = digits_bundles["fp32"]
    runner = open_with(bundle)

    head = runner.head(bundle.manifest.operator_count, [load_digits_vgg().input(0)])

    assert head.boundary == ()
    assert runner.tail(bundle.manifest.operator_count, ()) == {}


def test_an_unknown_cut_point_is_not_found_and_the_possible_ones_are_listed(open_with, digits_bundles):
    runner = open_with(digits_bundles["fp32"])

    with pytest.raises(NotFound, match=r"no cut point 99; it has 0, 1, 2"):
        runner.head(99, [load_digits_vgg().input(0)])


def test_arrays_that_do_not_fit_are_refused(open_with, digits_bundles):
    runner = open_with(digits_bundles["fp32"])
    image = load_digits_vgg().input(0)

    with pytest.raises(InvalidInput, match="must be FP32"):
        runner.head(3, [image.astype(np.float64)])
    with pytest.raises(InvalidInput, match="must be FP32"):
        runner.tail(3, [image])
    with pytest.raises(InvalidInput, match="1 inputs are needed, not 2"):
        runner.head(3, [image, image])


def test_a_closed_runner_stays_closed(open_with, digits_bundles):
    runner = open_with(digits_bundles["fp32"])
    runner.head(3, [load_digits_vgg().input(0)])

    runner.close()
    runner.close()

    with pytest.raises(RunnerFailed, match="closed"):
        runner.head(3, [load_digits_vgg().input(0)])


def test_the_runtime_is_named(open_with, digits_bundles):
    runtime = open_with(digits_bundles["fp32"]).runtime

    assert runtime == "fake" or runtime.startswith("litert-2.")


@pytest.mark.exhaustive(sample=3)
@pytest.mark.parametrize("content", [b"", b"not a flatbuffer at all", "truncated"])
def test_a_flatbuffer_that_the_runtime_refuses_fails_without_a_crash(open_with, digits_bundles, tmp_path, content):
    whole = digits_bundles["fp32"].artifact(SIGNATURES).read_bytes()
    content = whole[: len(whole) // 2] if content == "truncated" else content
    bundle = write(tmp_path / "bundle", digits_bundles["fp32"].manifest, {SIGNATURES: ("signatures.tflite", content)})
    runner = open_with(bundle)

    if runner.runtime != "fake":
        with pytest.raises(RunnerFailed, match=r"signatures\.tflite"):
            runner.head(3, [load_digits_vgg().input(0)])
