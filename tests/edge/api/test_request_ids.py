"""A request's id goes from the caller to the cloud, into the answer and into the record."""

import pytest

from edge.offload.cloud import CloudFailed
from protocol.inference import Message, pack_request
from protocol.tensors import Tensor

CALLED = {"X-Request-Id": "camera-7"}
OPERATOR = "operator-token"


@pytest.fixture
def infer(serving, inputs):
    tensors = tuple(Tensor(name, array) for name, array in inputs.items())

    def send(parameters=None, *, headers=CALLED):
        wire = pack_request(Message(tensors, parameters or {}))
        return serving.post("/v2/models/digits/infer", wire.body, token=OPERATOR, headers={**wire.headers, **headers})

    return send


@pytest.fixture
def sent(serving, monkeypatch):
    """The headers of what went to the cloud."""
    calls, tail = [], serving.cloud.tail

    def noting(call, *, timeout_ms):
        calls.append(dict(call.wire.headers))
        return tail(call, timeout_ms=timeout_ms)

    monkeypatch.setattr(serving.cloud, "tail", noting)
    return calls


def test_answer_cloud_and_record_share_the_callers_id(serving, infer, sent):
    response = infer({"strategy": "cloud-only"})

    (record,) = serving.records()
    assert response.status_code == 200
    assert (response.headers["X-Request-Id"], sent[0]["X-Request-Id"], record["request_id"]) == ("camera-7",) * 3


def test_without_one_each_request_gets_its_own(serving, infer, sent):
    answers = [infer({"strategy": "cloud-only"}, headers={}).headers["X-Request-Id"] for _ in range(2)]

    assert len(set(answers)) == 2
    assert [headers["X-Request-Id"] for headers in sent] == answers
    assert [record["request_id"] for record in serving.records()] == answers


def test_one_that_no_log_should_hold_is_replaced(serving, infer):
    assert infer(headers={"X-Request-Id": "a b\tc"}).headers["X-Request-Id"] != "a b\tc"


def test_a_fallback_keeps_its_id(serving, infer, sent):
    serving.cloud.failure = CloudFailed("away")

    assert infer({"strategy": "cloud-only"}).status_code == 200

    (record,) = serving.records()
    assert record["fallback"]
    assert record["request_id"] == sent[0]["X-Request-Id"] == "camera-7"


def test_a_refusal_has_it_in_answer_and_record(serving, infer):
    response = infer({"deadline_ms": 0.001, "late": "reject"})

    (record,) = serving.records()
    assert response.status_code == 503
    assert (response.headers["X-Request-Id"], record["request_id"]) == ("camera-7", "camera-7")
    assert record["refused"]
