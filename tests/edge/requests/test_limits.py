"""What the device may not do, whatever it is asked."""

from __future__ import annotations

import threading

import pytest

from edge.offload.cloud import CloudFailed
from planner.choosing.limits import Limits
from protocol.messages import TableState

OPERATOR = "operator-token"
CLOUD_ONLY = {"strategy": "cloud-only"}


@pytest.fixture
def limited(make_device, digits, table_for):
    def making(**how):
        device = make_device(**how)
        device.source.add(digits)
        assert device.push(table_for(digits)).state is TableState.APPLIED
        return device

    return making


def stats(device) -> dict:
    return device.client.get("/v2/models/digits/stats").get_json()["model_stats"][0]["dynasplit"]


def cut_of(reply) -> int:
    return reply.parameters["configuration"]["cut"]


def test_when_the_bytes_of_the_day_are_spent_it_stays_alone_until_the_next(limited, inputs, digits, reply_of):
    device = limited(max_bytes_per_day=50_000)
    cuts = [cut_of(reply_of(device.infer(inputs, CLOUD_ONLY, token=OPERATOR))) for _ in range(6)]
    assert cuts == [0, 0, 0, *[digits.manifest.operator_count] * 3]
    assert stats(device)["sent_bytes_today"] <= 50_000
    assert stats(device)["bytes_left_today"] < 20_000
    device.clock.sleep(86_400.0)
    assert cut_of(reply_of(device.infer(inputs, CLOUD_ONLY, token=OPERATOR))) == 0


def test_failed_calls_count_and_the_count_survives_a_restart(limited, make_device, inputs):
    device = limited(max_bytes_per_day=10**6)
    device.cloud.failure = CloudFailed("away")
    device.infer(inputs, CLOUD_ONLY, token=OPERATOR)
    sent = stats(device)["sent_bytes_today"]
    assert sent > 16_000
    again = make_device(max_bytes_per_day=10**6)
    again.tables.resume()
    assert stats(again)["sent_bytes_today"] >= sent


def test_a_body_that_is_larger_than_its_row_said_is_not_sent_beyond_the_limit(limited, inputs, answer, reply_of):
    """The row's figure is that of the tensor; the body has a header as well."""
    device = limited(max_bytes_per_day=16_384)
    reply = reply_of(device.infer(inputs, CLOUD_ONLY, token=OPERATOR))
    assert "may still send today" in reply.parameters["fallback"]
    assert reply.parameters["cost"]["up_bytes"] == 0
    assert (reply.tensors[0].array == answer).all()
    assert (device.cloud.calls, stats(device)["sent_bytes_today"]) == (0, 0)


def test_a_pinned_configuration_keeps_the_limits_too(limited, inputs):
    device = limited(max_bytes_per_day=100, limits=Limits(min_cut=4))
    early = {"cut": 0, "cpu_khz": 1_800_000}
    response = device.infer(inputs, {"configuration": early}, token=OPERATOR)
    assert response.status_code == 400 and "below this device's min_cut 4" in response.get_json()["error"]
    large = {"configuration": {**early, "cut": 4}, "profile": True}
    response = device.infer(inputs, large, token=OPERATOR)
    assert response.status_code == 503 and "may still send today" in response.get_json()["error"]


def test_a_table_of_which_no_row_may_be_used_is_refused_with_the_reason(make_device, digits, table_for, row):
    device = make_device(limits=Limits(min_cut=6))
    device.source.add(digits)
    report = device.push(table_for(digits, rows=(row(0, digits), row(4, digits))))
    assert (report.state, "min_cut 6" in report.reason) == (TableState.REJECTED, True)


def test_a_table_of_unproven_accuracy_is_refused_by_a_device_that_asks_for_it(make_device, digits, table_for, row):
    device = make_device(limits=Limits(min_accuracy=0.9))
    device.source.add(digits)
    unproven = table_for(digits, rows=(row(0, digits, accuracy=None),))
    report = device.push(unproven)
    assert (report.state, "min_accuracy 0.9" in report.reason) == (TableState.REJECTED, True)


def test_the_device_s_own_floor_of_accuracy_holds_whatever_a_request_allows(
    make_device, digits, inputs, table_for, row, reply_of
):
    device = make_device(limits=Limits(min_accuracy=0.9))
    device.source.add(digits)
    last = digits.manifest.operator_count
    cheap = row(4, digits, accuracy=0.8, head_mj=0.0, cloud_node_mj=0.0, wait_w=0.0)
    device.push(table_for(digits, rows=(cheap, row(last, digits, accuracy=0.95))))
    assert cut_of(reply_of(device.infer(inputs, {"min_accuracy": 0.1}))) == last


def test_with_others_behind_it_a_request_takes_no_row_that_would_make_them_late(
    limited, inputs, digits, table_for, row, reply_of, wait_until
):
    device, entered, leave, replies = limited(), threading.Event(), threading.Event(), {}
    last = digits.manifest.operator_count
    device.push(table_for(digits, version=2, rows=(row(0, digits, cloud_node_mj=1000.0), row(last, digits))))

    def hold() -> None:
        with device.turns.turn():
            entered.set()
            leave.wait(20)

    def answered(deadline_ms: float) -> None:
        replies[deadline_ms] = reply_of(device.infer(inputs, {"deadline_ms": deadline_ms}))

    def ask(deadline_ms: float) -> threading.Thread:
        waiting, thread = device.turns.waiting, threading.Thread(target=answered, args=(deadline_ms,))
        thread.start()
        wait_until(lambda: device.turns.waiting == waiting + 1)
        return thread

    device.infer(inputs)  # teaches it what the slow row really takes
    alone = reply_of(device.infer(inputs, {"deadline_ms": 60.0}))
    threads = [threading.Thread(target=hold)]
    threads[0].start()
    assert entered.wait(20)
    threads += [ask(60.0), ask(61.0)]
    leave.set()
    for thread in threads:
        thread.join()
    assert (cut_of(alone), cut_of(replies[60.0])) == (last, 0), "the cheapest is slow"
    assert replies[61.0].parameters["deadline_met"]
