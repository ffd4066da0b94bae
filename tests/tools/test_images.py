"""Image files become what a network takes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from tools.images import check_image_input, read_pixels
from tools.infer import read_input

NHWC = TensorSpec("image", "FP32", (1, 4, 6, 3))
NCHW = TensorSpec("image", "FP32", (1, 3, 4, 6))


@pytest.fixture
def red(tmp_path):
    Image.new("RGB", (12, 12), (200, 10, 0)).save(tmp_path / "red.png")
    return tmp_path / "red.png"


def test_an_image_has_the_inputs_shape_in_either_layout(red):
    last, first = read_pixels(red, NHWC, "NHWC"), read_pixels(red, NCHW, "NCHW")

    assert last.shape == NHWC.shape
    assert last.dtype == np.uint8
    assert (first == last.transpose(0, 3, 1, 2)).all()
    assert last[0, 0, 0].tolist() == [200, 10, 0]


def test_a_grey_input_gets_grey_pixels(red):
    assert read_pixels(red, TensorSpec("image", "FP32", (1, 4, 6, 1)), "NHWC").shape == (1, 4, 6, 1)


@pytest.mark.parametrize(
    ("shape", "layout"), [((1, 10), "NHWC"), ((2, 4, 4, 3), "NHWC"), ((1, 4, 4, 3), "NCHW"), ((1, 3, 4, 4), "NHWC")]
)
def test_an_input_that_is_no_image_is_refused(shape, layout):
    with pytest.raises(InvalidInput, match="not an image's"):
        check_image_input(TensorSpec("x", "FP32", shape), layout)


@pytest.mark.parametrize("cut_at", [0, 10, 45])
def test_a_damaged_file_is_named(red, cut_at):
    red.write_bytes(red.read_bytes()[:cut_at])

    with pytest.raises(InvalidInput, match=r"red\.png"):
        read_pixels(red, NHWC, "NHWC")


def test_infer_quantises_for_an_input_of_bytes(red):
    spec = TensorSpec("image", "INT8", (1, 4, 6, 3), scale=1 / 255, zero_point=-128)

    found = read_input(red, spec, {"scale": 1 / 255, "offset": 0.0})

    assert found.dtype == np.int8
    assert found[0, 0, 0].tolist() == [72, -118, -128]
