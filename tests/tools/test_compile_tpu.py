"""`dynasplit compile-tpu`, as a user meets it."""

from __future__ import annotations

import json

import pytest

from models.bundle import Bundle
from models.cutting.plain import make_bundle
from models.zoo import digits_vgg
from tools.cli import main


@pytest.fixture
def bundle(tmp_path):
    return make_bundle(digits_vgg("int8"), tmp_path / "bundle", name="digits_vgg", cuts=(4, 10))


@pytest.fixture
def compile_tpu(bundle, edgetpu_compiler, tmp_path):
    def call(*more):
        facts = tmp_path / "facts.json"
        code = main(
            ["compile-tpu", str(bundle.folder), "--compiler", str(edgetpu_compiler), "--json", str(facts), *more]
        )
        return code, json.loads(facts.read_text())

    return call


@pytest.mark.exhaustive
def test_heads_are_compiled_into_the_bundle_and_described(bundle, compile_tpu, capsys):
    code, facts = compile_tpu("--cuts", "4,20")

    now = Bundle.open(bundle.folder)
    said = " ".join(capsys.readouterr().err.split())
    assert code == 0
    assert facts["compiled_from"] == bundle.digest
    assert facts["bundle"] == now.digest != bundle.digest
    assert [(head["cut"], head["report"]["on_tpu"], head["report"]["on_cpu"]) for head in facts["heads"]] == [
        (4, 4, 0),
        (20, 19, 1),
    ]
    assert {artifact.role for artifact in now.manifest.artifacts} == {"signatures", "edgetpu-head-4", "edgetpu-head-20"}
    assert "1.25 MiB" in said
    assert f"made from {bundle.digest:.12}" in said


def test_the_old_bundle_stays_with_an_output_of_its_own(bundle, compile_tpu, tmp_path):
    _, facts = compile_tpu("--cuts", "4", "-o", str(tmp_path / "new"))

    assert Bundle.open(bundle.folder).digest == bundle.digest
    assert Bundle.open(tmp_path / "new").digest == facts["bundle"]


@pytest.mark.exhaustive
def test_a_cut_that_fails_is_left_out_and_the_rest_goes_in(bundle, compile_tpu, monkeypatch, capsys):
    monkeypatch.setenv("EDGETPU_FAILURE", "static:4")

    code, facts = compile_tpu("--cuts", "4,20")

    assert code == 0
    assert "Tflite interpreter" in facts["heads"][0]["failure"]
    assert "cut 4 is left out" in capsys.readouterr().err
    assert {artifact.role for artifact in Bundle.open(bundle.folder).manifest.artifacts} == {
        "signatures",
        "edgetpu-head-20",
    }


def test_where_all_fail_the_check_fails_and_the_bundle_is_as_it_was(bundle, compile_tpu, monkeypatch):
    monkeypatch.setenv("EDGETPU_FAILURE", "silent")

    code, facts = compile_tpu("--cuts", "4")

    assert code == 1
    assert facts["bundle"] is None
    assert Bundle.open(bundle.folder).digest == bundle.digest


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--compiler", "no_such_compiler"], 4, "no_such_compiler is not installed here: it comes from Coral's"),
        (["--cuts", "4,x"], 2, "--cuts must be all or a list"),
        (["--cuts", "77"], 2, "no cut point 77"),
        (["--timeout", "0"], 2, "--timeout takes seconds"),
    ],
)
def test_what_cannot_be_done_is_one_line(bundle, arguments, code, complaint, capsys):
    found = main(["compile-tpu", str(bundle.folder), *arguments])

    error = capsys.readouterr().err
    assert found == code
    assert complaint in error
    assert error.count("\n") == 1
