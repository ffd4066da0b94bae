"""Samples: from pixels and arrays to what a network takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.accuracy.sample_sets import PixelSet, digest_of_arrays, read_sample_set
from models.accuracy.samples import Samples, as_input, scaled
from models.manifest import CutPoint, Manifest, Scaling
from protocol.errors import InvalidInput
from protocol.tensors import TensorSpec
from protocol.work import Work

PIXELS = TensorSpec("image", "FP32", (1, 2, 2, 1))


def manifest(*inputs: TensorSpec) -> Manifest:
    points = (CutPoint(0, "input", inputs), CutPoint(1, "output", ()))
    outputs = (TensorSpec("scores", "FP32", (1, 10)),)
    return Manifest("tiny", "0" * 64, (Work(),), inputs, outputs, points, scaling=Scaling(1 / 255, -0.5))


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "samples.npz", **arrays)
        return tmp_path / "samples.npz"

    return save


@pytest.mark.parametrize(
    ("spec", "pixel", "value"),
    [
        (TensorSpec("x", "FP32", (1,)), 255, 0.5),
        (TensorSpec("x", "FP16", (1,)), 0, -0.5),
        (TensorSpec("x", "INT8", (1,), scale=1 / 256, zero_point=0), 0, -128),
        (TensorSpec("x", "INT8", (1,), scale=1 / 256, zero_point=0), 255, 127),
        (TensorSpec("x", "UINT8", (1,), scale=1 / 255, zero_point=128), 130, 130),
        (TensorSpec("x", "INT8", (1,), scale=0.1, zero_point=3), 51, 0),
    ],
)
def test_pixels_are_scaled_and_then_quantised_by_the_inputs_own_scale(spec, pixel, value):
    found = as_input(np.array([pixel], np.uint8), spec, Scaling(1 / 255, -0.5))

    assert found.dtype == spec.dtype
    assert found[0] == pytest.approx(value)


def test_an_input_of_plain_bytes_takes_pixels_as_they_are():
    pixels = np.arange(256, dtype=np.uint8)

    assert (as_input(pixels, TensorSpec("x", "UINT8", (256,)), Scaling()) == pixels).all()
    assert (as_input(pixels, TensorSpec("x", "INT8", (256,)), Scaling(offset=-128.0)) == np.arange(-128, 128)).all()


def test_images_and_labels_become_inputs_one_by_one(saved):
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)

    found = read_sample_set(saved(images=images, labels=[4, 5, 6]), manifest(PIXELS), limit=2)

    assert len(found) == 2
    assert found.labels.tolist() == [4, 5]
    assert (found.inputs(1)[0] == scaled(images[1:2], Scaling(1 / 255, -0.5))).all()


def test_arrays_named_as_the_inputs_are_used_as_they_are(saved):
    two = manifest(TensorSpec("a", "FP32", (1, 3)), TensorSpec("b", "INT32", (4,)))
    a, b = np.ones((2, 3), np.float32), np.arange(8, dtype=np.int32).reshape(2, 4)

    found = read_sample_set(saved(a=a, b=b, labels=np.zeros((2, 5))), two)

    assert [array.shape for array in found.inputs(1)] == [(1, 3), (4,)]
    assert found.inputs(1)[1].tolist() == [4, 5, 6, 7]
    assert found.labels.shape == (2, 5)


def test_an_input_that_is_called_images_takes_its_own_type_as_it_is(saved):
    named = manifest(replace(PIXELS, name="images"))
    values = np.full((1, 2, 2, 1), 0.25, np.float32)

    assert read_sample_set(saved(images=values, labels=[1]), named).inputs(0)[0][0, 0, 0, 0] == 0.25
    assert (
        read_sample_set(saved(images=np.zeros_like(values, np.uint8), labels=[1]), named).inputs(0)[0][0, 0, 0, 0]
        == -0.5
    )


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"images": np.zeros((2, 2, 2, 1), np.uint8)}, "'labels' are missing"),
        ({"labels": np.zeros(2)}, "must be 'images'"),
        ({"images": np.zeros((2, 2, 2, 1), np.uint8), "labels": np.zeros(3, int)}, "2 images, but 3 labels"),
        ({"images": np.zeros((2, 3, 3, 1), np.uint8), "labels": np.zeros(2, int)}, r"takes images of \[2, 2, 1\]"),
        ({"images": np.zeros((0, 2, 2, 1), np.uint8), "labels": np.zeros(0, int)}, "must be uint8"),
        ({"image": np.zeros((2, 5), np.float32), "labels": np.zeros(2, int)}, r"must be FP32 \[N, 2, 2, 1\]"),
        ({"image": np.zeros((0, 2, 2, 1), np.float32), "labels": np.zeros(0, int)}, "there are none"),
        ({"images": np.zeros((2, 2, 2, 1), np.uint8), "labels": np.array(3)}, "'labels' are missing"),
        ({"images": np.array([{}], dtype=object), "labels": np.zeros(1, int)}, "plain arrays"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_file_in_one_line(saved, arrays, complaint):
    with pytest.raises(InvalidInput, match=complaint) as told:
        read_sample_set(saved(**arrays), manifest(PIXELS))
    assert "samples.npz" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_damaged_archive_is_refused(saved):
    path = saved(images=np.arange(4000, dtype=np.uint8).reshape(1000, 2, 2, 1), labels=np.zeros(1000, int))
    content = bytearray(path.read_bytes())
    content[1000:1010] = b"0123456789"
    for damaged in (content, content[:300], content[-300:]):
        path.write_bytes(damaged)
        with pytest.raises(InvalidInput, match=r"samples\.npz"):
            read_sample_set(path, manifest(PIXELS))


def test_images_are_samples_of_one_input(saved):
    two = manifest(PIXELS, replace(PIXELS, name="mask"))

    with pytest.raises(InvalidInput, match="give arrays named image, mask"):
        read_sample_set(saved(images=np.zeros((2, 2, 2, 1), np.uint8), labels=np.zeros(2, int)), two)


def test_the_digest_is_of_the_content_wherever_it_comes_from(saved):
    images, labels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1), np.array([1, 2])
    of_file = read_sample_set(saved(labels=labels, images=images), manifest(PIXELS)).digest

    assert PixelSet.of(Samples(images, labels), manifest(PIXELS)).digest == of_file
    assert PixelSet.of(Samples(images, labels[::-1]), manifest(PIXELS)).digest != of_file
    assert digest_of_arrays({"a": images}) != digest_of_arrays({"a": images.reshape(2, 4)})
