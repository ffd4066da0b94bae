"""`dynasplit inspect`, as a user meets it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from models.network.good_cuts import good_cuts
from models.network.graph import read_graph
from models.zoo import digits_vgg
from tools.cli import main


def test_operators_cut_points_and_totals_are_told(capsys):
    code = main(["inspect", str(digits_vgg()), "--json", "-"])

    captured = capsys.readouterr()
    facts = json.loads(captured.out)
    assert code == 0
    assert facts["refused"] is None
    assert facts["bytes"] == digits_vgg().stat().st_size
    assert facts["totals"]["macs_by_kind"] == {"conv/float32": 275_447_808, "dense/float32": 131_712}
    assert facts["operators"][0]["layer"] == "block1_relu1"
    assert facts["operators"][0]["outputs"][0]["shape"] == [1, 64, 64, 48]
    assert [point["head_macs"] for point in facts["cut_points"]][-1] == facts["totals"]["macs"]
    assert "block1_relu1  CONV_2D" in captured.err


def test_a_good_cut_sends_less_than_every_earlier_one_and_the_input():
    graph = read_graph(digits_vgg())
    sizes = [graph.boundary_bytes(cut) for cut in range(graph.operator_count)]

    good = good_cuts(graph)

    assert [graph.cut_name(cut) for cut in good] == ["block4_pool", "fc1", "predictions"]
    assert all(sizes[cut] < min(sizes[:cut]) for cut in good)


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_shortens_no_figure(width, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))

    main(["inspect", str(digits_vgg())])

    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.split()[-2:] == ["786,432", "31"] for line in lines)


@pytest.mark.exhaustive
def test_the_same_network_gives_the_same_drawing_with_its_good_cuts_named(tmp_path):
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"

    for path in (first, second):
        assert main(["inspect", str(digits_vgg()), "--plot", str(path)]) == 0

    text = " ".join(ET.parse(first).getroot().itertext())
    assert first.read_bytes() == second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]
    assert "block4_pool" in text
    assert "cut point: operators before it" in text


@pytest.mark.exhaustive
def test_the_drawing_is_a_png_where_the_name_says_so(tmp_path):
    main(["inspect", str(digits_vgg()), "--plot", str(tmp_path / "net.PNG")])

    assert (tmp_path / "net.PNG").read_bytes().startswith(b"\x89PNG")


def test_a_network_that_cannot_be_cut_is_shown_with_the_reason(tmp_path, capsys):
    from ai_edge_litert import schema_py_generated as schema

    from models.network.tflite import pack

    tensors = [schema.TensorT(shape=[1], type=0, buffer=0, name=name) for name in ("x", "y")]
    operator = schema.OperatorT(opcodeIndex=0, inputs=[0], outputs=[1])
    graph = schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[operator], name="main")
    code = schema.OperatorCodeT(32, "FlexMagic", 1, 32)
    path = tmp_path / "magic.tflite"
    path.write_bytes(pack(schema.ModelT(3, [code], [graph], "drawn by a test", [schema.BufferT()])))

    exit_code = main(["inspect", str(path), "--json", str(tmp_path / "facts.json")])

    facts = json.loads((tmp_path / "facts.json").read_text())
    assert exit_code == 0
    assert "FlexMagic, is an operator of TensorFlow" in facts["refused"]
    assert not any(point["possible"] for point in facts["cut_points"])
    assert facts["good_cuts"] == []
    assert "It cannot be cut" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["gone.tflite"], "gone.tflite cannot be read"),
        ([str(digits_vgg().with_name("card.json"))], "is not a TFLite network"),
        ([str(digits_vgg()), "--plot", "net.pdf"], "must end in .svg or .png"),
        ([str(digits_vgg()), "--plot", "nowhere/net.svg"], "in a folder that exists"),
        ([str(digits_vgg()), "--json", "nowhere/net.json"], "in a folder that exists"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    code = main(["inspect", *arguments])

    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
