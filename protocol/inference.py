"""Inference requests and replies of the Open Inference Protocol v2, with the binary tensor extension.

https://github.com/kserve/open-inference-protocol and Triton's "binary tensor data" extension: a JSON header, whose length
stands in `Inference-Header-Content-Length`, followed by the raw tensors in the order in which the header names them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from typing import Any

import numpy as np

from protocol.content_encoding import CONTENT_ENCODING, MAX_BODY_BYTES, Body, compress_zstd, decompress, header
from protocol.documents import checked, field, parse_object
from protocol.errors import InvalidInput, NotFound, TooLarge
from protocol.tensors import Array, Tensor, TensorSpec, dtype_of

HEADER_LENGTH = "Inference-Header-Content-Length"
_LONGEST_LENGTH = 18
"""Digits; Python reads no integer of more than 4300."""

_MOST_HEADER_BYTES = 16 * 1024 * 1024
_MOST_TENSORS = 1024
_MOST_OBJECTS = 5 * _MOST_TENSORS
"""A tensor is one with another for its parameters, and so is an output. Counted before the JSON is read: that takes seconds."""
_MOST_LISTS = 2**20
_MOST_VALUES = 2**21
"""An image of 800 x 800 pixels in three colours has fewer. Each costs 0.2 us; those of one digit pack to a thousandth."""

_UNKNOWN_EXTENSIONS = ("classification", "shared_memory_region")
"""Of Triton: they would change what an output is, so that ignoring them would give a wrong answer."""

_MOST_SIDES = 32
"""Of a tensor, as in numpy 1; the product of a thousand sides is a number that nobody can print."""

_LONGEST_SIDE = 2**63 - 1

_NUMBERS = {bool, int, float}
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
"""Made once: `json.dumps` makes one a call."""


@dataclass(frozen=True)
class Message:
    """A request or a reply: named tensors, parameters, and an id that the reply repeats.

    `outputs` are the names that a request asks for (empty: all). `binary_outputs` says whether the reply's tensors shall be binary;
    those named in `json_outputs` are not.
    """

    tensors: tuple[Tensor, ...]
    parameters: Mapping[str, Any] = default(default_factory=dict)
    id: str = ""
    outputs: tuple[str, ...] = ()
    binary_outputs: bool = True
    json_outputs: frozenset[str] = frozenset()
    model_name: str = ""
    model_version: str = ""

    def answered_binary(self, output: str) -> bool:
        """Whether the reply has this output as binary data."""
        return self.binary_outputs and output not in self.json_outputs

    def by_name(self, specs: Sequence[TensorSpec]) -> list[Array]:
        """The arrays in the order of `specs`, each checked; missing and surplus names are InvalidInput."""
        arrays = {tensor.name: tensor.array for tensor in self.tensors}
        wanted = [spec.name for spec in specs]
        if missing := [name for name in wanted if name not in arrays]:
            raise InvalidInput(f"input '{missing[0]}' is missing; the network takes {', '.join(wanted)}")
        if surplus := [name for name in arrays if name not in wanted]:
            raise InvalidInput(f"input '{surplus[0]}' is unknown; the network takes {', '.join(wanted)}")
        for spec in specs:
            spec.check(arrays[spec.name])
        return [arrays[name] for name in wanted]


@dataclass(frozen=True)
class Wire:
    """A body with the headers that explain it."""

    headers: Mapping[str, str]
    body: bytes


def pack_request(message: Message, *, compress: bool = False) -> Wire:
    """A request with binary inputs; the whole body is compressed with zstd when asked."""
    parameters = dict(message.parameters)
    header: dict[str, Any] = {"inputs": [_describe(tensor) for tensor in message.tensors]}
    if message.outputs:
        header["outputs"] = [
            {"name": name, "parameters": {"binary_data": message.answered_binary(name)}} for name in message.outputs
        ]
    else:
        parameters["binary_data_output"] = message.binary_outputs
    return _pack(header | _identity(message, parameters), message.tensors, binary=True, compress=compress)


def pack_reply(message: Message, *, compress: bool = False) -> Wire:
    """A reply; binary where the request asked for it (`answered_binary`), JSON arrays otherwise: InvalidInput for more values than
    a request may have as JSON."""
    binary = [tensor for tensor in message.tensors if message.answered_binary(tensor.name)]
    values = sum(tensor.array.size for tensor in message.tensors) - sum(tensor.array.size for tensor in binary)
    if values > _MOST_VALUES:
        raise InvalidInput(
            f"the outputs have {values} values, too many for JSON: ask for binary data (binary_data_output)"
        )
    header: dict[str, Any] = {
        "model_name": message.model_name,
        "model_version": message.model_version,
        "outputs": [
            _describe(tensor) if message.answered_binary(tensor.name) else _describe_json(tensor)
            for tensor in message.tensors
        ],
    }
    identity = _identity(message, dict(message.parameters))
    return _pack(header | identity, binary, binary=bool(binary), compress=compress)


def unpack_request(headers: Mapping[str, str], body: Body, *, limit_bytes: int = MAX_BODY_BYTES) -> Message:
    """A request from its headers and body. Bad syntax, truncation and bombs raise InvalidInput or TooLarge."""
    header, tensors = _unpack(headers, body, listed="inputs", what="request", limit_bytes=limit_bytes)
    parameters = _object(header.get("parameters", {}), what="request: 'parameters'")
    asked = header.get("outputs", [])
    if not isinstance(asked, list):
        raise InvalidInput("request: 'outputs' must be a list")
    outputs = [_object(output, what="request: an output") for output in asked]
    default_binary = bool(parameters.get("binary_data_output", False))
    binary = {name: _asked_binary(output, default_binary) for name, output in _named(outputs)} if outputs else {}
    return Message(
        tensors=tensors,
        parameters={name: value for name, value in parameters.items() if name != "binary_data_output"},
        id=checked(header.get("id", ""), str, what="request: 'id'"),
        outputs=tuple(binary),
        binary_outputs=any(binary.values()) if outputs else default_binary,
        json_outputs=frozenset(name for name, asked_binary in binary.items() if not asked_binary),
    )


def unpack_reply(headers: Mapping[str, str], body: Body, *, limit_bytes: int = MAX_BODY_BYTES) -> Message:
    """A reply from its headers and body; whatever does not follow the protocol raises InvalidInput."""
    header, tensors = _unpack(headers, body, listed="outputs", what="reply", limit_bytes=limit_bytes)
    return Message(
        tensors=tensors,
        parameters=_object(header.get("parameters", {}), what="reply: 'parameters'"),
        id=checked(header.get("id", ""), str, what="reply: 'id'"),
        model_name=checked(header.get("model_name", ""), str, what="reply: 'model_name'"),
        model_version=checked(header.get("model_version", ""), str, what="reply: 'model_version'"),
    )


def select_outputs(outputs: Mapping[str, Array], names: Iterable[str]) -> tuple[Tensor, ...]:
    """The outputs that were asked for, all when no name is given; NotFound for a name that the network lacks."""
    wanted = tuple(names) or tuple(outputs)
    if unknown := [name for name in wanted if name not in outputs]:
        raise NotFound(f"output '{unknown[0]}' does not exist; the network gives {', '.join(outputs)}")
    return tuple(Tensor(name, outputs[name]) for name in wanted)


def _named(outputs: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    return ((field(output, "name", str, what="request: an output"), output) for output in outputs)


def _asked_binary(output: Mapping[str, Any], default_binary: bool) -> bool:
    parameters = _object(output.get("parameters", {}), what="an output's parameters")
    for name in _UNKNOWN_EXTENSIONS:
        if parameters.get(name):
            raise InvalidInput(f"parameter '{name}' of an output is not supported here; leave it out")
    return bool(parameters.get("binary_data", default_binary))


def _pack(header: dict[str, Any], tensors: Sequence[Tensor], *, binary: bool, compress: bool) -> Wire:
    try:
        text = _ENCODER.encode(header).encode()
    except ValueError as error:
        raise InvalidInput(
            f"{error}: parameters must be finite, and outputs with NaN or infinity can only travel as binary data"
        ) from error
    if not binary:
        return _maybe_compressed({"Content-Type": "application/json"}, text, compress=compress)
    parts = [text, *[np.ascontiguousarray(tensor.array).tobytes() for tensor in tensors]]
    headers = {HEADER_LENGTH: str(len(text)), "Content-Type": "application/octet-stream"}
    return _maybe_compressed(headers, b"".join(parts), compress=compress)


def _maybe_compressed(headers: dict[str, str], body: bytes, *, compress: bool) -> Wire:
    if not compress:
        return Wire(headers, body)
    return Wire(headers | {CONTENT_ENCODING: "zstd"}, compress_zstd(body))


def _identity(message: Message, parameters: dict[str, Any]) -> dict[str, Any]:
    return ({"id": message.id} if message.id else {}) | ({"parameters": parameters} if parameters else {})


def _describe(tensor: Tensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "datatype": tensor.datatype,
        "shape": list(tensor.array.shape),
        "parameters": {**tensor.parameters, "binary_data_size": tensor.array.nbytes},
    }


def _describe_json(tensor: Tensor) -> dict[str, Any]:
    described: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.array.shape)}
    if tensor.parameters:
        described["parameters"] = dict(tensor.parameters)
    return described | {"data": tensor.array.ravel().tolist()}


def _unpack(
    headers: Mapping[str, str], body: Body, *, listed: str, what: str, limit_bytes: int
) -> tuple[dict[str, Any], tuple[Tensor, ...]]:
    content = decompress(headers, body, limit_bytes=limit_bytes)
    length = _header_length(headers, len(content), what=what)
    if length > _MOST_HEADER_BYTES:
        raise TooLarge(
            f"{what}: its JSON has {length} bytes, of at most {_MOST_HEADER_BYTES}; send tensors as binary data"
        )
    text = bytes(content[:length])
    if text.count(b",") > _MOST_VALUES:
        raise TooLarge(f"{what}: its JSON has more than {_MOST_VALUES} values; send tensors as binary data")
    if text.count(b"{") > _MOST_OBJECTS or text.count(b"[") > _MOST_LISTS:
        raise TooLarge(f"{what}: its JSON has more objects or lists than any tensors need; send tensors as binary data")
    header = parse_object(text, what=what)
    described = field(header, listed, list, what=what)
    if len(described) > _MOST_TENSORS:
        raise TooLarge(f"{what}: {len(described)} tensors are more than {_MOST_TENSORS}")
    tensors, offset = [], length
    for number, item in enumerate(described):
        tensor, offset = _read_tensor(_object(item, what=f"{what}: {listed}[{number}]"), content, offset, what=what)
        tensors.append(tensor)
    if offset != len(content):
        raise InvalidInput(f"{what}: {len(content) - offset} bytes follow the last tensor")
    if len({tensor.name for tensor in tensors}) != len(tensors):
        raise InvalidInput(f"{what}: two tensors have the same name")
    return header, tuple(tensors)


def _header_length(headers: Mapping[str, str], total: int, *, what: str) -> int:
    text = header(headers, HEADER_LENGTH, "")
    if not text:
        return total
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST_LENGTH or int(text) > total:
        raise InvalidInput(
            f"{what}: {HEADER_LENGTH} is {text!r:.20}, but the body has {total} bytes; was it truncated?"
        )
    return int(text)


def _read_tensor(item: Mapping[str, Any], content: Body, offset: int, *, what: str) -> tuple[Tensor, int]:
    name = field(item, "name", str, what=f"{what}: a tensor")
    what = f"{what}: tensor '{name:.60}'"
    dtype = dtype_of(field(item, "datatype", str, what=what))
    shape = _shape(field(item, "shape", list, what=what), what=what)
    parameters = dict(_object(item.get("parameters", {}), what=f"{what}: 'parameters'"))
    size = parameters.pop("binary_data_size", None)
    needed = math.prod(shape) * dtype.itemsize
    if size is None:
        return Tensor(name, _from_json_data(item, dtype, shape, what=what), parameters), offset
    if checked(size, int, what=f"{what}: 'binary_data_size'") != needed:
        raise InvalidInput(f"{what}: binary_data_size is {size}, but {dtype} {list(shape)} takes {needed} bytes")
    if offset + needed > len(content):
        raise InvalidInput(f"{what}: the body ends {offset + needed - len(content)} bytes early; was it truncated?")
    flat = np.frombuffer(content, dtype=dtype, count=math.prod(shape), offset=offset)
    try:
        return Tensor(name, flat.reshape(shape), parameters), offset + needed
    except (ValueError, OverflowError) as error:  # an empty tensor with sides that no array can have
        raise InvalidInput(f"{what}: shape {list(shape)} is out of range") from error


def _shape(sides: list[Any], *, what: str) -> tuple[int, ...]:
    if set(map(type, sides)) != {int} or max(sides) > _LONGEST_SIDE:
        sides = [checked(side, int, what=f"{what}: shape") for side in sides]
    if len(sides) > _MOST_SIDES or min(sides, default=0) < 0:
        raise InvalidInput(f"{what}: shape {sides!s:.60} has a negative side, or more than {_MOST_SIDES}")
    return tuple(sides)


def _from_json_data(item: Mapping[str, Any], dtype: np.dtype[Any], shape: tuple[int, ...], *, what: str) -> Array:
    data = field(item, "data", list, what=what)
    _check_numbers(data, what=what)
    try:
        exact: Array = np.array(data)
        with np.errstate(over="raise", invalid="raise"):
            array = exact.astype(dtype, casting="same_kind" if dtype.kind != "u" else "unsafe").reshape(shape)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise InvalidInput(f"{what}: 'data' does not fit {dtype} {list(shape)}: {error}") from error
    if dtype.kind in "iu" and not np.array_equal(array.ravel(), exact.ravel()):
        raise InvalidInput(f"{what}: 'data' holds numbers that {dtype} cannot")
    return array


def _check_numbers(data: Sequence[Any], *, what: str, depth: int = 1) -> None:
    """InvalidInput for anything but numbers, or lists of them: of one text numpy would make texts of its length of all."""
    kinds = set(map(type, data))
    if kinds <= _NUMBERS:
        return
    if kinds != {list} or depth >= _MOST_SIDES:
        raise InvalidInput(f"{what}: 'data' must be numbers, or lists of numbers up to {_MOST_SIDES} deep, all alike")
    for each in data:
        _check_numbers(each, what=what, depth=depth + 1)


def _object(value: Any, *, what: str) -> Mapping[str, Any]:
    if type(value) is not dict and not isinstance(value, Mapping):
        raise InvalidInput(f"{what} must be an object, not {value!r:.40}")
    return value
