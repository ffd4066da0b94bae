"""`dynasplit cut`, as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from models.bundle import Bundle
from models.cutting.exactness import Difference
from models.zoo import digits_vgg
from tools import cut
from tools.cli import main

CARD = str(digits_vgg().with_name("card.json"))


def test_a_network_is_cut_checked_and_described(tmp_path, capsys):
    arguments = ["cut", str(digits_vgg("int8")), "-o", str(tmp_path / "bundle"), "--cuts", "4,7", "--check", "1"]

    code = main([*arguments, "--card", CARD, "--json", "-"])

    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    bundle = Bundle.open(tmp_path / "bundle")
    assert code == 0
    assert facts["exact"] is True
    assert [point["index"] for point in facts["cut_points"]] == [0, 4, 7, 20]
    assert facts["network_bytes"] == digits_vgg("int8").stat().st_size
    assert facts["refused"] is None
    assert bundle.manifest.network == "digits_vgg"
    assert bundle.manifest.labels == tuple("0123456789")
    assert "block1_pool" in captured.err


@pytest.mark.exhaustive
def test_what_was_not_run_is_not_called_exact(tmp_path):
    main(["cut", str(digits_vgg()), "-o", str(tmp_path / "bundle"), "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["exact"] is None
    assert {point["exact"] for point in facts["cut_points"]} == {None}


@pytest.mark.exhaustive
def test_a_cut_that_is_not_exact_fails_and_says_by_how_much(tmp_path, monkeypatch, capsys):
    off = {cut: Difference(0.25, 2, 10) if cut == 3 else None for cut in range(21)}
    monkeypatch.setattr(cut, "differences", lambda *_, **__: off)

    code = main(
        ["cut", str(digits_vgg()), "-o", str(tmp_path / "b"), "--check", "--json", str(tmp_path / "facts.json")]
    )

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == 1
    assert facts["exact"] is False
    assert [point["index"] for point in facts["cut_points"] if not point["exact"]] == [3]
    assert facts["cut_points"][3]["difference"] == {"largest": 0.25, "differing": 2, "count": 10}
    assert "off by 0.25 in 2 of 10" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["gone.tflite", "-o", "bundle"], "gone.tflite cannot be read"),
        ([CARD, "-o", "bundle"], "is not a TFLite network"),
        ([str(digits_vgg()), "-o", "bundle", "--cuts", "3,x"], "--cuts must be single, all or a list"),
        ([str(digits_vgg()), "-o", "bundle", "--cuts", "77"], "cannot be cut at 77"),
        ([str(digits_vgg()), "-o", "bundle", "--card", "none.json"], "none.json cannot be read"),
        ([str(digits_vgg()), "-o", "bundle", "--check", "-1"], "--check takes a number"),
        ([str(digits_vgg()), "-o", "bundle", "--name", ""], "network's name (--name) '' must be 1 to 64 letters"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code = main(["cut", *arguments])

    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


def test_a_refusal_is_in_the_json_too(tmp_path):
    main(["cut", str(tmp_path / "gone.tflite"), "-o", str(tmp_path / "b"), "--json", str(tmp_path / "facts.json")])

    assert "cannot be read" in json.loads((tmp_path / "facts.json").read_text())["refused"]


@pytest.mark.exhaustive
def test_heads_of_an_int8_file_make_a_mixed_bundle_that_is_checked_against_both(tmp_path, capsys):
    arguments = ["cut", str(digits_vgg()), "--head", str(digits_vgg("int8")), "-o", str(tmp_path / "bundle")]

    code = main([*arguments, "--cuts", "4,10", "--check", "1", "--card", CARD, "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert code == 0
    assert (facts["mixed"], facts["exact"]) == (True, True)
    assert [point["boundary"][0]["datatype"] for point in facts["cut_points"][:3]] == ["FP32", "INT8", "INT8"]
    assert facts["network_bytes"] == sum(digits_vgg(kind).stat().st_size for kind in ("fp32", "int8"))
    assert Bundle.open(tmp_path / "bundle").manifest.labels == tuple("0123456789")
    assert "dequantised" in capsys.readouterr().err


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("option", ["--head", "--quantize-head"])
def test_a_head_that_is_not_there_is_one_line(option, tmp_path, capsys):
    code = main(["cut", str(digits_vgg()), option, str(tmp_path / "gone"), "-o", str(tmp_path / "bundle")])

    assert code in (2, 4)
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


@pytest.mark.convert
def test_a_head_is_quantised_with_samples(tmp_path):
    pytest.importorskip("ai_edge_quantizer", reason="needs the quantizer: make install-convert")
    samples = str(digits_vgg().with_name("test.npz"))
    command = [sys.executable, "-m", "tools.cut", str(digits_vgg()), "--quantize-head", samples, "--card", CARD]

    subprocess.run([*command, "-o", str(tmp_path / "bundle"), "--cuts", "10", "--check", "1"], check=True)

    manifest = Bundle.open(tmp_path / "bundle").manifest
    assert manifest.mixed
    assert manifest.cut(10).boundary[0].datatype == "INT8"
