"""Calibration samples: images from a folder or a file, or arrays named as the network's inputs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from models.manifest import Scaling
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from tools.calibration import read_calibration

IMAGE = TensorSpec("pixels", "FP32", (1, 4, 4, 1))
AGE = TensorSpec("age", "FP32", (1, 2))


def read(path, *specs, **options):
    return read_calibration(path, specs, Scaling(0.5), name="net", **options)


@pytest.fixture
def npz(tmp_path):
    def write(**arrays):
        np.savez(tmp_path / "samples.npz", **arrays)
        return tmp_path / "samples.npz"

    return write


def test_images_without_labels_are_scaled(npz, capsys):
    (found,) = read(npz(images=np.full((3, 4, 4, 1), 10, np.uint8)), IMAGE)

    assert (found.dtype, found.shape, found.max()) == (np.float32, (3, 4, 4, 1), 5.0)
    assert "only 3 calibration samples" in capsys.readouterr().err


def test_images_of_a_folder_are_found_in_folders_in_it(tmp_path):
    (tmp_path / "a").mkdir()
    Image.new("L", (9, 9), 100).save(tmp_path / "a" / "x.png")
    Image.new("L", (4, 4), 100).save(tmp_path / "y.png")

    (found,) = read(tmp_path, IMAGE)

    assert found.shape == (2, 4, 4, 1)
    assert set(found.ravel()) == {50.0}


def test_arrays_named_as_the_inputs_are_used_as_they_are(npz):
    pixels, ages = np.ones((5, 4, 4, 1), np.float32), np.ones((5, 1, 2), np.float32)

    found = read(npz(age=ages, pixels=pixels, labels=np.arange(5)), IMAGE, AGE, limit=3)

    assert [array.shape for array in found] == [(3, 4, 4, 1), (3, 1, 2)]
    assert found[0].max() == 1.0


def test_an_input_called_images_takes_both(npz):
    called = TensorSpec("images", "FP32", (1, 4, 4, 1))

    assert read(npz(images=np.full((1, 4, 4, 1), 10, np.uint8)), called)[0].max() == 5.0
    assert read(npz(images=np.full((1, 4, 4, 1), 10, np.float32)), called)[0].max() == 10.0


@pytest.mark.parametrize(
    ("specs", "arrays", "complaint"),
    [
        (
            (IMAGE,),
            {"other": np.zeros(3)},
            "'images' .uint8., or an array named as the network's input: pixels; not other",
        ),
        ((IMAGE, AGE), {"pixels": np.zeros(3)}, "2 inputs; give an .npz with arrays named pixels, age"),
        ((AGE,), {"age": np.zeros((3, 2))}, "samples 'age' must be FP32"),
        ((AGE,), {"age": np.zeros((0, 2), np.float32)}, "one at least"),
        (
            (IMAGE, AGE),
            {"pixels": np.zeros((2, 4, 4, 1), np.float32), "age": np.zeros((3, 2), np.float32)},
            r"as many of each input, and one at least, not .2, 3.",
        ),
        ((IMAGE,), {"images": np.zeros((2, 5, 5, 1), np.uint8)}, r"takes images of .4, 4, 1., those are .5, 5, 1."),
    ],
)
def test_what_does_not_fit_is_refused_with_what_would(npz, specs, arrays, complaint):
    with pytest.raises(InvalidInput, match=complaint) as refused:
        read(npz(**arrays), *specs)
    assert "samples.npz" in str(refused.value)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="there are no images in it"):
        read(tmp_path, IMAGE)
