"""`dynasplit convert`, as a user meets it."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest

from models.bundle import Bundle
from models.card import card_of, card_path, read_card
from models.zoo import digits_vgg
from protocol.errors import InvalidInput
from tools.cli import main


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["vgg19"], "there is no network 'vgg19': give vgg16, resnet50"),
        (["vgg16", "--int8"], "--int8 needs --calibration"),
        (["vgg16", "--calibration", "."], "--calibration is for --int8 only"),
        (["vgg16", "--weights", "gone.h5"], "there is no file 'gone.h5'"),
        (["vgg16", "--seed", "-1"], "--seed takes a number from 0"),
        (["vgg16", "-o", "net.onnx"], "must end in .tflite, not 'net.onnx'"),
        (["vgg16", "-o", "nowhere/net.tflite"], "cannot write nowhere/net.tflite"),
        (["vgg16", "--json", "nowhere/facts.json"], "cannot write nowhere/facts.json"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2_before_tensorflow_is_asked_for(
    arguments, complaint, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "tensorflow", None)

    code = main(["convert", *arguments])

    error = capsys.readouterr().err
    assert code == 2
    assert complaint in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_without_tensorflow_it_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "keras", None)

    code = main(["convert", "vgg16", "--weights", "none"])

    assert code == 4
    assert "make install-convert" in capsys.readouterr().err


@pytest.mark.exhaustive
def test_cut_takes_the_card_that_lies_beside_the_network(tmp_path):
    network = tmp_path / "net.tflite"
    network.write_bytes(digits_vgg("int8").read_bytes())
    card = {"network": "mine", "input": {"scale": 0.5, "offset": -1.0}, "labels": ["a", "b"]}
    digest = hashlib.sha256(network.read_bytes()).hexdigest()
    card_path(network).write_text(json.dumps(card | {"sha256": digest}))

    code = main(["cut", str(network), "-o", str(tmp_path / "bundle"), "--cuts", "4"])

    manifest = Bundle.open(tmp_path / "bundle").manifest
    assert code == 0
    assert (manifest.network, manifest.labels) == ("mine", ("a", "b"))
    assert (manifest.scaling.scale, manifest.scaling.offset) == (0.5, -1.0)


def test_the_card_of_another_file_is_refused(tmp_path):
    network = tmp_path / "net.tflite"
    network.write_bytes(b"a network")
    card_path(network).write_text(json.dumps({"input": {"scale": 1.0}, "sha256": "0" * 64}))

    with pytest.raises(InvalidInput, match=r"net\.card\.json tells of another file"):
        card_of(network)


def test_a_network_without_a_card_goes_in_as_it_is(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"a network")

    assert card_of(tmp_path / "net.tflite").scaling.scale == 1.0


@pytest.fixture
def own_model(tmp_path, monkeypatch):
    """A small Keras model of one's own, in the current directory."""
    monkeypatch.chdir(tmp_path)
    keras = pytest.importorskip("keras", reason="needs TensorFlow: make install-convert")
    image = keras.Input((12, 12, 3), name="image")
    x = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    model = keras.Model(image, keras.layers.Dense(5, activation="softmax", name="out")(keras.layers.Flatten()(x)))
    model.save(tmp_path / "mine.keras")
    return tmp_path / "mine.keras"


CONVERT = [
    pytest.mark.convert,
    # Keras turns its variables into arrays in a way that numpy 2 deprecates.
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"),
]


def marked(function):
    for mark in CONVERT:
        function = mark(function)
    return function


@marked
def test_a_model_of_ones_own_becomes_a_network_with_a_card_and_can_be_cut(own_model, capsys):
    code = main(["convert", "mine.keras", "--json", "-"])

    facts = json.loads(capsys.readouterr().out)
    network = own_model.with_name("mine-fp32.tflite")
    card = read_card(card_path(network))
    assert code == 0
    assert facts["output"] == "mine-fp32.tflite"
    assert facts["bytes"] == network.stat().st_size
    assert facts["parameters"] == 4 * 3 * 9 + 4 + 400 * 5 + 5
    assert facts["macs"] == 100 * 4 * 27 + 2000
    assert facts["precision"] == "fp32"
    assert card.name == "mine"
    assert card.sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
    assert main(["cut", str(network), "-o", "bundle", "--cuts", "all", "--check", "1"]) == 0


@marked
@pytest.mark.parametrize("folder", [True, False])
def test_int8_is_calibrated_on_a_folder_or_an_npz(own_model, folder, capsys):
    from PIL import Image

    images = np.random.default_rng(1).integers(0, 256, (3, 12, 12, 3), dtype=np.uint8)
    np.savez(own_model.with_name("images.npz"), images=images)
    own_model.with_name("images").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(own_model.with_name("images") / f"{number}.png")

    code = main(
        ["convert", "mine.keras", "--int8", "--calibration", "images" if folder else "images.npz", "-o", "a.tflite"]
    )

    assert code == 0
    assert "only 3 calibration samples" in capsys.readouterr().err
    card = json.loads(own_model.with_name("a.card.json").read_text())
    assert (card["precision"], card["calibration"]) == ("int8", {"samples": 3})


@marked
@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("wrong.npz", {"images": np.zeros((2, 8, 8, 3), np.uint8)}, "takes images of [12, 12, 3]"),
        ("none.npz", {"pixels": np.zeros(3)}, "there must be 'images'"),
    ],
)
def test_calibration_that_does_not_fit_is_refused(own_model, name, content, complaint, capsys):
    np.savez(own_model.with_name(name), **content)

    code = main(["convert", "mine.keras", "--int8", "--calibration", name])

    assert code == 2
    assert complaint in capsys.readouterr().err
    assert not own_model.with_name("mine-int8.tflite").exists()
