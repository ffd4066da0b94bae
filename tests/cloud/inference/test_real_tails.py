"""The digits network itself, through the backend: cut anywhere, the answer is the whole network's, bit by bit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.running.runner_choice import open_runner
from protocol.configuration import Codec
from protocol.inference import HEADER_LENGTH, Message, pack_request
from protocol.tensors import encode


@pytest.fixture(scope="module")
def runner(digits, tmp_path_factory):
    """What runs the heads, as on the device."""
    opened = open_runner(digits, cache_dir=tmp_path_factory.mktemp("weights"))
    yield opened
    opened.close()


@pytest.fixture
def real(make_backend, digits):
    backend = make_backend(real=True)
    assert backend.upload(digits).status_code == 201
    yield backend
    backend.app.extensions["dynasplit"].tails.close(digits.digest)


def test_a_tail_gives_the_bits_of_the_whole_network(real, runner, digits, image, reply_of):
    whole = runner.head(digits.manifest.operator_count, [image]).finished

    for cut in (0, 4, 10):
        boundary = runner.head(cut, [image]).boundary
        specs = digits.manifest.cut(cut).boundary
        tensors = tuple(encode(array, spec, Codec.RAW) for array, spec in zip(boundary, specs, strict=True))
        reply = reply_of(real.infer(Message(tensors, {"cut": cut, "bundle": digits.digest, "codec": "raw"})))

        assert {tensor.name: tensor.array.tobytes() for tensor in reply.tensors} == {
            name: array.tobytes() for name, array in whole.items()
        }
    assert np.isfinite(next(iter(whole.values()))).all()


@pytest.mark.exhaustive
def test_the_backend_serves_after_every_broken_body(real, whole_request):
    wire = pack_request(whole_request)
    pristine = wire.body
    shapes = st.lists(st.integers(-(2**70), 2**70), max_size=4)
    header = st.fixed_dictionaries(
        {
            "name": st.sampled_from(["b0", "b1", ""]),
            "datatype": st.sampled_from(["FP32", "INT8", "BYTES", "BOOL"]),
            "shape": st.one_of(shapes, st.just([1, 64, 64, 1]), st.just([0, 2**62])),
        },
        optional={
            "data": st.lists(st.one_of(st.integers(), st.floats(), st.text(), st.none(), st.lists(st.integers()))),
            "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "scale"]), st.integers(-5, 20000)),
        },
    )

    @settings(max_examples=2 * settings.default.max_examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.one_of(st.binary(max_size=200), st.lists(header, max_size=2)), st.integers(0, len(pristine)))
    def broken(content, place):
        if isinstance(content, bytes):
            body, headers = pristine[:place] + content + pristine[place + len(content) :], dict(wire.headers)
        else:
            body, headers = json.dumps({"inputs": content}).encode(), {}
            headers = {HEADER_LENGTH: str(len(body))} if place % 2 else {}
            body += bytes(place % 300)
        response = real.call("POST", "/v2/models/digits/infer", data=body, headers=headers)
        assert response.status_code in (200, 400, 404, 413), response.get_json()

    broken()
    assert real.infer(whole_request).status_code == 200
