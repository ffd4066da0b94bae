from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from protocol.configuration import Codec
from protocol.errors import InvalidInput
from protocol.tensors import Tensor, TensorSpec, datatype_of, decode, dtype_of, encode

SPEC = TensorSpec("b0", "FP32", (1, 4, 3))
finite = arrays(np.float32, SPEC.shape, elements=st.floats(-1e6, 1e6, width=32))


@given(finite)
@pytest.mark.parametrize("codec", [Codec.RAW, Codec.RAW_ZSTD])
def test_a_lossless_codec_gives_back_the_same_bits(codec, array):
    assert decode(encode(array, SPEC, codec), SPEC, codec).tobytes() == array.tobytes()


@given(finite)
def test_int8_is_off_by_at_most_half_a_step(array):
    tensor = encode(array, SPEC, Codec.INT8)
    back = decode(tensor, SPEC, Codec.INT8)
    step = tensor.parameters["scale"]
    assert np.abs(back - array).max() <= step * 1.01 + 1e-6


@given(finite)
def test_int8_keeps_zero_exact(array):
    array[0, 0, 0] = 0.0
    assert decode(encode(array, SPEC, Codec.INT8), SPEC, Codec.INT8)[0, 0, 0] == 0.0


@given(arrays(np.float32, SPEC.shape, elements=st.floats(-6e4, 6e4, width=32)))
def test_fp16_is_off_by_a_thousandth_at_most(array):
    back = decode(encode(array, SPEC, Codec.FP16), SPEC, Codec.FP16)
    assert np.all(np.abs(back - array) <= np.abs(array) * 1e-3 + 1e-7)


def test_a_quantised_boundary_travels_as_it_is_whatever_the_codec():
    spec = TensorSpec("b0", "INT8", (2, 2), scale=0.5, zero_point=3)
    array = np.array([[1, -2], [3, 4]], np.int8)
    tensor = encode(array, spec, Codec.INT8_ZSTD)
    assert tensor.parameters == {"scale": 0.5, "zero_point": 3}
    assert np.array_equal(decode(tensor, spec, Codec.INT8_ZSTD), array)


def test_a_boundary_with_another_scale_than_the_bundles_is_refused():
    spec = TensorSpec("b0", "INT8", (1,), scale=0.5, zero_point=3)
    with pytest.raises(InvalidInput, match=r"scale 0\.25"):
        decode(Tensor("b0", np.zeros(1, np.int8), {"scale": 0.25, "zero_point": 3}), spec, Codec.RAW)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_int8_refuses_what_has_no_range(value):
    array = np.zeros(SPEC.shape, np.float32)
    array[0, 1, 1] = value
    with pytest.raises(InvalidInput, match="NaN or infinity"):
        encode(array, SPEC, Codec.INT8)


@pytest.mark.parametrize(
    ("array", "parameters"),
    [
        (np.zeros((1, 4, 2), np.int8), {"scale": 1.0, "zero_point": 0}),
        (np.zeros(SPEC.shape, np.float32), {}),
        (np.zeros(SPEC.shape, np.int8), {}),
        (np.zeros(SPEC.shape, np.int8), {"scale": 0.0, "zero_point": 0}),
        (np.zeros(SPEC.shape, np.int8), {"scale": -1.0, "zero_point": 0}),
        (np.zeros(SPEC.shape, np.int8), {"scale": 1.0, "zero_point": 4000}),
    ],
)
def test_what_does_not_match_the_manifest_is_refused(array, parameters):
    with pytest.raises(InvalidInput, match="b0"):
        decode(Tensor("b0", array, parameters), SPEC, Codec.INT8)


def test_a_wrong_dtype_or_shape_is_told_with_what_was_expected():
    with pytest.raises(InvalidInput, match=r"must be FP32 \[1, 4, 3\], not FP64 \[1, 4, 3\]"):
        SPEC.check(np.zeros(SPEC.shape))


def test_datatypes_translate_both_ways():
    for name in ("BOOL", "INT8", "FP16", "FP32", "INT64"):
        assert datatype_of(dtype_of(name)) == name
    with pytest.raises(InvalidInput, match="BYTES"):
        dtype_of("BYTES")
