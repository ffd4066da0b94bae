"""Requests on an Edge TPU that vanishes, hangs and comes back: each gets its answer, and nothing is measured that was not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.runners.emulated_tpu import EmulatedTpuOpener
from edge.runners.port import RunnerLost, RunnersHere, open_fake
from hardware.accelerator.emulated_usb import EmulatedUsb
from models.running.runner import FakeRunner
from protocol.configuration import EdgeAccelerator
from protocol.inference import Message, pack_request
from protocol.messages import RecordKind
from protocol.tensors import Tensor

NETWORK = "other"
OFF, STD, MAX = EdgeAccelerator


class HangingRunners(RunnersHere):
    """What a runner child tells of a hanging TPU, without the waiting. Keeps the limits that it was given."""

    def __init__(self, usb: EmulatedUsb) -> None:
        super().__init__(opener=EmulatedTpuOpener(usb, cpu=open_fake))
        self.usb = usb
        self.limits = []

    def head(self, key, cut, inputs, *, limit_s=None):
        if key.accelerator is not OFF:
            self.limits.append(limit_s)
            if self.usb.hanging:
                raise RunnerLost(f"the head at cut {cut} took longer than {limit_s} s, so the runner was killed")
        return super().head(key, cut, inputs, limit_s=limit_s)


@pytest.fixture
def usb(tmp_path) -> EmulatedUsb:
    made = EmulatedUsb(tmp_path / "usb")
    made.plug()
    return made


@pytest.fixture
def rows(row, other):
    """Edge-only on the CPU and, much faster and for less, on the TPU; and one that is split, on the TPU."""
    last = other.manifest.operator_count
    cpu, split = row(last, other), row(4, other)

    def on(accelerator, base, **figures):
        return replace(base, configuration=replace(base.configuration, edge_accelerator=accelerator), **figures)

    return (
        cpu,
        on(STD, cpu, head_ms=20.0, head_mj=60.0),
        on(MAX, cpu, head_ms=18.0, head_mj=80.0),
        on(STD, split, head_ms=15.0, head_mj=90.0),
    )


@pytest.fixture
def device(make_device, other, table_for, rows, usb):
    made = make_device(usb=usb, runners=HangingRunners(usb))
    made.source.add(other)
    report = made.push(table_for(other, rows=rows))
    assert report.reason == ""
    return made


@pytest.fixture
def ask(device, other, reply_of):
    inputs = (Tensor(other.manifest.inputs[0].name, np.zeros(other.manifest.inputs[0].shape, np.float32)),)

    def asking(token="", **parameters):
        wire = pack_request(Message(inputs, parameters))
        path = f"/v2/models/{NETWORK}/infer"
        response = device.post(path, wire.body, token=token, headers=dict(wire.headers))
        return reply_of(response).parameters if response.status_code == 200 else response

    return asking


def health(device):
    return device.client.get("/v2").get_json()["device"]["accelerator_health"]


def accelerator_of(parameters) -> str:
    return parameters["configuration"]["edge_accelerator"]


def test_a_row_with_the_tpu_runs_on_it_and_takes_its_time(device, ask):
    answer = ask(deadline_ms=400)

    assert (accelerator_of(answer), answer["fallback"], answer["deadline_met"]) == ("std", "", True)
    assert answer["cost"]["head_ms"] < 20
    assert device.runners.limits == [0.8]


def test_one_that_vanishes_costs_no_request_its_answer(device, ask, usb):
    ask()
    usb.unplug()

    answer = ask(deadline_ms=400)

    assert (accelerator_of(answer), answer["fallback"]) == ("off", "")
    assert health(device)["std"]["reason"] == "it is not on the bus"


def test_one_that_vanishes_in_the_middle_of_a_head_is_gone_round_with_the_reason(device, ask, usb, monkeypatch):
    monkeypatch.setattr(type(usb), "plugged", False)

    answer = ask(deadline_ms=400)

    assert accelerator_of(answer) == "off"
    assert "gone" in answer["fallback"]
    assert accelerator_of(ask(deadline_ms=400)) == "off"


def test_one_that_hangs_is_left_alone_in_both_clocks_and_then_tried_again(device, ask, usb):
    usb.hang()
    answer = ask(deadline_ms=400)
    assert accelerator_of(answer) == "off"
    assert "took longer than 0.8 s" in answer["fallback"]
    assert len(device.runners.limits) == 1
    state = health(device)
    assert [entry["usable"] for entry in state.values()] == [False, False]

    usb.answer()
    assert accelerator_of(ask(deadline_ms=400)) == "off"
    device.clock.sleep(5)
    assert accelerator_of(ask(deadline_ms=400)) == "std"
    assert health(device)["std"]["usable"]


def test_one_that_is_plugged_in_again_is_used_at_once(device, ask, usb):
    usb.hang()
    ask()
    usb.unplug()
    usb.answer()
    ask()
    usb.plug()
    device.clock.sleep(1)

    assert accelerator_of(ask()) == "std"


def test_where_every_row_needs_it_the_same_cut_runs_on_the_cpu(device, ask, usb, other, table_for, rows):
    assert device.push(table_for(other, rows=rows[1:], version=2)).reason == ""
    usb.unplug()

    answer = ask()

    assert accelerator_of(answer) == "off"
    assert "needs an accelerator that cannot be used now" in answer["fallback"]
    assert (
        device.client.get(f"/v2/models/{NETWORK}/stats").get_json()["model_stats"][0]["dynasplit"]["learned_from"] == 0
    )


def test_the_answer_is_the_same_whatever_it_ran_on(device, other, usb, reply_of):
    spec = other.manifest.inputs[0]
    image = np.zeros(spec.shape, np.float32)
    wire = pack_request(Message((Tensor(spec.name, image),), {}))
    expected = next(iter(FakeRunner(other.manifest).tail(0, [image]).values()))

    for there in (usb.plug, usb.unplug):
        there()
        response = device.post(f"/v2/models/{NETWORK}/infer", wire.body, headers=dict(wire.headers))
        assert np.array_equal(reply_of(response).tensors[0].array, expected)


def test_a_pinned_configuration_is_refused_while_it_is_away(device, ask, usb, rows):
    usb.unplug()

    response = ask("operator-token", configuration=rows[1].configuration.to_json(), profile=True)

    assert response.status_code == 503
    assert "accelerator std cannot be used: it is not on the bus" in response.get_json()["error"]
    assert device.records(RecordKind.MEASUREMENT) == []


def test_a_measurement_is_not_made_on_the_cpu_in_its_place(device, ask, usb, rows):
    usb.hang()

    response = ask("operator-token", configuration=rows[1].configuration.to_json(), profile=True)

    assert response.status_code == 503
    assert "so the runner was killed" in response.get_json()["error"]
    assert device.records(RecordKind.MEASUREMENT) == []


def test_a_measurement_on_it_tells_what_it_ran_on(device, ask, rows):
    ask("operator-token", configuration=rows[1].configuration.to_json(), profile=True)

    (record,) = device.records(RecordKind.MEASUREMENT)
    assert record["runtime"] == "fake+emulated-edgetpu-std"
    assert record["configuration"]["edge_accelerator"] == "std"


def test_a_table_for_a_tpu_that_is_away_is_accepted(make_device, other, table_for, rows, usb):
    usb.unplug()
    device = make_device(usb=usb)
    device.source.add(other)

    assert device.push(table_for(other, rows=rows)).reason == ""


def test_a_table_for_a_tpu_is_refused_where_none_is_set_up(make_device, other, table_for, rows):
    device = make_device()
    device.source.add(other)

    reason = device.push(table_for(other, rows=rows)).reason

    assert "not set up for accelerator std (it has off)" in reason


def test_a_float_head_is_refused_for_a_tpu(make_device, digits, table_for, row, usb):
    device = make_device(usb=usb)
    device.source.add(digits)
    base = row(4, digits)
    on_tpu = replace(base, configuration=replace(base.configuration, edge_accelerator=STD))

    assert "an Edge TPU runs int8 alone" in device.push(table_for(digits, rows=(on_tpu,))).reason


def test_the_reason_of_a_choice_names_what_cannot_be_used(device, usb):
    usb.unplug()

    explained = device.post(f"/v2/models/{NETWORK}/explain", b"{}", token="operator-token")
    candidates = explained.get_json()["candidates"]

    assert [entry["why"] for entry in candidates].count("not_usable") == 3
