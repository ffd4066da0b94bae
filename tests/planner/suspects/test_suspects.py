import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.space import Space
from planner.suspects.finding import find
from protocol.configuration import CloudAccelerator, Configuration, EdgeAccelerator

CLOCKS_KHZ = tuple(range(600_000, 1_800_001, 200_000))
SPACE = Space(
    cuts=tuple(range(7)),
    clocks_khz=CLOCKS_KHZ,
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=(CloudAccelerator.CPU, CloudAccelerator.GPU),
)


def scattered(measurements, seed=0, deviation=0.008):
    rng = np.random.default_rng(seed)
    return [with_head(item, item.cost.head_ms * math.exp(rng.normal(0, deviation))) for item in measurements]


def with_head(measurement, head_ms):
    """The device draws the same watts for as long as it takes."""
    cost = measurement.cost
    stretch = head_ms / cost.head_ms if cost.head_ms else 1.0
    return replace(
        measurement,
        cost=replace(
            cost,
            head_ms=head_ms,
            head_mj=cost.head_mj * stretch,
            latency_ms=cost.latency_ms - cost.head_ms + head_ms,
        ),
    )


def place_of(measurements, **wanted):
    return next(
        place
        for place, item in enumerate(measurements)
        if all(getattr(item.configuration, name) == value for name, value in wanted.items())
    )


@settings(
    max_examples=max(1, 8 * settings.default.max_examples // 100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10_000))
def test_sound_measurements_are_not_accused(world, seed):
    assert find(scattered(world.measure(SPACE.configurations()), seed)) == []


@pytest.mark.parametrize("count", [1, 8, 20, 45])
def test_nobody_is_accused_without_evidence(world, count):
    measurements = scattered(world.measure(SPACE.configurations()))
    few = [measurements[place] for place in np.random.default_rng(count).permutation(len(measurements))[:count]]

    assert find(few) == []


def test_no_measurements_hold_no_suspects():
    assert find([]) == []


@pytest.mark.parametrize(("label_khz", "true_khz"), [(800_000, 1_800_000), (1_600_000, 600_000)])
def test_another_clock_than_the_label_says_is_named(world, label_khz, true_khz):
    measurements = scattered(world.measure(SPACE.configurations()))
    place = place_of(measurements, cut=4, cpu_khz=label_khz, edge_accelerator=EdgeAccelerator.OFF)
    truth_ms = world.head_ms(replace(measurements[place].configuration, cpu_khz=true_khz))
    measurements[place] = with_head(measurements[place], truth_ms)

    (suspect,) = find(measurements)

    assert (suspect.measurement_index, suspect.figure) == (place, "head_ms")
    assert suspect.recorded == truth_ms
    assert suspect.expected == pytest.approx(world.head_ms(measurements[place].configuration), rel=0.03)
    assert suspect.ratio == pytest.approx(suspect.recorded / suspect.expected)
    assert suspect.cause == f"looks like {true_khz / 1000:.0f} MHz"


def test_of_two_trials_of_a_configuration_the_sound_one_is_spared(world):
    measurements = scattered(world.measure(SPACE.configurations()))
    place = place_of(measurements, cut=5, cpu_khz=1_000_000)
    measurements.append(with_head(measurements[place], measurements[place].cost.head_ms * 1.7))

    assert [suspect.measurement_index for suspect in find(measurements)] == [len(measurements) - 1]


def test_times_that_sit_on_a_tick_are_told_whatever_the_tick(world):
    slow = world.but(work=(300.0, 120.0, 100.0, 80.0, 90.0, 70.0))
    measurements = scattered(slow.measure(SPACE.configurations()))
    late = [
        place
        for place, item in enumerate(measurements)
        if item.configuration.edge_accelerator is EdgeAccelerator.MAX and 62 < item.cost.head_ms < 66
    ] + [
        place
        for place, item in enumerate(measurements)
        if item.configuration.edge_accelerator is EdgeAccelerator.MAX and 50 < item.cost.head_ms < 56
    ]
    for place in late[::3]:
        measurements[place] = with_head(measurements[place], 77.3)

    suspects = find(measurements)

    assert [suspect.measurement_index for suspect in suspects] == sorted(late[::3])
    assert all("waiting tick (77 ms)" in suspect.cause for suspect in suspects)


@pytest.mark.parametrize(
    ("ticks_ms", "accused"),
    [((52.0, 77.0, 103.0), True), ((52.0, 101.5, 103.0), False), ((101.5, 103.0), False), ((52.0, 103.0), False)],
)
def test_ticks_go_on_only_where_several_lie_well_apart(world, ticks_ms, accused):
    """A head that is 16 % late, which is too little without a known fault, some steps behind the last tick."""
    slow = world.but(work=(300.0, 120.0, 100.0, 80.0, 90.0, 70.0))
    measurements = scattered(slow.measure(SPACE.configurations()), deviation=0.001)
    for tick_ms in ticks_ms:
        for place in on_the_way_to(measurements, tick_ms):
            measurements[place] = with_head(measurements[place], tick_ms)
    place = place_of(measurements, cut=4, cpu_khz=800_000, edge_accelerator=EdgeAccelerator.OFF)
    step_ms, late_ms = ticks_ms[-1] - ticks_ms[-2], slow.head_ms(measurements[place].configuration) * 1.16
    steps = round((late_ms - ticks_ms[-1]) / step_ms)
    measurements[place] = with_head(measurements[place], ticks_ms[-1] + steps * step_ms)

    assert (place in {suspect.measurement_index for suspect in find(measurements)}) is accused


def on_the_way_to(measurements, tick_ms):
    """Of the heads on the TPU that take up to a third less, one in three: they shall wait for the tick."""
    late = [
        place
        for place, item in enumerate(measurements)
        if item.configuration.edge_accelerator is EdgeAccelerator.MAX and 0.67 < item.cost.head_ms / tick_ms < 0.93
    ]
    return late[::3]


def test_a_tpu_that_the_label_does_not_know_of_shows_in_the_watts(world):
    measurements = scattered(world.measure(list(SPACE.configurations()) * 4))
    place = place_of(measurements, cut=0, cpu_khz=1_200_000)
    cost = measurements[place].cost
    measurements[place] = replace(measurements[place], cost=replace(cost, wait_mj=cost.wait_mj * 1.33))

    (suspect,) = find(measurements)

    assert (suspect.measurement_index, suspect.figure) == (place, "edge_w")
    assert suspect.cause == "draws as if a TPU was plugged in"


def test_a_tail_that_ran_elsewhere_is_told(world):
    measurements = scattered(world.measure(list(SPACE.configurations())))
    cpu = place_of(measurements, cut=2, cloud_accelerator=CloudAccelerator.CPU)
    gpu = place_of(measurements, cut=2, cloud_accelerator=CloudAccelerator.GPU)
    cost, other = measurements[gpu].cost, measurements[cpu].cost
    measurements[gpu] = replace(measurements[gpu], cost=replace(cost, cloud_ms=other.cloud_ms))

    (suspect,) = find(measurements)

    assert (suspect.measurement_index, suspect.figure, suspect.cause) == (gpu, "cloud_ms", "looks like cloud cpu")


def test_throttled_measurements_are_not_looked_at(world):
    measurements = scattered(world.measure(SPACE.configurations()))
    place = place_of(measurements, cut=4, cpu_khz=800_000)
    measurements[place] = replace(with_head(measurements[place], 999.0), throttled=True)

    assert find(measurements) == []


def test_a_head_measured_at_one_clock_alone_cannot_contradict(world):
    alone = Configuration(cut=4, cpu_khz=800_000)
    measurements = scattered(world.measure(item for item in SPACE.configurations() if item.cut != 4))
    (odd,) = world.measure([alone])

    assert find([*measurements, with_head(odd, odd.cost.head_ms * 3)]) == []


def test_several_runs_that_agree_are_no_accident(world):
    """What they contradict is the model; only the run that stands alone is accused."""
    measurements = scattered(world.measure(SPACE.configurations()))
    place = place_of(measurements, cut=2, cpu_khz=1_800_000, edge_accelerator=EdgeAccelerator.OFF)
    usual_ms = measurements[place].cost.head_ms
    runs = [with_head(measurements[place], usual_ms * factor) for factor in (0.45, 0.46, 0.47, 14.0)]
    measurements[place : place + 1] = runs

    accused = [suspect.measurement_index for suspect in find(measurements) if suspect.figure == "head_ms"]

    assert place + 3 in accused
    assert not {place, place + 1, place + 2} & set(accused)
