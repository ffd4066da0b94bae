"""What jobs do: measure by the path that serves, and look at a table again."""

from __future__ import annotations

import json
import threading

import pytest

from edge.device.capabilities import Capabilities
from edge.device.controller import Controller
from edge.jobs.profiling import Facilities, profiling
from edge.jobs.pushing import pushing
from edge.jobs.settling import settling
from edge.offload.cloud import CloudFailed
from edge.requests.bounds import Bounds
from edge.requests.turns import Claim, Turns
from edge.tables.desired import DesiredTables
from hardware.clock import VirtualClock
from planner.choosing.limits import NO_LIMITS, Limits
from protocol.configuration import Codec, Configuration
from protocol.errors import BundleMismatch, Conflict, InvalidInput, NotFound, ServiceMissing
from protocol.job_orders import ProfileOrder
from protocol.jobs import Job, JobKind
from protocol.messages import RecordKind
from protocol.signing import generate_private_key, sign

TOP_KHZ = 1_800_000


@pytest.fixture
def make(device):
    """Makes the work of a profile job on a device."""

    def make(order: ProfileOrder, *, limits: Limits = NO_LIMITS):
        bounds = Bounds(Capabilities.of(device.board, threads=1), limits, device.cloud.ration)
        facilities = Facilities(
            device.agent,
            device.tables._readiness._bundles,
            device.networks,
            warm=device.tables._readiness._warm,
            bounds=bounds,
            settle=settling(Turns(max_waiting=0), Controller(device.board)),
            clock=device.clock,
        )
        return profiling(facilities)(Job("7", JobKind.PROFILE, order.to_json()), False)

    return make


def order_for(bundle, /, **change) -> ProfileOrder:
    order = {"network": "digits", "bundle": bundle.digest, "codecs": (Codec.RAW,), "repeats": 2, **change}
    return ProfileOrder(**order)


def measured(device) -> list[dict]:
    return device.records(RecordKind.MEASUREMENT)


def test_each_step_is_a_measurement_in_the_outbox_with_the_jobs_tag(make, device, digits):
    exact = (Configuration(4, TOP_KHZ), Configuration(digits.manifest.operator_count, 600_000))
    work = make(order_for(digits, configurations=exact))
    for index in range(work.total):
        work.step(index)
        assert len(measured(device)) == index + 1
    assert [each["configuration"] for each in measured(device)] == [c.to_json() for c in exact for _ in range(2)]
    assert {each["run"] for each in measured(device)} == {"job-7"}
    assert {each["bundle"] for each in measured(device)} == {digits.digest}


def test_the_device_plans_what_covers_its_clocks(make, device, digits):
    work = make(order_for(digits, repeats=1))
    for index in range(work.total):
        work.step(index)
    seen = [each["configuration"] for each in measured(device)]
    assert {each["cpu_khz"] for each in seen} == set(device.board.ladder_khz())
    assert {each["cut"] for each in seen if each["cpu_khz"] == TOP_KHZ} == set(digits.manifest.cuts)


def test_what_the_device_may_not_do_is_not_planned(make, device, digits):
    work = make(order_for(digits, repeats=1), limits=Limits(min_cut=4))
    for index in range(work.total):
        work.step(index)
    assert min(each["configuration"]["cut"] for each in measured(device)) == 4


def test_a_step_uses_the_jobs_bundle_whatever_was_loaded_meanwhile(make, device, digits):
    work = make(order_for(digits))
    work.step(0)
    device.networks.unload("digits")
    work.step(1)
    assert len(measured(device)) == 2


def test_the_board_is_put_back_at_the_end(make, device, digits):
    work = make(order_for(digits, configurations=(Configuration(4, device.board.ladder_khz()[0]),)))
    work.step(0)
    assert device.board.running_khz() == device.board.ladder_khz()[0]

    work.close()

    assert device.board.running_khz() == TOP_KHZ


def test_the_board_is_put_back_however_many_requests_wait(device):
    turns = Turns(max_waiting=0)
    controller = Controller(device.board)
    settle = settling(turns, controller)
    controller.apply(Configuration(4, device.board.ladder_khz()[0]))

    with turns.turn():
        waiting = threading.Thread(target=settle)
        waiting.start()
    waiting.join(20)

    assert device.board.running_khz() == TOP_KHZ


def test_the_board_is_put_back_while_requests_with_deadlines_keep_coming(device, wait_until):
    clock, served = VirtualClock(), []
    turns = Turns(max_waiting=9, clock=clock)
    controller = Controller(device.board)
    device.board.restore = lambda: served.append("board")

    def come(due_s: float) -> None:
        with turns.turn(Claim(due_s)):
            served.append("request")

    with turns.turn():
        threads = [threading.Thread(target=settling(turns, controller))]
        threads[0].start()
        wait_until(lambda: turns.waiting == 1)
        clock.sleep(30.0)
        threads.append(threading.Thread(target=come, args=(clock() + 0.1,)))
        threads[1].start()
        wait_until(lambda: turns.waiting == 2)
    for thread in threads:
        thread.join(20)

    assert served == ["board", "request"]


def test_a_cloud_that_is_away_is_an_error_that_may_pass(make, device, digits):
    work = make(order_for(digits, configurations=(Configuration(0, TOP_KHZ),)))
    device.cloud.failure = CloudFailed("the cloud is away")
    with pytest.raises(CloudFailed) as failure:
        work.step(0)
    assert failure.value.http_status == 503
    assert measured(device) == []


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"network": "other"}, BundleMismatch),
        ({"bundle": "b" * 63}, InvalidInput),
        ({"configurations": (Configuration(4, 123),)}, InvalidInput),
    ],
)
def test_an_order_that_cannot_be_carried_out_here_is_refused(make, digits, change, error):
    with pytest.raises(error):
        make(order_for(digits, **change))


# push


@pytest.fixture
def desired(device):
    return DesiredTables(device.tables, report=lambda _report: None)


def push_of(network: str, desired: DesiredTables):
    return pushing(desired)(Job("8", JobKind.PUSH, {"network": network}), False)


def test_a_push_applies_what_was_rejected_before(device, desired, signed, monkeypatch):
    payload = json.dumps(signed.to_json()).encode()
    with monkeypatch.context() as refusing:
        refusing.setattr(device.tables._readiness, "_warm", _refuse)
        assert device.tables.consider("digits", payload).reason == "no memory left"
    assert device.tables.consider("digits", payload) is None
    desired.desire("digits", payload)

    push_of("digits", desired).step(0)

    assert device.networks.get("digits").plan.table.digest == signed.table.digest


def _refuse(_bundle, _threads):
    raise InvalidInput("no memory left")


def test_a_push_of_a_table_that_is_rejected_again_fails_with_the_reason(desired, table_for, digits):
    foreign = sign(table_for(digits), generate_private_key())
    desired.desire("digits", json.dumps(foreign.to_json()).encode())
    with pytest.raises(Conflict, match="was not applied"):
        push_of("digits", desired).step(0)


def test_a_push_without_a_table_may_go_well_in_a_moment_but_not_for_ever(desired):
    work = push_of("digits", desired)
    for _ in range(3):
        with pytest.raises(ServiceMissing, match="digits"):
            work.step(0)
    with pytest.raises(NotFound, match="no table is desired for digits"):
        work.step(0)


def test_a_push_fetches_the_bundle_when_the_backend_is_back(device, desired, signed):
    device.source.away = True
    desired.desire("digits", json.dumps(signed.to_json()).encode())
    work = push_of("digits", desired)
    with pytest.raises(ServiceMissing):
        work.step(0)
    device.source.away = False
    work.step(0)
    assert device.networks.get("digits").plan.table.version == 1
