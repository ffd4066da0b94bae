"""Compiling heads for an Edge TPU: what the compiler is given, how its words are read, what becomes of its failures."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from models.bundle import SIGNATURES, Bundle
from models.cutting import edgetpu
from models.cutting.edgetpu import (
    compilable_cuts,
    compile_heads,
    compiler_input,
    find_compiler,
    parse_report,
    with_compiled_heads,
)
from models.cutting.mixed import make_mixed_bundle
from models.cutting.plain import make_bundle
from models.edgetpu_roles import compiled_signatures, head_role
from models.network import tflite
from models.running.extract import extract
from models.zoo import digits_vgg
from protocol.errors import InvalidInput, NotFound, ServiceMissing

SAID = """\
Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 231 ms.

On-chip memory used for caching model parameters: 6.86MiB
On-chip memory remaining for caching model parameters: 7.75KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 5

Operator                       Count      Status

CONV_2D                        2          Mapped to Edge TPU
CONV_2D                        1          More than one subgraph is not supported
DEQUANTIZE                     1          Operation is working on an unsupported data type
QUANTIZE                       1          Mapped to Edge TPU
"""


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    return make_bundle(digits_vgg("int8"), tmp_path_factory.mktemp("int8") / "b", name="digits_vgg", cuts=(1, 4, 10))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed") / "b"
    return make_mixed_bundle(digits_vgg("int8"), digits_vgg(), folder, name="digits_vgg", cuts=(4, 10)).bundle


def test_what_the_compiler_prints_is_read():
    report = parse_report(SAID)

    assert report.compiler == "16.0.384591198"
    assert (report.on_tpu, report.on_cpu) == (3, 2)
    assert report.on_chip_bytes == round(6.86 * 2**20)
    assert report.on_chip_left_bytes == round(7.75 * 2**10)
    assert report.off_chip_bytes == 0
    assert report.fates[1].status == "More than one subgraph is not supported"


def test_operators_are_counted_once_though_screen_and_log_both_tell_them():
    assert parse_report(SAID + SAID) == parse_report(SAID)


def test_other_words_are_unknown_not_zero():
    assert parse_report("Edge TPU Compiler version 99").on_chip_bytes is None


def test_the_compiler_gets_one_graph_with_the_operator_codes_in_use_alone(mixed):
    content = extract(mixed.artifact(SIGNATURES).read_bytes(), "head_4")

    model = tflite.parse(compiler_input(content, what="head_4"), what="head_4")

    names = {tflite.operator_name(model, operator) for operator in model.subgraphs[0].operators}
    assert names == {"QUANTIZE", "CONV_2D", "MAX_POOL_2D"}
    assert len(model.operatorCodes) == 3
    assert len(tflite.parse(content, what="head_4").operatorCodes) > 3
    assert not model.signatureDefs and not model.metadata
    assert len(model.subgraphs) == 1


def test_what_the_compiler_gets_still_computes_the_head(int8):
    content = extract(int8.artifact(SIGNATURES).read_bytes(), "head_4")
    image = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)
    answers = []
    for each in (content, compiler_input(content, what="head_4")):
        interpreter = Interpreter(model_content=each)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))

    assert np.array_equal(*answers)


def test_graphs_that_are_called_are_refused(odd_networks, tmp_path):
    bundle = make_bundle(odd_networks["loop"], tmp_path / "b", name="loop", cuts="all")
    content = extract(bundle.artifact(SIGNATURES).read_bytes(), "whole")

    with pytest.raises(InvalidInput, match="one graph only"):
        compiler_input(content, what="whole")


def test_heads_with_int8_work_are_compiled_and_fp32_ones_refused_with_advice(int8, digits_bundles):
    assert compilable_cuts(int8.manifest) == (4, 10, 20)
    assert compilable_cuts(int8.manifest, (10,)) == (10,)
    with pytest.raises(InvalidInput, match=r"no int8 heads .* --quantize-head"):
        compilable_cuts(digits_bundles["fp32"].manifest)
    with pytest.raises(NotFound, match="no cut point 3"):
        compilable_cuts(int8.manifest, (3,))


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("kind", ["int8", "mixed"])
def test_compiled_heads_become_artifacts_of_a_new_bundle(kind, int8, mixed, edgetpu_compiler, tmp_path):
    bundle = {"int8": int8, "mixed": mixed}[kind]

    heads = list(compile_heads(bundle, edgetpu_compiler, (4, 20), timeout_s=60))
    made = with_compiled_heads(bundle, tmp_path / "b", heads)

    assert [head.report.on_tpu for head in heads] == [4, 19]
    assert heads[1].report.on_cpu == 1
    assert Bundle.open(made.folder).digest == made.digest != bundle.digest
    assert compiled_signatures(made.manifest) == {"head_4": head_role(4), "whole": head_role(20)}
    assert made.manifest.cut_points == bundle.manifest.cut_points


def test_compiling_in_place_and_again_gives_the_same_bundle(int8, edgetpu_compiler, tmp_path):
    first = list(compile_heads(int8, edgetpu_compiler, (10,), timeout_s=60))
    second = list(compile_heads(int8, edgetpu_compiler, (4,), timeout_s=60))
    both = with_compiled_heads(int8, tmp_path / "both", [*second, *first])

    grown = with_compiled_heads(with_compiled_heads(int8, tmp_path / "b", first), tmp_path / "b", second)

    assert grown.digest == both.digest
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize(
    ("failure", "complaint"),
    [
        ("static:4", "Model failed in Tflite interpreter"),
        ("silent:4", "gave no reason"),
        ("cpu:4", "nothing of it was mapped"),
    ],
)
def test_a_head_that_fails_is_left_out_and_says_why(int8, edgetpu_compiler, monkeypatch, failure, complaint):
    monkeypatch.setenv("EDGETPU_FAILURE", failure)

    four, ten = compile_heads(int8, edgetpu_compiler, (4, 10), timeout_s=60)

    assert four.content == b""
    assert complaint in four.failure
    assert ten.content and not ten.failure


@pytest.mark.exhaustive
def test_a_compiler_that_hangs_is_ended(int8, edgetpu_compiler, monkeypatch):
    monkeypatch.setenv("EDGETPU_FAILURE", "hang")
    monkeypatch.setattr(edgetpu, "_GRACE_S", -59.5)

    (four,) = compile_heads(int8, edgetpu_compiler, (4,), timeout_s=60)

    assert "did not come to an end" in four.failure


def test_a_compiler_that_is_not_installed_is_a_missing_service_with_the_way_to_get_it(tmp_path):
    with pytest.raises(ServiceMissing, match="Coral's Debian repository, for x86-64 only") as caught:
        find_compiler(tmp_path / "edgetpu_compiler")
    assert caught.value.exit_code == 4


def test_a_compiler_that_cannot_be_started_is_a_missing_service(int8, tmp_path):
    (tmp_path / "compiler").write_text("#!/no/such/shell\n")
    (tmp_path / "compiler").chmod(0o755)

    with pytest.raises(ServiceMissing, match="cannot be started"):
        list(compile_heads(int8, find_compiler(tmp_path / "compiler"), (4,), timeout_s=60))
