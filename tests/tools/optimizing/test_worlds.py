"""Measuring on a device while searching: each configuration once, and nothing is lost when it is interrupted."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from planner.averages import alone
from planner.searching.campaign import Aim, Campaign, LocalLedger
from planner.searching.composing import compose
from planner.space import Space
from protocol.configuration import Account, Codec
from protocol.errors import BundleMismatch, InvalidInput, ServiceMissing
from protocol.link import Link
from protocol.measurement import Cost, Measurement
from tools.optimizing.searches import Order, method_named, search, study_name
from tools.optimizing.worlds import Keeper, OnDevice, World, within

SAMPLERS = [pytest.param(name, marks=pytest.mark.system) for name in ("tpe", "nsga3")]
"""Importing Optuna takes its time."""
LAST = 3
SPACE = Space(cuts=(0, 1, 2, LAST), clocks_khz=(600_000, 1_800_000), codecs=(Codec.RAW, Codec.INT8))
BUNDLE = SimpleNamespace(manifest=SimpleNamespace(network="digits", inputs=[SimpleNamespace(name="image")]))


class Device:
    """An agent on whose device time is known; it counts what it is asked, and can be told when to fail."""

    def __init__(self) -> None:
        self.asked = []
        self.away_after = 10_000
        self.refused = ()

    def measure(self, network, _tensors, configuration, *, run):
        if len(self.asked) >= self.away_after:
            raise ServiceMissing("agent http://pi does not answer")
        self.asked.append(configuration)
        if configuration.cut in self.refused:
            raise InvalidInput("this cut is not in the bundle")
        sends = configuration.cut < LAST
        cost = Cost(
            head_ms=configuration.cut * 3e6 / configuration.cpu_khz, transfer_ms=4.0 * sends, cloud_ms=2.0 * sends,
            latency_ms=6.0 * sends + configuration.cut * 3e6 / configuration.cpu_khz, up_bytes=100 * sends, down_bytes=9 * sends,
            head_mj=5.0, wait_mj=12.0 * sends, cloud_node_mj=1800.0 * sends, cloud_active_mj=None,
        )  # fmt: skip
        return Measurement(
            configuration, cost, network=network, bundle="b" * 64, device="pi-1", runtime="fake", run=run, at=1.0,
            link=Link(2.0, 50.0, 50.0), clock_synced=True,
        )  # fmt: skip


def on(device, keep=lambda _measurement: None, there=()) -> World:
    inputs = np.zeros((2, 4), np.float32)
    measurer = OnDevice(device, BUNDLE, inputs, repeats=2, run="search", keep=keep, sleep=lambda _s: None)
    return World(SPACE, measurer, tuple(there), origin=("digits", "pi-1", "b" * 64), live=True)


def order(budget, method="compose") -> Order:
    return Order(method, budget, Account.EDGE_NODE, seed=1)


@pytest.mark.parametrize("method", ["compose", "exhaustive", *SAMPLERS])
def test_no_configuration_is_measured_twice(method):
    device = Device()

    outcome = search(on(device), order(1.0, method))

    assert sorted(map(str, device.asked)) == sorted(2 * [str(item) for item in SPACE.configurations()])
    assert len(outcome.measurements) == 2 * SPACE.size


@pytest.mark.parametrize("method", ["compose", "exhaustive", SAMPLERS[0]])
def test_an_interrupted_search_goes_on_with_what_it_kept(tmp_path, method):
    path, device = tmp_path / "kept.jsonl", Device()
    device.away_after = 15
    first = Keeper(path)
    with pytest.raises(ServiceMissing):
        search(on(device, first.keep), order(12, method))
    device.away_after = 10_000

    again = Keeper(path)
    outcome = search(on(device, again.keep, within(SPACE, again.before)), order(12, method))

    assert len(path.read_text().splitlines()) == len(device.asked) == 23, "one was interrupted between its two requests"
    assert outcome.asked == outcome.budget == 12
    assert len({item.configuration for item in outcome.measurements}) == 12


@pytest.mark.parametrize("storage", ["", pytest.param("search.sqlite", marks=pytest.mark.system)])
def test_what_was_kept_is_not_measured_again_alone_or_by_many(tmp_path, storage):
    kept = [item for configuration in list(SPACE.configurations())[-6:] for item in searched_alone(configuration)]
    url, device = storage and f"sqlite:///{tmp_path / storage}", Device()

    outcomes = [search(on(device, there=kept), replace(order(10), storage=url)) for _ in range(2 if storage else 1)]

    assert not set(device.asked) & {item.configuration for item in kept}
    assert len(set(device.asked)) == 4
    assert [outcome.asked for outcome in outcomes] == [10] * len(outcomes)
    assert {item.configuration for item in kept} < {item.configuration for item in outcomes[-1].measurements}


def searched_alone(configuration):
    return on(Device()).measurer.measure(configuration)


@pytest.mark.exhaustive
def test_a_search_with_compose_is_compose_with_the_whole_budget():
    device, alone_with_it = Device(), Device()

    outcome = search(on(device), order(16))
    campaign = Campaign(SPACE, on(alone_with_it).measurer, LocalLedger(16))
    compose(campaign, Aim(Account.EDGE_NODE, seed=1))

    assert device.asked == alone_with_it.asked
    assert list(outcome.measurements) == campaign.measurements


@pytest.mark.parametrize("method", ["compose", "exhaustive"])
def test_every_search_begins_with_the_anchors(method):
    device = Device()

    search(on(device), order(3, method))

    assert {(item.cut, item.cpu_khz) for item in device.asked} == {(0, 1_800_000), (LAST, 1_800_000)}


def test_a_line_that_an_interruption_cut_short_is_forgotten(tmp_path):
    path, device = tmp_path / "kept.jsonl", Device()
    keeper = Keeper(path)
    search(on(device, keeper.keep), order(4))
    whole = path.read_text()
    path.write_text(whole[:-20])

    keeper = Keeper(path)

    assert len(keeper.before) == 7
    assert path.read_text() == "".join(whole.splitlines(keepends=True)[:7])


def test_what_is_kept_of_another_bundle_or_device_is_refused(tmp_path):
    path = tmp_path / "kept.jsonl"
    keeper = Keeper(path)
    search(on(Device(), keeper.keep), order(1))

    again = Keeper(path)

    again.check("b" * 64, "pi-1")
    with pytest.raises(BundleMismatch, match="holds measurements of bundle bbbbbbbbbbbb, not cccccccccccc"):
        again.check("c" * 64, "pi-1")
    with pytest.raises(InvalidInput, match="holds measurements of device pi-1, not pi-2"):
        again.check("b" * 64, "pi-2")


def test_a_damaged_file_of_kept_measurements_is_named(tmp_path):
    path = tmp_path / "kept.jsonl"
    path.write_text(json.dumps({"schema": 1}) + "\n")

    with pytest.raises(InvalidInput, match=r"kept.jsonl:1"):
        Keeper(path)
    with pytest.raises(InvalidInput, match="cannot write"):
        Keeper(tmp_path / "nowhere" / "kept.jsonl")


def test_a_configuration_that_the_device_refuses_costs_budget_and_gives_nothing(caplog):
    device = Device()
    device.refused = (1,)

    outcome = search(on(device), order(1.0, "exhaustive"))

    assert outcome.asked == SPACE.size
    assert {item.configuration.cut for item in outcome.measurements} == {0, 2, LAST}
    assert "cannot be measured: this cut is not in the bundle" in caplog.text


def test_where_nothing_can_be_measured_that_is_said():
    device = Device()
    device.refused = (0, 1, 2, LAST)

    with pytest.raises(InvalidInput, match="of 5 configurations that were asked for none could be measured"):
        search(on(device), order(5))


def test_kept_measurements_outside_the_space_do_not_count():
    inside = Device().measure("digits", [], alone(next(iter(SPACE.configurations()))), run="")
    outside = replace(inside, configuration=replace(inside.configuration, cpu_khz=900_000))

    assert within(SPACE, [outside, inside, replace(inside, throttled=True)]) == (inside,)


OTHERS = [
    {"origin": ("faces", "pi-1", "b" * 64)},
    {"origin": ("digits", "pi-2", "b" * 64)},
    {"origin": ("digits", "pi-1", "c" * 64)},
    {"space": replace(SPACE, clocks_khz=(1_800_000,))},
    {"method": "tpe"},
    {"account": Account.EDGE},
]


@pytest.mark.parametrize("changes", OTHERS, ids=lambda changes: next(iter(changes)))
def test_only_workers_of_the_same_search_share_a_study(changes):
    world, asked = on(Device()), order(5)
    of_world = {name: value for name, value in changes.items() if name in ("origin", "space")}
    of_order = {name: value for name, value in changes.items() if name not in of_world}

    other = study_name(replace(world, **of_world), replace(asked, **of_order))

    assert study_name(world, asked) == study_name(world, replace(asked, seed=7, budget=9))
    assert other != study_name(world, asked)


def test_a_study_has_a_name_that_a_database_holds_whatever_the_device_is_called():
    world = replace(on(Device()), origin=("n" * 500, "d" * 500, "b" * 64))

    assert len(study_name(world, order(5))) <= 300


@pytest.mark.parametrize(("method", "package"), [("tpe", "optuna"), ("gp", "sklearn")])
def test_a_method_whose_package_is_missing_says_which(monkeypatch, method, package):
    for name in [name for name in sys.modules if name.startswith("tools.samplers")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [package, *(name for name in sys.modules if name.startswith(f"{package}."))]:
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ServiceMissing, match=f"--method {method} needs the package '{package}"):
        method_named(method)
