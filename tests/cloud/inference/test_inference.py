"""Tails over HTTP: good ones, and all that can be wrong with a request."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import zstandard

from cloud.inference.answering import TailRequest
from cloud.waiting import WithoutWaiting, WouldWait
from models.running.runner import FakeRunner
from protocol.configuration import Codec
from protocol.errors import InvalidInput
from protocol.inference import HEADER_LENGTH, Message, pack_request
from protocol.tensors import Tensor, encode


def tail_request(bundle, cut, boundary, *, codec=Codec.RAW, **parameters) -> Message:
    specs = bundle.manifest.cut(cut).boundary
    tensors = tuple(encode(array, spec, codec) for array, spec in zip(boundary, specs, strict=True))
    return Message(tensors, {"cut": cut, "bundle": bundle.digest, "codec": codec.value, **parameters})


def boundary_of(bundle, cut, image):
    return FakeRunner(bundle.manifest).head(cut, [image]).boundary


def outputs_of(message: Message) -> dict[str, np.ndarray]:
    return {tensor.name: tensor.array for tensor in message.tensors}


def error_of(response) -> str:
    return str(response.get_json()["error"])


@pytest.mark.parametrize("cut", [0, 4, 10])
def test_a_tail_continues_what_the_head_began(stocked, digits, image, reply_of, cut):
    runner = FakeRunner(digits.manifest)

    reply = reply_of(stocked.infer(tail_request(digits, cut, boundary_of(digits, cut, image))))

    whole = runner.head(digits.manifest.operator_count, [image]).finished
    assert outputs_of(reply).keys() == whole.keys()
    assert all(np.array_equal(outputs_of(reply)[name], whole[name]) for name in whole)
    assert (reply.model_name, reply.model_version) == ("digits", "1")


@pytest.mark.parametrize("codec", list(Codec))
def test_every_codec_is_understood(stocked, digits, image, reply_of, codec):
    request = tail_request(digits, 4, boundary_of(digits, 4, image), codec=codec)

    reply = reply_of(stocked.infer(request, compress=codec.compressed))

    plain = reply_of(stocked.infer(tail_request(digits, 4, boundary_of(digits, 4, image))))
    assert [tensor.array.tolist() for tensor in reply.tensors] == [tensor.array.tolist() for tensor in plain.tensors]


def test_the_reply_tells_what_it_cost(stocked, digits, image, reply_of):
    parameters = reply_of(stocked.infer(tail_request(digits, 4, boundary_of(digits, 4, image)))).parameters

    assert parameters["bundle"] == digits.digest
    assert parameters["cloud_ms"] > 0
    assert 0 < parameters["cloud_node_mj"] <= 40.0 * parameters["cloud_ms"]
    assert parameters["cloud_active_mj"] == pytest.approx(parameters["cloud_node_mj"] * 0.75)
    assert parameters["cloud_ms_provenance"] == "measured"
    assert parameters["cloud_energy_provenance"] == "estimated"


def test_active_energy_is_absent_where_idle_power_is_unknown(make_backend, digits, whole_request, reply_of):
    backend = make_backend(node_idle_watts=None)
    backend.upload(digits)

    parameters = reply_of(backend.infer(whole_request)).parameters

    assert "cloud_active_mj" not in parameters
    assert parameters["cloud_node_mj"] > 0


def test_a_device_may_infer(stocked, whole_request):
    assert stocked.infer(whole_request, token=stocked.device()).status_code == 200


def test_without_parameters_the_whole_network_runs(stocked, whole_request, reply_of):
    reply = reply_of(stocked.infer(replace(whole_request, id="seven")))

    assert reply.id == "seven"
    assert [tensor.name for tensor in reply.tensors] == [spec.name for spec in stocked_outputs(stocked)]


def stocked_outputs(stocked):
    services = stocked.app.extensions["dynasplit"]
    (bundle,) = services.store.bundles()
    return services.bundles.manifest(bundle.digest).outputs


def test_a_plain_json_request_gets_a_json_reply(stocked, image):
    body = {"inputs": [{"name": "b0", "datatype": "FP32", "shape": list(image.shape), "data": image.ravel().tolist()}]}

    response = stocked.call("POST", "/v2/models/digits/infer", json=body)

    (output,) = response.get_json()["outputs"]
    assert response.status_code == 200
    assert HEADER_LENGTH not in response.headers
    assert len(output["data"]) == np.prod(output["shape"])


def test_outputs_are_chosen_by_name(stocked, whole_request):
    assert stocked.infer(replace(whole_request, outputs=("nonsense",))).status_code == 404


def test_an_unknown_network_is_404(stocked, whole_request):
    response = stocked.infer(whole_request, network="faces")

    assert response.status_code == 404
    assert "digits" in error_of(response)


def test_an_unknown_bundle_is_404(stocked, whole_request):
    response = stocked.infer(replace(whole_request, parameters={"bundle": "f" * 64}))

    assert response.status_code == 404


def test_a_bundle_of_another_network_is_409(stocked, digits, whole_request):
    stocked.store.add_bundle("c" * 64, network="faces")

    response = stocked.infer(replace(whole_request, parameters={"bundle": digits.digest}), network="faces")

    assert response.status_code == 409


def test_a_version_is_reached_by_its_number(stocked, whole_request):
    wire = pack_request(whole_request)
    statuses = [
        stocked.call("POST", f"/v2/models/digits/versions/{version}/infer", data=wire.body, headers=dict(wire.headers))
        for version in ("1", "2", "one")
    ]

    assert [response.status_code for response in statuses] == [200, 404, 404]


@pytest.mark.parametrize("cut", [1, -1, 2**63 - 1])
def test_an_unknown_cut_is_404_and_tells_the_cuts(stocked, whole_request, cut):
    response = stocked.infer(replace(whole_request, parameters={"cut": cut}))

    assert response.status_code == 404
    assert "0, 4, 10, 18" in error_of(response)


def test_edge_only_leaves_nothing_to_do(stocked, digits, whole_request):
    response = stocked.infer(replace(whole_request, parameters={"cut": digits.manifest.operator_count}))

    assert response.status_code == 400
    assert "edge-only" in error_of(response)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cut": "4"},
        {"cut": 4.0},
        {"cut": True},
        {"cut": None},
        {"bundle": 7},
        {"codec": "zip"},
        {"remaining_ms": "soon"},
        {"remaining_ms": 10**400},
        {"cut": 10**30},
        {"cut": 1e308},
    ],
)
def test_a_parameter_of_a_wrong_kind_is_400(stocked, whole_request, parameters):
    assert stocked.infer(replace(whole_request, parameters=parameters)).status_code == 400


@pytest.mark.parametrize(
    "tensors",
    [
        (),
        (Tensor("b1", np.zeros((1, 64, 64, 1), np.float32)),),
        (Tensor("b0", np.zeros((1, 64, 64, 1), np.float32)), Tensor("b1", np.zeros(1, np.float32))),
        (Tensor("b0", np.zeros((1, 64, 64, 1), np.float64)),),
        (Tensor("b0", np.zeros((1, 64, 64, 1), np.int8)),),
        (Tensor("b0", np.zeros((1, 64, 64), np.float32)),),
        (Tensor("b0", np.zeros((2, 64, 64, 1), np.float32)),),
        (Tensor("b0", np.zeros((0,), np.float32)),),
    ],
    ids=["none", "other name", "surplus", "FP64", "INT8", "3 sides", "batch of 2", "empty"],
)
def test_tensors_that_do_not_fit_are_400(stocked, tensors):
    assert stocked.infer(Message(tensors)).status_code == 400


@pytest.mark.parametrize("keep", [0, 10, -1, -4])
def test_a_truncated_body_is_400(stocked, whole_request, keep):
    wire = pack_request(whole_request)

    response = stocked.call("POST", "/v2/models/digits/infer", data=wire.body[:keep], headers=dict(wire.headers))

    assert response.status_code == 400


@pytest.mark.parametrize("length", ["-1", "abc", "999999999", "1e3", "٣"])
def test_a_wrong_header_length_is_400(stocked, whole_request, length):
    wire = pack_request(whole_request)
    headers = {**wire.headers, HEADER_LENGTH: length}
    if not length.isascii():
        headers[HEADER_LENGTH] = length.encode().decode("latin-1")

    assert stocked.call("POST", "/v2/models/digits/infer", data=wire.body, headers=headers).status_code == 400


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
def test_a_zstd_bomb_is_413(stocked, declared):
    bomb = zstandard.ZstdCompressor(level=19, write_content_size=declared).compress(bytes(50_000_000))
    assert len(bomb) < 10_000

    response = stocked.call("POST", "/v2/models/digits/infer", data=bomb, headers={"Content-Encoding": "zstd"})

    assert response.status_code == 413


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "deflate", "br"])
def test_a_body_that_does_not_unpack_is_400(stocked, encoding):
    response = stocked.call("POST", "/v2/models/digits/infer", data=b"plain", headers={"Content-Encoding": encoding})

    assert response.status_code == 400


@pytest.mark.parametrize(("remaining_ms", "patience_s"), [(None, None), (250.0, 0.25), (0.0, None), (-3.0, None)])
def test_a_request_waits_for_its_turn_as_long_as_its_deadline_leaves(remaining_ms, patience_s):
    parameters = {} if remaining_ms is None else {"remaining_ms": remaining_ms}

    assert TailRequest.of(parameters).patience_s(0.0) == patience_s


@pytest.mark.parametrize("remaining_ms", [9.3e12, 1e13, 1e300])
def test_a_deadline_beyond_what_clocks_count_is_served(stocked, whole_request, remaining_ms):
    request = replace(whole_request, parameters={"remaining_ms": remaining_ms})

    assert stocked.infer(request).status_code == 200


def test_parameters_that_are_not_numbers_are_refused():
    with pytest.raises(InvalidInput, match="remaining_ms"):
        TailRequest.of({"remaining_ms": float("inf")})


@pytest.mark.parametrize("shape", [[0, 2**62], [0, 2**70], [0, 2**31, 2**31, 2**31], [-1], [2**70]])
def test_sides_that_no_array_can_have_are_400(stocked, shape):
    header = {"name": "b0", "datatype": "FP32", "shape": shape, "parameters": {"binary_data_size": 0}}

    response = stocked.call("POST", "/v2/models/digits/infer", json={"inputs": [header]})

    assert response.status_code == 400


def test_a_refusal_for_lack_of_time_says_when_to_come_again(stocked, whole_request, monkeypatch):
    services = stocked.app.extensions["dynasplit"]
    assert stocked.infer(whole_request).status_code == 200
    (bundle,) = services.store.bundles()
    ahead = services.tails.line
    with ahead.place(bundle.digest, 0, patience_s=None) as first:
        monkeypatch.setattr(first.pace, "expected_s", 2.5)
        for name in ("remaining_ms", "deadline_ms"):
            response = stocked.infer(replace(whole_request, parameters={name: 2000}))

            assert (response.status_code, response.headers["Retry-After"]) == (503, "3")
            assert "deadline" in error_of(response)
        assert stocked.infer(replace(whole_request, parameters={"deadline_ms": 6000})).status_code == 200


def test_a_token_has_so_many_requests_under_way(make_backend, digits, whole_request):
    backend = make_backend(max_in_flight=1)
    backend.upload(digits)
    token = backend.device()

    with backend.app.extensions["dynasplit"].in_flight.one_of("device pi-1"):
        refused = backend.infer(whole_request, token=token)
        other = backend.infer(whole_request)

    assert (refused.status_code, refused.headers["Retry-After"], other.status_code) == (429, "1", 200)


def test_who_must_not_wait_is_answered_where_nothing_is_waited_for_and_counted_only_then(
    make_backend, digits, whole_request, monkeypatch
):
    monkeypatch.setattr("models.running.runner._FakeEngine.holds_interpreter", True)
    backend = make_backend()
    backend.upload(digits)
    answered = 0

    def waits(**how) -> bool:
        try:
            with WithoutWaiting():
                return backend.infer(whole_request, **how).status_code != 200
        except WouldWait:
            return True

    assert waits()
    while True:  # what the store said is fresh for a second, and some machines stop for that long
        answered += backend.infer(whole_request).status_code == 200
        if not waits():
            break
        assert answered < 20
    assert waits(compress=True)
    assert waits(headers={"Accept-Encoding": "gzip, deflate"})
    told = backend.app.extensions["dynasplit"].statistics.of(digits.digest)
    assert (told["inference_count"], told["inference_stats"]["fail"]["count"]) == (answered + 1, 0)
