from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.simulation.replay import LEAST_TRIALS, Recording, Residuals
from protocol.configuration import Account, Configuration, Provenance
from protocol.errors import InvalidInput
from protocol.link import Link

LAST = 6
CLOUD, SPLIT, EDGE = (Configuration(cut=cut, cpu_khz=1_000_000) for cut in (0, 3, LAST))
LUCK = st.floats(0, 1, exclude_max=True)
SAME_WORLD = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def slower(measurement, factor: float):
    """The same trial, had everything taken so many times as long."""
    cost = measurement.cost
    times = {name: getattr(cost, name) * factor for name in ("head_ms", "transfer_ms", "cloud_ms", "latency_ms")}
    energies = {name: getattr(cost, name) * factor for name in ("head_mj", "wait_mj", "cloud_node_mj")}
    return replace(measurement, cost=replace(cost, **times, **energies))


def tried(world, configuration, *factors: float):
    [measurement] = world.measure([configuration])
    return [slower(measurement, factor) for factor in factors]


@pytest.fixture
def trials(world):
    """One configuration tried once, two tried often, all in one order of factors."""
    often = (1.0, 1.1, 0.9, 1.3, 1.0)
    return [*tried(world, CLOUD, *often), *tried(world, SPLIT, 1.0), *tried(world, EDGE, 1.0, 1.02, 0.98, 1.0, 1.0)]


def latencies(world, rows, luck) -> list[float]:
    return world.outcomes(np.array(rows), np.array(luck, dtype=float)).latency_ms.tolist()


def test_an_outcome_is_one_of_the_recorded_trials_of_its_configuration(trials):
    recording = Recording.of(trials)
    recorded = [item.cost.latency_ms for item in trials if item.configuration == CLOUD]
    found = latencies(recording, [0] * 1000, np.linspace(0, 0.999, 1000))
    assert sorted(set(np.round(found, 9))) == sorted(set(np.round(recorded, 9)))
    assert np.mean(np.isclose(found, recorded[1])) == pytest.approx(1 / 5, abs=0.01)


def test_what_a_request_meets_depends_on_its_luck_alone(trials):
    recording = Recording.of(trials)
    together = latencies(recording, [0, 2, 0], [0.3, 0.7, 0.9])
    apart = [latencies(recording, [row], [luck])[0] for row, luck in ((0, 0.3), (2, 0.7), (0, 0.9))]
    assert together == apart


def test_energy_is_told_by_account(trials, world):
    outcomes = Recording.of(trials).outcomes(np.array([1]), np.array([0.5]))
    cost = world.measure([SPLIT])[0].cost
    assert outcomes.edge_mj == pytest.approx([cost.edge_mj])
    assert outcomes.cloud_mj(Account.EDGE) == pytest.approx([0.0])
    assert outcomes.cloud_mj(Account.EDGE_NODE) == pytest.approx([cost.cloud_node_mj])
    assert outcomes.cloud_mj(Account.EDGE_ACTIVE) == pytest.approx([cost.cloud_active_mj])


def test_what_nobody_knows_above_idle_is_known_to_be_unknown(world):
    assert Recording.of(world.measure([CLOUD, EDGE])).knows_active
    assert not Recording.of(world.but(idle_known=False).measure([CLOUD, EDGE])).knows_active


def test_throttled_trials_are_not_replayed(trials):
    throttled = [replace(item, throttled=True) for item in trials if item.configuration == SPLIT]
    sound = [item for item in trials if item.configuration != SPLIT]
    assert Recording.of([*sound, *throttled]).configurations == (CLOUD, EDGE)
    with pytest.raises(InvalidInput, match="nothing to replay"):
        Recording.of(throttled)


def test_behind_the_recorded_link_nothing_changes(trials, world):
    recording = Recording.of(trials)
    assert np.allclose(recording.over(world.link).figures, recording.figures)


@SAME_WORLD
@given(slow=st.floats(1, 100), row=st.integers(0, 2), luck=LUCK)
def test_behind_a_slower_link_no_outcome_is_faster_or_cheaper(world, slow, row, luck):
    recording = Recording.of(world.measure([CLOUD, SPLIT, EDGE]))
    link = Link(world.link.rtt_ms * slow, world.link.up_bytes_per_ms / slow, world.link.down_bytes_per_ms / slow)
    place, chance = np.array([row]), np.array([luck])
    before, after = recording.outcomes(place, chance), recording.over(link).outcomes(place, chance)
    assert after.latency_ms >= before.latency_ms - 1e-9
    assert after.edge_mj >= before.edge_mj - 1e-9
    assert after.head_ms == before.head_ms


def test_the_time_on_the_way_changes_in_proportion_and_the_watts_stay(world):
    link = Link(rtt_ms=50.0, up_bytes_per_ms=10.0, down_bytes_per_ms=10.0)
    recording = Recording.of(slower(item, 2.0) for item in world.measure([SPLIT, EDGE]))
    found = recording.over(link).outcomes(np.array([0]), np.array([0.0]))
    cost = slower(world.measure([SPLIT])[0], 2.0).cost
    waited_ms = 2.0 * link.transfer_ms(cost.up_bytes, cost.down_bytes) + cost.cloud_ms
    watts = cost.wait_mj / (cost.transfer_ms + cost.cloud_ms)
    assert found.waiting_ms == pytest.approx([waited_ms])
    assert found.edge_mj == pytest.approx([cost.head_mj + watts * waited_ms])


def test_with_residuals_what_was_recorded_once_scatters_too(trials):
    residuals = Residuals.of(Recording.of(trials))
    found = latencies(residuals, [1] * 500, np.linspace(0, 0.999, 500))
    once = next(item.cost.latency_ms for item in trials if item.configuration == SPLIT)
    assert min(found) < once < max(found)


def test_residuals_are_those_of_the_same_kind_of_run(trials, world):
    residuals = Residuals.of(Recording.of(trials))
    cloud = latencies(residuals, [0] * 500, np.linspace(0, 0.999, 500))
    edge = latencies(residuals, [2] * 500, np.linspace(0, 0.999, 500))
    cloud_ms, edge_ms = (world.cost(item, Provenance.MEASURED).latency_ms for item in (CLOUD, EDGE))
    assert sorted(set(np.round(np.array(cloud) / cloud_ms, 6))) == [0.9, 1.0, 1.1, 1.3]
    assert sorted(set(np.round(np.array(edge) / edge_ms, 6))) == [0.98, 1.0, 1.02]


def test_of_many_that_were_often_recorded_each_has_the_same_say(world):
    rare, often = tried(world, CLOUD, *[1.0] * 4, 2.0), tried(world, Configuration(0, 600_000), *[1.0] * 500)
    residuals = Residuals.of(Recording.of([*rare, *often]))
    found = latencies(residuals, [0] * 1000, np.linspace(0, 0.999, 1000))
    assert np.mean(np.array(found) > 1.5 * min(found)) == pytest.approx(0.1, abs=0.01)


def test_trials_that_are_not_believed_tell_nothing_of_how_outcomes_scatter(trials):
    wild = [slower(item, 5.0) for item in trials if item.configuration == CLOUD][:1]
    recording = Recording.of([*trials, *wild])
    found = Residuals.of(recording, donors=Recording.of(trials))
    assert found.ratios.max() == pytest.approx(1.3)
    assert Residuals.of(recording).ratios.max() > 4


def test_without_anything_repeated_nothing_tells_how_outcomes_scatter(world):
    with pytest.raises(InvalidInput, match=f"{LEAST_TRIALS} times"):
        Residuals.of(Recording.of(world.measure([CLOUD, EDGE])))


@SAME_WORLD
@given(luck=LUCK, scattered=st.booleans(), row=st.integers(0, 2))
def test_between_two_turns_luck_changes_nothing(world, luck, scattered, row):
    factors = (1.0, 1.1, 0.9, 1.3, 1.2)
    recording = Recording.of([*tried(world, CLOUD, *factors), *tried(world, SPLIT, 1.0), *tried(world, EDGE, *factors)])
    found = Residuals.of(recording) if scattered else recording
    place = int(np.searchsorted(found.turns, luck, side="right"))
    ends = np.concatenate([[0.0], found.turns, [1.0]])
    middle = (ends[place] + ends[place + 1]) / 2
    assert latencies(found, [row], [luck]) == latencies(found, [row], [middle])


def test_the_edge_only_runs_come_with_the_fastest_first(world):
    slow, fast = (Configuration(LAST, khz) for khz in (600_000, 1_800_000))
    recording = Recording.of(world.measure([CLOUD, slow, fast]))
    assert [recording.configurations[place] for place in recording.edge_only] == [fast, slow]
