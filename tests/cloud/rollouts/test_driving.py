"""Rollouts over devices in memory: what is sent, published and stopped."""

from __future__ import annotations

import json

import pytest

from cloud.broker.publishing import MemoryPublisher
from cloud.rollouts.driving import Driver
from cloud.rollouts.ending import end
from cloud.rollouts.stages import canceled
from cloud.rollouts.starting import start
from cloud.store.memory import MemoryStore
from cloud.store.rollouts.values import Plan, RolloutState
from protocol import topics
from protocol.errors import Conflict, InvalidInput, NotFound
from protocol.messages import TableReport, TableState
from protocol.presence import Availability

DEVICES = [f"pi-{number}" for number in range(1, 6)]
PLAN = Plan(canary_share=0.2, soak_s=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def store(make_signed) -> MemoryStore:
    made = MemoryStore()
    made.add_bundle(make_signed().table.bundle, network="digits")
    for device in DEVICES:
        made.add_device(device, token_sha256=device)
        made.note_availability(device, Availability.ONLINE, at=1.0)
    return made


@pytest.fixture
def publisher() -> MemoryPublisher:
    return MemoryPublisher()


@pytest.fixture
def driver(store, publisher) -> Driver:
    return Driver(store, publisher, wall_clock=Clock())


@pytest.fixture
def tables(make_signed) -> list:
    return [make_signed(1, device=device) for device in DEVICES]


def answer(store: MemoryStore, publisher: MemoryPublisher, *, failing: str = "") -> None:
    """All devices do what they were told; one goes back from it."""
    for device in DEVICES:
        sent = publisher.retained.get(topics.desired(device, "digits"))
        if sent:
            digest = json.loads(sent)["digest"]
            state = TableState.ROLLED_BACK if device == failing else TableState.APPLIED
            failed = digest if device == failing else ""
            told = TableReport("digits", "before" if failed else digest, 1, state, "it broke" * bool(failed), failed)
            store.note_report(device, told, at=5.0)


def test_five_devices_get_their_tables_stage_by_stage(store, publisher, driver, tables):
    rollout = start(store, "digits", tables, PLAN, at=1.0)

    driver.look()
    assert list(publisher.retained) == [topics.desired("pi-1", "digits")]
    for _ in range(4):
        answer(store, publisher)
        driver.look()

    assert store.rollout(rollout.id).state is RolloutState.DONE
    assert len(publisher.retained) == 5
    assert store.history("pi-5", "digits")[0].digest == tables[4].table.digest


def test_one_of_five_that_goes_back_stops_all(store, publisher, driver, tables):
    rollout = start(store, "digits", tables, PLAN, at=1.0)

    for _ in range(4):
        driver.look()
        answer(store, publisher, failing="pi-1")

    stopped = store.rollout(rollout.id)
    assert (stopped.state, stopped.reason) == (RolloutState.STOPPED, "pi-1: rolled_back: it broke")
    assert list(publisher.retained) == [topics.desired("pi-1", "digits")]


def test_nothing_is_sent_after_a_cancel_that_came_between_decision_and_sending(
    store, publisher, driver, tables, monkeypatch
):
    rollout = start(store, "digits", tables, Plan(canary_share=1.0), at=1.0)
    real = store.signed

    def canceling(digest):
        running = store.rollout(rollout.id)
        if not running.state.final:
            store.save_rollout(canceled(running, at=2.0))
        return real(digest)

    monkeypatch.setattr(store, "signed", canceling)
    driver.look()

    assert publisher.retained == {}
    assert store.rollout(rollout.id).state is RolloutState.CANCELED


def test_who_was_not_told_before_the_end_waits_again(store, driver, tables, make_signed, monkeypatch):
    monkeypatch.setattr("cloud.rollouts.driving._MOST_SENT", 2)
    rollout = start(store, "digits", tables, Plan(canary_share=1.0), at=1.0)
    driver.look()
    by_hand = make_signed(7, device="pi-5")
    store.set_desired(by_hand)

    assert end(store, canceled(store.rollout(rollout.id), at=2.0))

    ended = store.rollout(rollout.id)
    assert ended.state is RolloutState.CANCELED
    assert [(each.state.value, each.stage, each.sent_at is None) for each in ended.members] == [
        *[("sent", 1, False)] * 2,
        *[("waiting", 0, True)] * 2,
        ("overtaken", 1, False),
    ]
    assert store.desired("pi-5", "digits").signed == by_hand
    assert not end(store, canceled(rollout, at=2.0))


def test_who_was_not_told_before_a_device_failed_waits_again(store, publisher, driver, tables, monkeypatch):
    monkeypatch.setattr("cloud.rollouts.driving._MOST_SENT", 1)
    rollout = start(store, "digits", tables, Plan(canary_share=1.0), at=1.0)

    driver.look()
    answer(store, publisher, failing="pi-1")
    driver.look()

    stopped = store.rollout(rollout.id)
    assert stopped.state is RolloutState.STOPPED
    assert stopped.counts() == {"rolled_back": 1, "waiting": 4}


def test_a_large_stage_is_sent_bit_by_bit(store, publisher, driver, make_signed, monkeypatch):
    monkeypatch.setattr("cloud.rollouts.driving._MOST_SENT", 2)
    start(store, "digits", [make_signed(1, device=device) for device in DEVICES], Plan(canary_share=1.0), at=1.0)
    sent = []

    for _ in range(4):
        driver.look()
        sent.append(len(publisher.retained))

    assert sent == [2, 4, 5, 5]


def test_two_processes_that_look_at_once_do_no_harm(store, publisher, driver, tables):
    start(store, "digits", tables, PLAN, at=1.0)
    other = Driver(store, publisher, wall_clock=Clock())

    for _ in range(5):
        driver.look()
        other.look()
        answer(store, publisher)

    (rollout,) = store.rollouts()
    assert rollout.state is RolloutState.DONE
    assert len(publisher.published) == 5


def test_a_stage_is_watched_by_one_process_at_a_time_and_by_no_clock_that_is_set(store, publisher, tables):
    rollout = start(store, "digits", tables, Plan(canary_share=0.2, soak_s=60.0), at=1.0)
    now, wall = [0.0], [1000.0]
    drivers = [Driver(store, publisher, wall_clock=lambda: wall[0], clock=lambda: now[0]) for _ in range(2)]

    for second in range(60):
        now[0] += 1.0
        wall[0] += 3600.0
        for each in drivers:
            each.look()
        answer(store, publisher)
        if second == 30:
            drivers[0] = Driver(store, publisher, wall_clock=lambda: wall[0], clock=lambda: now[0])

    assert len(publisher.retained) == 1
    for _ in range(15):
        now[0] += 1.0
        for each in drivers:
            each.look()
    assert len(publisher.retained) == 5
    assert store.rollout(rollout.id).stage == 2


def test_a_table_that_the_broker_did_not_take_is_published_later(store, publisher, driver, tables):
    start(store, "digits", tables, PLAN, at=1.0)
    publisher.away = True
    driver.look()
    assert publisher.retained == {}

    publisher.away = False
    driver.look()

    assert list(publisher.retained) == [topics.desired("pi-1", "digits")]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ([], InvalidInput, "has none"),
        ([("pi-1", 1), ("pi-2", 1), ("pi-1", 2)], InvalidInput, "pi-1 is to get 2 tables"),
        ([("pi-1", 0)], InvalidInput, "version of 1 or more"),
        ([("pi-1", 1), ("pi-9", 1)], NotFound, "pi-9"),
    ],
)
def test_what_is_no_rollout_is_refused_and_nothing_kept(store, make_signed, asked, error, said):
    with pytest.raises(error, match=said):
        start(store, "digits", [make_signed(version, device=device) for device, version in asked], PLAN, at=1.0)

    assert store.rollouts() == []


def test_a_table_of_another_network_is_refused(store, make_signed):
    with pytest.raises(InvalidInput, match="for faces, not for digits"):
        start(store, "digits", [make_signed(1, network="faces")], PLAN, at=1.0)


def test_a_version_that_is_not_newer_is_refused(store, tables, make_signed):
    store.set_desired(make_signed(4, device="pi-3"))

    with pytest.raises(Conflict, match="not newer than 4"):
        start(store, "digits", tables, PLAN, at=1.0)


def test_a_device_is_in_one_rollout_of_a_network_at_a_time(store, tables, make_signed):
    first = start(store, "digits", tables[:2], PLAN, at=1.0)

    with pytest.raises(Conflict, match=first.id):
        start(store, "digits", tables[1:], PLAN, at=2.0)

    start(store, "digits", tables[2:], PLAN, at=2.0)


def test_a_device_that_is_retired_is_left_out_and_gets_nothing(store, publisher, driver, tables):
    rollout = start(store, "digits", tables, PLAN, at=1.0)
    driver.look()
    store.remove_device("pi-1", at=9.0)
    store.remove_device("pi-3", at=9.0)

    for _ in range(6):
        driver.look()
        answer(store, publisher)

    ended = store.rollout(rollout.id)
    states = {member.device: (member.state.value, member.reason) for member in ended.members}
    assert ended.state is RolloutState.DONE
    assert states.pop("pi-1") == states.pop("pi-3") == ("overtaken", "it was retired")
    assert set(states.values()) == {("applied", "")}
    assert topics.desired("pi-1", "digits") not in publisher.retained
    assert topics.desired("pi-3", "digits") not in [topic for topic, _ in publisher.published]


def test_a_version_that_a_retired_device_had_before_is_refused(store, tables, make_signed):
    store.set_desired(make_signed(4, device="pi-3"))
    store.remove_device("pi-3", at=9.0)
    store.add_device("pi-3", token_sha256="another")

    with pytest.raises(Conflict, match="not newer than 4"):
        start(store, "digits", tables, PLAN, at=1.0)
