"""The agent's local API: what is served, what is refused, and what is kept of it."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from edge.offload.cloud import CloudFailed
from edge.runners.port import RunnerLost, RunnersHere, open_fake
from planner.choosing.limits import Limits
from protocol.configuration import Codec
from protocol.content_encoding import MAX_BODY_BYTES
from protocol.inference import HEADER_LENGTH, Message, pack_request, unpack_request
from protocol.measurement import Measurement
from protocol.messages import Inference, RecordKind
from protocol.tensors import Tensor

OPERATOR = "operator-token"
PINNED = {"cut": 4, "cpu_khz": 1_000_000, "codec": "int8+zstd"}


def error_of(response, status: int) -> str:
    assert response.status_code == status, response.get_data()
    assert response.content_type == "application/json"
    return str(response.get_json()["error"])


class LostRunners(RunnersHere):
    """Runners whose child dies at every head."""

    def __init__(self) -> None:
        super().__init__(opener=open_fake)

    def head(self, *_, **__):
        raise RunnerLost("the runner died")


# What is served


@pytest.mark.exhaustive(sample=2)
@pytest.mark.parametrize("strategy", ["dynasplit", "cloud-only", "edge-only", "fastest", "energy-saver"])
def test_every_strategy_gives_the_network_s_answer(serving, inputs, answer, reply_of, strategy):
    reply = reply_of(serving.infer(inputs, {"strategy": strategy}, token=OPERATOR))
    assert np.array_equal(reply.tensors[0].array, answer)
    assert reply.parameters["strategy"] == strategy


@pytest.mark.exhaustive(sample=4)
@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("cut", [0, 4, 10, 999])
def test_every_cut_and_codec_gives_the_same_answer(serving, digits, inputs, answer, reply_of, cut, codec):
    cut = min(cut, digits.manifest.operator_count)
    pinned = {"cut": cut, "cpu_khz": 600_000, "codec": codec.value}
    reply = reply_of(serving.infer(inputs, {"configuration": pinned}, token=OPERATOR))
    if cut or codec.element != "int8":  # the fake draws its number from the input itself, which int8 changes
        assert np.array_equal(reply.tensors[0].array, answer)
    assert reply.parameters["configuration"]["cut"] == cut
    assert reply.parameters["fallback"] == ""


def test_the_reply_says_what_it_cost_and_whether_it_was_in_time(serving, inputs, reply_of):
    reply = reply_of(serving.infer(inputs, {"deadline_ms": 500}))
    said, cost = reply.parameters, reply.parameters["cost"]
    assert said["deadline_met"] is True
    assert said["latency_ms"] == cost["latency_ms"]
    assert cost["latency_ms"] == pytest.approx(cost["head_ms"] + cost["transfer_ms"] + cost["cloud_ms"])
    assert said["predicted_ms"] > 0
    assert said["table"] and said["bundle"]


def test_without_a_deadline_there_is_none_to_meet(serving, inputs, reply_of):
    assert reply_of(serving.infer(inputs)).parameters["deadline_met"] is None


def test_all_figures_of_an_emulated_device_are_emulated(serving, inputs, reply_of):
    cost = reply_of(serving.infer(inputs, {"strategy": "cloud-only"}, token=OPERATOR)).parameters["cost"]
    for name in ("head_ms", "head_mj", "wait_mj", "transfer_ms", "latency_ms"):
        assert cost["provenance"][name] == "emulated"
        assert cost[name] > 0


def test_a_tight_deadline_gets_a_faster_row_than_a_wide_one(serving, inputs, reply_of, digits):
    tight = reply_of(serving.infer(inputs, {"deadline_ms": 20})).parameters
    wide = reply_of(serving.infer(inputs, {"strategy": "edge-only"}, token=OPERATOR)).parameters
    assert tight["deadline_met"] is True
    assert tight["configuration"]["cut"] < digits.manifest.operator_count == wide["configuration"]["cut"]


def test_an_id_and_json_outputs_come_back_as_asked(serving, inputs, answer, digits):
    (name, array), output = next(iter(inputs.items())), digits.manifest.outputs[0].name
    asked = {
        "id": "req-7",
        "inputs": [{"name": name, "datatype": "FP32", "shape": list(array.shape), "data": array.ravel().tolist()}],
        "outputs": [{"name": output}],
    }
    content = serving.post("/v2/models/digits/infer", json.dumps(asked).encode()).get_json()
    assert content["id"] == "req-7"
    assert content["outputs"][0]["data"] == answer.ravel().tolist()


def test_each_answer_is_in_the_outbox_as_it_was_given(serving, inputs, reply_of):
    said = reply_of(serving.infer(inputs, {"deadline_ms": 500, "run": "r1"}, token=OPERATOR)).parameters
    record = Inference.from_json(serving.records()[0])
    assert record.cost is not None and record.cost.to_json() == said["cost"]
    assert (record.network, record.run, record.violation, record.fallback) == ("digits", "r1", False, "")
    assert record.table_digest == said["table"] and record.bundle == said["bundle"]


def test_a_late_answer_is_served_and_is_a_violation(serving, inputs, reply_of):
    serving.cloud.transfer_ms = 0.0
    said = reply_of(serving.infer(inputs, {"deadline_ms": 0.01})).parameters
    assert said["deadline_met"] is False
    assert serving.records()[0]["violation"] is True


# When something fails


def test_without_a_cloud_the_device_finishes_and_says_why(serving, inputs, answer, reply_of, digits):
    serving.cloud.failure = CloudFailed("the cloud answered 500: broken")
    reply = reply_of(serving.infer(inputs, {"configuration": PINNED}, token=OPERATOR))
    cost = reply.parameters["cost"]
    assert np.array_equal(reply.tensors[0].array, answer)
    assert reply.parameters["fallback"] == "the cloud answered 500: broken"
    assert cost["cloud_ms"] == 0 and cost["cloud_active_mj"] is None and cost["up_bytes"] > 0
    assert serving.records()[0]["fallback"] == "the cloud answered 500: broken"


def test_a_fallback_s_tail_runs_at_the_top_clock_and_is_paid_for(serving, inputs, reply_of, digits):
    pinned = {"configuration": {"cut": 0, "cpu_khz": 600_000}}
    serving.cloud.failure = CloudFailed("away")
    alone = reply_of(serving.infer(inputs, pinned, token=OPERATOR)).parameters["cost"]
    top = {"configuration": {"cut": digits.manifest.operator_count, "cpu_khz": 1_800_000}}
    edge_only = reply_of(serving.infer(inputs, top, token=OPERATOR)).parameters["cost"]
    assert edge_only["head_ms"] <= alone["head_ms"] <= 1.1 * edge_only["head_ms"]
    assert edge_only["head_mj"] <= alone["head_mj"] <= 1.1 * edge_only["head_mj"]


def test_a_late_cloud_leaves_the_device_time_to_finish_before_the_deadline(serving, inputs, reply_of):
    serving.cloud.transfer_ms = 10_000.0
    said = reply_of(serving.infer(inputs, {"strategy": "cloud-only", "deadline_ms": 300}, token=OPERATOR)).parameters
    assert "did not answer within" in said["fallback"]
    assert said["deadline_met"] is True
    assert said["cost"]["wait_mj"] > 0


def test_a_cloud_that_is_known_to_be_away_is_not_asked(serving, inputs, reply_of, digits):
    serving.cloud.away_for.add("digits")
    said = reply_of(serving.infer(inputs, {"strategy": "cloud-only"}, token=OPERATOR)).parameters
    assert said["configuration"]["cut"] == digits.manifest.operator_count
    assert serving.cloud.calls == 0


def test_a_request_that_was_kept_from_the_cloud_says_so_and_one_that_never_wanted_it_does_not(
    serving, inputs, reply_of
):
    serving.cloud.away_for.add("digits")
    kept = reply_of(serving.infer(inputs, {"strategy": "fastest"}, token=OPERATOR)).parameters
    alone = reply_of(serving.infer(inputs, {"strategy": "edge-only"}, token=OPERATOR)).parameters

    assert "not asked" in kept["fallback"]
    assert alone["fallback"] == ""
    assert [record["fallback"] != "" for record in serving.records()] == [True, False]


def test_past_the_deadline_the_cloud_is_awaited_as_long_as_finishing_here_would_take(serving, inputs, reply_of):
    serving.cloud.transfer_ms = 30.0

    said = reply_of(serving.infer(inputs, {"strategy": "cloud-only", "deadline_ms": 12}, token=OPERATOR)).parameters

    assert said["fallback"] == ""
    assert said["latency_ms"] < 55
    assert said["deadline_met"] is False


def test_when_the_runner_dies_the_whole_input_goes_to_the_cloud(
    make_device, digits, inputs, answer, reply_of, table_for
):
    device = make_device(runners=LostRunners())
    device.source.add(digits)
    device.push(table_for(digits))
    reply = reply_of(device.infer(inputs, {"configuration": PINNED}, token=OPERATOR))
    assert np.array_equal(reply.tensors[0].array, answer)
    assert reply.parameters["fallback"] == "the runner died"


def test_inputs_that_must_stay_stay_even_when_the_runner_dies(make_device, digits, inputs, table_for):
    device = make_device(runners=LostRunners(), limits=Limits(min_cut=1))
    device.source.add(digits)
    device.push(table_for(digits))
    response = device.infer(inputs, {"configuration": PINNED}, token=OPERATOR)
    assert error_of(response, 503) == "the runner died"
    assert device.cloud.calls == 0
    assert device.records()[0]["refused"] == "the runner died"


def test_a_min_cut_keeps_rows_that_send_the_input_out_of_the_choice(make_device, digits, inputs, reply_of, table_for):
    device = make_device(limits=Limits(min_cut=1))
    device.source.add(digits)
    device.push(table_for(digits))
    assert reply_of(device.infer(inputs, {"deadline_ms": 1000})).parameters["configuration"]["cut"] >= 1


# Profiling


def test_a_profiled_request_becomes_a_measurement_and_no_inference(serving, inputs, reply_of, digits):
    asked = {"configuration": PINNED, "profile": True, "run": "p1"}
    said = reply_of(serving.infer(inputs, asked, token=OPERATOR)).parameters
    (record,) = serving.records(RecordKind.MEASUREMENT)
    measurement = Measurement.from_json(record)
    assert measurement.configuration.to_json() == said["configuration"]
    assert (measurement.run, measurement.repeats, measurement.runtime) == ("p1", 1, "fake")
    assert (measurement.bundle, measurement.device) == (digits.digest, "pi-1")
    assert said["measurement"] == record
    assert serving.records() == []


def test_a_profiled_request_without_cloud_is_an_error_and_measures_nothing(serving, inputs):
    serving.cloud.failure = CloudFailed("away")
    response = serving.infer(inputs, {"configuration": PINNED, "profile": True}, token=OPERATOR)
    assert error_of(response, 503) == "away"
    assert len(serving.outbox) == 0


# What is refused


@pytest.mark.parametrize("deadline", [0, -1, "x", None, True, [5], float("1e999")])
def test_a_deadline_must_be_a_number_above_zero(serving, inputs, deadline):
    (name, array), body = next(iter(inputs.items())), {"parameters": {"deadline_ms": deadline}}
    body["inputs"] = [{"name": name, "datatype": "FP32", "shape": list(array.shape), "data": array.ravel().tolist()}]
    response = serving.post("/v2/models/digits/infer", json.dumps(body).encode())
    error_of(response, 400)
    assert len(serving.outbox) == 0


def test_nan_is_no_deadline(serving, inputs):
    response = serving.post("/v2/models/digits/infer", b'{"inputs": [], "parameters": {"deadline_ms": NaN}}')
    assert "NaN" in error_of(response, 400)


@pytest.mark.exhaustive(sample=8)
@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"strategy": "best"}, 400),
        ({"late": "maybe"}, 400),
        ({"account": "mine"}, 400),
        ({"min_accuracy": 1.5}, 400),
        ({"min_accuracy": 0.999}, 400),
        ({"deadline": 5}, 400),
        ({"profile": True}, 400),
        ({"configuration": "{"}, 400),
        ({"configuration": "[" * 50_000}, 400),
        ({"configuration": '{"a":' * 5_000}, 400),
        ({"configuration": '{"a":' * 50_000}, 413),
        ({"configuration": {"cut": 10**400, "cpu_khz": 600_000}}, 400),
        ({"configuration": {"cut": 4, "cpu_khz": 10**400}}, 400),
        ({"account": json.loads("[" * 500 + "]" * 500)}, 400),
        ({"min_accuracy": 10**400}, 400),
        ({"deadline_ms": 10**400}, 400),
        ({"run": "\ud800"}, 400),
        ({"run": "\0"}, 400),
        ({"run": "r" * 129}, 400),
        ({"\ud800": 1}, 400),
        ({"configuration": {"cut": 4}}, 400),
        ({"configuration": {"cut": 4, "cpu_khz": 1_234_567}}, 400),
        ({"configuration": {"cut": 4, "cpu_khz": 600_000, "threads": 3}}, 400),
        ({"configuration": {"cut": 4, "cpu_khz": 600_000, "edge_accelerator": "max"}}, 400),
        ({"configuration": {"cut": 3, "cpu_khz": 600_000}}, 404),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused(serving, inputs, parameters, status):
    error_of(serving.infer(inputs, parameters, token=OPERATOR), status)


@pytest.mark.parametrize("name", ["strategy", "configuration", "run", "profile"])
def test_what_only_the_operator_may_choose_needs_the_token(serving, inputs, name):
    assert name in error_of(serving.infer(inputs, {name: "x"}), 403)


def test_a_wrong_token_is_refused_and_not_taken_for_none(serving, inputs):
    error_of(serving.infer(inputs, token="guess"), 401)


def test_an_unknown_network_is_not_found(serving, inputs):
    wire = pack_request(Message(tuple(Tensor(*item) for item in inputs.items())))
    assert "digits" in error_of(serving.post("/v2/models/nope/infer", wire.body, headers=wire.headers), 404)


@pytest.mark.parametrize(
    "change",
    [lambda array: array.astype(np.float64), lambda array: array[:, :-1], lambda array: array[0]],
    ids=["dtype", "side", "rank"],
)
def test_inputs_of_another_type_or_shape_are_refused(serving, inputs, change):
    error_of(serving.infer({name: change(array) for name, array in inputs.items()}), 400)


def test_inputs_of_another_name_are_refused(serving, image):
    assert "missing" in error_of(serving.infer({"nope": image}), 400)


def test_where_no_network_is_yet_the_next_step_is_named(make_device, inputs):
    assert "push a table (dynasplit push)" in error_of(make_device().infer(inputs), 404)


def test_an_unknown_output_is_not_found_before_anything_runs(serving, inputs):
    error_of(serving.infer(inputs, outputs=("nope",)), 404)
    assert serving.cloud.calls == 0 and len(serving.outbox) == 0


@pytest.mark.parametrize("keep", [0, 10, -1])
def test_a_truncated_body_is_refused(serving, inputs, keep):
    wire = pack_request(Message(tuple(Tensor(*item) for item in inputs.items())))
    response = serving.post("/v2/models/digits/infer", wire.body[:keep], headers=wire.headers)
    error_of(response, 400)


def test_a_header_length_beyond_the_body_is_refused(serving):
    response = serving.post("/v2/models/digits/infer", b"{}", headers={HEADER_LENGTH: "99"})
    assert "truncated" in error_of(response, 400)


def test_without_a_table_a_line_says_to_push_one(device, digits, inputs):
    loaded = device.post(
        "/v2/repository/models/digits/load",
        json.dumps({"parameters": {"bundle": digits.digest}}).encode(),
        token=OPERATOR,
    )
    assert loaded.status_code == 200
    assert "push" in error_of(device.infer(inputs), 503)


def test_without_a_table_a_pinned_configuration_is_served(device, digits, inputs, answer, reply_of):
    content = json.dumps({"parameters": {"bundle": digits.digest}}).encode()
    device.post("/v2/repository/models/digits/load", content, token=OPERATOR)
    reply = reply_of(device.infer(inputs, {"configuration": PINNED}, token=OPERATOR))
    assert np.array_equal(reply.tensors[0].array, answer)
    assert (reply.parameters["table"], reply.parameters["predicted_ms"]) == ("", None)


def test_a_hopeless_request_is_refused_when_asked_so_and_recorded_as_violation(serving, inputs):
    response = serving.infer(inputs, {"deadline_ms": 0.5, "late": "reject"})
    assert "0.5 ms" in error_of(response, 503)
    (record,) = serving.records()
    assert record["violation"] is True and record["configuration"] is None and "0.5 ms" in record["refused"]


@pytest.mark.parametrize("deadline_ms", [1e13, 1e300, 1.7e308])
def test_a_deadline_beyond_all_patience_is_served(serving, inputs, reply_of, monkeypatch, deadline_ms):
    calls, tail = [], serving.cloud.tail
    monkeypatch.setattr(serving.cloud, "tail", lambda call, **limit: calls.append(call) or tail(call, **limit))
    asked = {"deadline_ms": deadline_ms, "strategy": "cloud-only"}
    said = reply_of(serving.infer(inputs, asked, token=OPERATOR)).parameters
    assert said["deadline_met"] is True and said["fallback"] == ""
    sent = unpack_request(calls[0].wire.headers, calls[0].wire.body).parameters
    assert 0 < sent["remaining_ms"] <= 10_000


def test_more_requests_than_may_wait_are_refused_at_once_and_recorded(serving, inputs, wait_until):
    entered, leave = threading.Event(), threading.Event()
    statuses: list[int] = []

    def hold() -> None:
        with serving.turns.turn():
            entered.set()
            leave.wait(20)

    def ask() -> None:
        statuses.append(serving.infer(inputs, {"deadline_ms": 5000}).status_code)

    threads = [threading.Thread(target=hold), *(threading.Thread(target=ask) for _ in range(3))]
    threads[0].start()
    assert entered.wait(20)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: statuses == [429])
    leave.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 200, 429]
    assert [record["refused"] != "" for record in serving.records()] == [True, False, False]
    assert serving.records()[0]["violation"] is True


def test_time_in_the_queue_counts(serving, inputs, reply_of, wait_until):
    entered, leave = threading.Event(), threading.Event()
    replies = []

    def hold() -> None:
        with serving.turns.turn():
            entered.set()
            leave.wait(20)
            serving.clock.sleep(0.4)

    holder = threading.Thread(target=hold)
    asker = threading.Thread(target=lambda: replies.append(serving.infer(inputs, {"deadline_ms": 300})))
    holder.start()
    assert entered.wait(20)
    asker.start()
    wait_until(lambda: serving.turns.waiting == 1)
    leave.set()
    holder.join()
    asker.join()
    said = reply_of(replies[0]).parameters
    assert said["latency_ms"] > 400 and said["deadline_met"] is False


# The rest of the protocol


def test_errors_of_the_framework_are_json_too(serving):
    assert error_of(serving.client.get("/nowhere"), 404)
    assert error_of(serving.client.get("/v2/models/digits/infer"), 405)


@pytest.mark.parametrize("path", ["/v2/models/digits/infer", "/v2/models/digits/explain"])
def test_a_body_that_is_too_large_is_refused(serving, path):
    headers = {"Authorization": f"Bearer {OPERATOR}"}
    stated = {"CONTENT_LENGTH": str(MAX_BODY_BYTES + 1)}
    error_of(serving.client.post(path, headers=headers, environ_overrides=stated), 413)


def test_the_server_describes_itself_and_its_networks(serving, digits):
    get = serving.client.get
    server = get("/v2").get_json()
    assert server["device"]["outbox"]["dropped"] == {"inference": 0, "measurement": 0, "sample": 0}
    assert (server["name"], server["device"]["board"]) == ("dynasplit-edge", "emulated-pi4")
    assert server["device"]["clocks_khz"][-1] == 1_800_000
    assert get("/v2/models/digits/config").get_json()["cut_points"] == list(digits.manifest.cuts)
    assert get("/v2/health/live").status_code == get("/v2/health/ready").status_code == 200
    described = get("/v2/models/digits").get_json()
    assert described["inputs"][0]["shape"] == [1, 64, 64, 1]
    assert described["parameters"]["bundle"] == digits.digest
    assert get("/v2/models/digits/versions/1/ready").status_code == 200
    assert get("/v2/models/digits/config").get_json()["input"][0]["data_type"] == "TYPE_FP32"
    assert error_of(get("/v2/models/digits/versions/2"), 404)
    index = serving.post("/v2/repository/index").get_json()
    assert index == [{"name": "digits", "version": "1", "state": "READY", "reason": ""}]


def test_statistics_count_answers_and_failures(serving, inputs):
    serving.infer(inputs)
    serving.infer(inputs, {"deadline_ms": -1})
    (stats,) = serving.client.get("/v2/models/digits/stats").get_json()["model_stats"]
    assert stats["inference_count"] == 1
    assert stats["inference_stats"]["fail"]["count"] == 1
    assert stats["inference_stats"]["compute_infer"]["ns"] > 0


def test_a_network_is_loaded_anew_by_its_name_alone_and_never_with_another_configuration(serving, digits):
    load = "/v2/repository/models/digits/load"
    assert serving.post(load, b"{}", token=OPERATOR).status_code == 200
    assert "config" in error_of(serving.post(load, b'{"parameters": {"config": "{}"}}', token=OPERATOR), 400)
    assert serving.client.get("/v2/models/digits").get_json()["parameters"]["bundle"] == digits.digest


def test_loading_needs_the_token_and_the_right_network(serving, digits):
    content = json.dumps({"parameters": {"bundle": digits.digest}}).encode()
    error_of(serving.post("/v2/repository/models/digits/load", content), 403)
    error_of(serving.post("/v2/repository/models/other/load", content, token=OPERATOR), 409)
    error_of(serving.post("/v2/repository/models/nope/load", b"{}", token=OPERATOR), 404)
    missing = json.dumps({"parameters": {"bundle": "0" * 64}}).encode()
    error_of(serving.post("/v2/repository/models/digits/load", missing, token=OPERATOR), 404)


def test_a_network_that_a_table_serves_is_not_unloaded(serving, inputs):
    error_of(serving.post("/v2/repository/models/digits/unload", token=OPERATOR), 409)
    assert serving.infer(inputs).status_code == 200
