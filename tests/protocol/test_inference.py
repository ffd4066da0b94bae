from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from protocol.content_encoding import compressed_as_accepted, decompress
from protocol.errors import DynaSplitError, InvalidInput, NotFound, TooLarge
from protocol.inference import (
    HEADER_LENGTH,
    Message,
    pack_reply,
    pack_request,
    select_outputs,
    unpack_reply,
    unpack_request,
)
from protocol.tensors import Tensor, TensorSpec

IMAGE = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
REQUEST = Message(
    tensors=(Tensor("b0", IMAGE, {"scale": 0.5}), Tensor("b1", np.array([1, -2], np.int8))),
    parameters={"cut": 3, "bundle": "abc"},
    id="42",
)


@pytest.mark.parametrize("compress", [False, True])
def test_a_request_arrives_as_it_was_sent(compress):
    wire = pack_request(REQUEST, compress=compress)

    message = unpack_request(wire.headers, wire.body)

    assert message.parameters == REQUEST.parameters
    assert message.id == "42"
    assert message.binary_outputs
    for sent, got in zip(REQUEST.tensors, message.tensors, strict=True):
        assert (got.name, got.parameters) == (sent.name, sent.parameters)
        assert got.array.dtype == sent.array.dtype
        assert np.array_equal(got.array, sent.array)


@pytest.mark.parametrize("binary", [True, False])
def test_a_reply_arrives_as_it_was_sent_binary_or_not(binary):
    sent = Message(
        tensors=(Tensor("out", IMAGE),), parameters={"cloud_ms": 1.5}, model_name="net", binary_outputs=binary
    )
    wire = pack_reply(sent)

    reply = unpack_reply(wire.headers, wire.body)

    assert (HEADER_LENGTH in wire.headers) is binary
    assert reply.model_name == "net"
    assert reply.parameters == {"cloud_ms": 1.5}
    assert np.array_equal(reply.tensors[0].array, IMAGE)


def test_headers_are_found_whatever_their_case():
    wire = pack_request(REQUEST)
    message = unpack_request({name.upper(): value for name, value in wire.headers.items()}, wire.body)
    assert len(message.tensors) == 2


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)]
)
def test_usual_content_encodings_are_read_and_truncation_is_told(encoding, pack):
    wire = pack_request(REQUEST)
    headers = {**wire.headers, "Content-Encoding": encoding}
    packed = pack(wire.body)

    assert np.array_equal(unpack_request(headers, packed).tensors[0].array, IMAGE)
    with pytest.raises(InvalidInput):
        unpack_request(headers, packed[: len(packed) // 2])


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_bomb_is_refused_before_it_unpacks(pack):
    encoding = "gzip" if pack is gzip.compress else "zstd"
    with pytest.raises(TooLarge):
        unpack_request({"Content-Encoding": encoding}, pack(bytes(10_000_000)), limit_bytes=1_000_000)


def test_a_bomb_of_unknown_size_is_refused_too():
    writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    body = writer.compress(bytes(10_000_000)) + writer.flush()
    with pytest.raises(TooLarge):
        unpack_request({"Content-Encoding": "zstd"}, body, limit_bytes=1_000_000)


def zstd_of_unknown_size(content: bytes) -> bytes:
    writer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return writer.compress(content) + writer.flush()


@pytest.mark.parametrize("surplus", [b"more", None], ids=["bytes", "another frame"])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("zstd", zstd_of_unknown_size),
    ],
)
def test_what_follows_the_compressed_body_is_not_lost_silently(encoding, pack, surplus):
    packed = pack(bytes(range(256)) * 100)

    assert decompress({"Content-Encoding": encoding}, memoryview(packed)) == bytes(range(256)) * 100
    with pytest.raises(InvalidInput, match=r"follow the first compressed frame|unused data"):
        decompress({"Content-Encoding": encoding}, packed + (packed if surplus is None else surplus))


def test_a_frame_of_unknown_size_that_was_cut_is_truncated():
    packed = zstd_of_unknown_size(np.random.default_rng(0).bytes(300_000))

    with pytest.raises(InvalidInput, match="truncated"):
        decompress({"Content-Encoding": "zstd"}, packed[:-9])


@pytest.mark.parametrize("weight", ["q=0", "q=0.", "q=0.0", "q=0.000", "q = 0.00"])
def test_an_encoding_that_is_not_wanted_is_not_used(weight):
    assert compressed_as_accepted(b"body", f"gzip;{weight}") == (b"body", "")
    assert compressed_as_accepted(b"body", "gzip;q=0.001")[1] == "gzip"


@pytest.mark.parametrize("item", ["{}", "[]"])
def test_more_tensors_or_lists_than_can_be_are_refused_before_the_json_is_read(item, monkeypatch):
    body = f'{{"inputs":[{",".join([item] * 1_100_000)}]}}'.encode()
    monkeypatch.setattr("protocol.inference.parse_object", None)

    with pytest.raises(TooLarge, match="more objects or lists than any tensors need"):
        unpack_request({}, body)


def test_more_numbers_than_images_have_are_refused_before_the_json_is_read(monkeypatch):
    body = b'{"inputs":[{"name":"b0","shape":[4000000],"datatype":"UINT8","data":[' + b"0," * 3_999_999 + b"0]}]}"
    monkeypatch.setattr("protocol.inference.parse_object", None)

    with pytest.raises(TooLarge, match="more than 2097152 values; send tensors as binary data"):
        unpack_request({}, body)


def test_more_values_than_that_are_not_answered_as_json():
    large = Tensor("y", np.zeros(2**21 + 1, np.uint8))
    reply = Message(tensors=(large,), model_name="digits", model_version="1")

    with pytest.raises(InvalidInput, match="2097153 values, too many for JSON: ask for binary data"):
        pack_reply(replace(reply, binary_outputs=False))
    assert len(pack_reply(reply).body) > 2**21


@given(cut=st.integers(0, 400))
def test_a_body_cut_anywhere_is_refused_in_one_line(cut):
    wire = pack_request(REQUEST)
    if cut < len(wire.body):
        with pytest.raises(InvalidInput) as caught:
            unpack_request(wire.headers, wire.body[:cut])
        assert "\n" not in str(caught.value)


@given(st.binary(max_size=200), st.text(max_size=8))
def test_any_bytes_are_refused_not_crashed_on(body, length):
    for headers in ({}, {HEADER_LENGTH: length}, {"Content-Encoding": "zstd"}, {"Content-Encoding": "gzip"}):
        with pytest.raises(DynaSplitError):
            unpack_request(headers, body)


def _request(**changes) -> bytes:
    tensor = {"name": "x", "datatype": "INT8", "shape": [2], "data": [1, 2], **changes}
    return json.dumps({"inputs": [tensor]}).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [3]},
        {"shape": [-2]},
        {"shape": "2"},
        {"shape": [2.0]},
        {"data": [1, 300]},
        {"data": [1.5, 2]},
        {"data": ["a", "b"]},
        {"data": [[1], [2, 3]]},
        {"data": None},
        {"datatype": "BYTES"},
        {"datatype": 7},
        {"name": 7},
        {"parameters": []},
        {"parameters": {"binary_data_size": 3}},
        {"parameters": {"binary_data_size": 2}},
        {"parameters": {"binary_data_size": -2}},
        {"shape": [2**62] * 500, "parameters": {"binary_data_size": 1}},
        {"shape": [10**400], "parameters": {"binary_data_size": 10**400}},
        {"shape": [1] * 200 + [2]},
        {"data": ["1", "2"], "datatype": "UINT8"},
        {"data": [10**400, 1], "datatype": "FP32"},
        {"data": [10**400, 1], "datatype": "UINT8"},
        {"data": [{}, None], "datatype": "UINT8"},
        {"name": "\ud800"},
        {"datatype": "FP32", "shape": [2**40, 2**40], "parameters": {"binary_data_size": 2**82}},
    ],
)
def test_a_tensor_that_does_not_add_up_is_refused(changes):
    assert unpack_request({}, _request()).tensors[0].array.tolist() == [1, 2]
    with pytest.raises(InvalidInput):
        unpack_request({}, _request(**changes))


@pytest.mark.parametrize("texts", [["a" * 10_000], [["a" * 10_000]], [[1], "a" * 10_000]])
def test_a_text_among_numbers_is_refused_before_it_takes_memory_for_each(texts):
    body = _request(datatype="FP32", data=[*texts, *[1] * 1000])
    tracemalloc.start()

    with pytest.raises(InvalidInput, match="must be numbers, or lists of numbers"):
        unpack_request({}, body)

    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_numbers_may_be_nested_as_deep_as_a_tensor_has_sides():
    deep: list = [1, 2]
    for _ in range(31):
        deep = [deep]

    assert unpack_request({}, _request(data=deep)).tensors[0].array.tolist() == [1, 2]
    with pytest.raises(InvalidInput, match="up to 32 deep"):
        unpack_request({}, _request(data=[deep]))


def test_floats_given_as_json_integers_are_taken():
    message = unpack_request({}, _request(datatype="FP32"))
    assert message.tensors[0].array.dtype == np.float32


def test_asked_outputs_are_kept_by_name():
    body = json.dumps({"inputs": [], "outputs": [{"name": "a", "parameters": {"binary_data": True}}]}).encode()
    message = unpack_request({}, body)
    assert (message.outputs, message.binary_outputs) == (("a",), True)


def test_without_a_wish_outputs_come_as_json():
    assert unpack_request({}, _request()).binary_outputs is False


def test_an_unknown_output_is_not_found():
    with pytest.raises(NotFound, match="'b' does not exist; the network gives a"):
        select_outputs({"a": IMAGE}, ["b"])


def test_missing_and_surplus_inputs_are_named():
    spec = TensorSpec("x", "INT8", (2,))
    message = unpack_request({}, _request())
    assert message.by_name([spec])[0].tolist() == [1, 2]
    with pytest.raises(InvalidInput, match="'y' is missing"):
        message.by_name([spec, TensorSpec("y", "INT8", (2,))])
    with pytest.raises(InvalidInput, match="'x' is unknown"):
        message.by_name([])


@pytest.mark.parametrize("length", ["9" * 5000, "0" * 5000 + "2", "²", "-2", "2.0"])
def test_a_header_length_that_is_no_length_is_refused(length):
    with pytest.raises(InvalidInput, match=HEADER_LENGTH):
        unpack_request({HEADER_LENGTH: length}, _request())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_parameter_that_is_not_finite_is_not_sent(value):
    with pytest.raises(InvalidInput, match="finite"):
        pack_request(Message((), {"deadline_ms": value}))


def test_a_network_s_nan_travels_as_binary_data_only():
    tensors = (Tensor("out", np.array([np.nan], np.float32)),)
    wire = pack_reply(Message(tensors))
    assert np.isnan(unpack_reply(wire.headers, wire.body).tensors[0].array[0])
    with pytest.raises(InvalidInput, match="binary"):
        pack_reply(Message(tensors, binary_outputs=False))
