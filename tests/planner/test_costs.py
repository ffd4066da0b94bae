from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.averages import rows_by_configuration
from planner.costs import fit
from planner.search import plan
from planner.space import Space
from protocol.configuration import CloudAccelerator, Codec, Configuration, EdgeAccelerator, Provenance
from protocol.errors import InvalidInput

CLOCKS_KHZ = (600_000, 1_000_000, 1_400_000, 1_800_000)
CUTS = tuple(range(7))
PLAIN = Space(cuts=CUTS, clocks_khz=CLOCKS_KHZ)
RICH = Space(
    cuts=CUTS,
    clocks_khz=CLOCKS_KHZ,
    codecs=(Codec.RAW, Codec.FP16, Codec.INT8_ZSTD),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.STD, EdgeAccelerator.MAX),
    cloud_accelerators=(CloudAccelerator.CPU, CloudAccelerator.GPU),
    threads=(1, 4),
)


def figures(row):
    content = row.to_json()
    del content["configuration"], content["provenance"]
    return {name: value for name, value in content.items() if value is not None}


def assert_composes(world, space, *, tolerance=1e-9):
    model = fit(world.measure(plan(space)))
    direct = rows_by_configuration(world.measure(space.configurations()))
    for configuration in space.configurations():
        assert figures(model.composed(configuration)) == pytest.approx(figures(direct[configuration]), rel=tolerance), (
            f"{configuration}"
        )


@pytest.mark.parametrize("space", [PLAIN, RICH], ids=["plain", "rich"])
def test_the_planned_parts_give_the_whole_space_where_costs_add_up(world, space):
    assert_composes(world, space)


positive = st.floats(0.5, 50)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(positive, min_size=6, max_size=6), st.floats(0, 1))
def test_composition_equals_measurement_for_any_work_and_memory_share(world, work, share):
    assert_composes(world.but(work=work, memory_share=(share,) * 6), PLAIN)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(positive, min_size=6, max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_memory_may_weigh_more_on_one_side_of_the_middle_cut(world, work, before, after):
    assert_composes(world.but(work=work, memory_share=(before,) * 3 + (after,) * 3), PLAIN)


def test_operators_of_mixed_memory_shares_compose_closely(world):
    mixed = world.but(work=(10, 12, 14, 12, 10, 11), memory_share=(0.3, 0.1, 0.2, 0.35, 0.15, 0.25))

    assert_composes(mixed, PLAIN, tolerance=0.15)


def test_a_configuration_that_was_measured_keeps_its_own_head(world):
    measured = Configuration(cut=3, cpu_khz=600_000)
    measurements = world.measure(plan(PLAIN))
    odd = [
        replace(item, cost=replace(item.cost, head_ms=77.0)) if item.configuration == measured else item
        for item in measurements
    ]

    row = fit(odd).row(measured)

    assert row.head_ms == 77.0
    assert set(row.provenance.values()) == {Provenance.MEASURED}


def test_rows_that_differ_in_their_clock_alone_do_not_differ_by_the_noise_of_the_cloud(world):
    clocks = sorted({item.cpu_khz for item in plan(PLAIN) if item.cut == 0})
    noise = dict(zip(clocks, range(len(clocks)), strict=True))
    noisy = [
        replace(item, cost=replace(item.cost, cloud_ms=item.cost.cloud_ms + noise[item.configuration.cpu_khz]))
        if item.configuration.cut == 0
        else item
        for item in world.measure(plan(PLAIN))
    ]

    model = fit(noisy)

    assert len({model.row(Configuration(cut=0, cpu_khz=cpu_khz)).cloud_ms for cpu_khz in clocks}) == 1


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Provenance.MEASURED, Provenance.ESTIMATED),
        (Provenance.ESTIMATED, Provenance.ESTIMATED),
        (Provenance.EMULATED, Provenance.EMULATED),
    ],
)
@pytest.mark.parametrize("cut", [1, 6])
def test_what_is_composed_is_an_estimate_at_best(world, kind, expected, cut):
    composed = fit(world.measure(plan(PLAIN), kind=kind)).composed(Configuration(cut=cut, cpu_khz=600_000))

    assert set(composed.provenance.values()) == {expected}
    assert ("cloud_ms" in composed.provenance) == composed.uses_cloud


def test_an_emulated_device_does_not_make_the_real_cloud_emulated(world):
    emulated = dict.fromkeys(("head_ms", "head_mj", "wait_mj"), Provenance.EMULATED)
    measurements = [
        replace(item, cost=replace(item.cost, provenance={**item.cost.provenance, **emulated}))
        for item in world.measure(plan(PLAIN))
    ]

    composed = fit(measurements).composed(Configuration(cut=1, cpu_khz=600_000))

    assert composed.provenance["head_ms"] is Provenance.EMULATED
    assert composed.provenance["cloud_ms"] is Provenance.ESTIMATED


def test_accuracy_is_that_of_the_cut_and_codec_and_unknown_where_nobody_evaluated(world):
    measurements = [
        replace(item, accuracy=0.9 if item.configuration.cut == 1 else None) for item in world.measure(plan(PLAIN))
    ]

    model = fit(measurements)

    assert model.row(Configuration(cut=1, cpu_khz=600_000)).accuracy == 0.9
    assert model.row(Configuration(cut=2, cpu_khz=600_000)).accuracy is None


def test_without_idle_power_energy_above_idle_stays_unknown(world):
    model = fit(world.but(idle_known=False).measure(plan(PLAIN)))

    row = model.row(Configuration(cut=1, cpu_khz=600_000))

    assert row.cloud_active_mj is None
    assert "cloud_active_mj" not in row.provenance


def test_throttled_measurements_are_counted_not_used(world):
    measurements = world.measure(plan(PLAIN))
    hot = replace(measurements[0], throttled=True, cost=replace(measurements[0].cost, head_ms=1e9))

    model = fit([*measurements, hot])

    assert model.throttled == 1
    assert model.row(hot.configuration).head_ms < 1e9


@pytest.mark.parametrize(
    ("configuration", "reason"),
    [
        (Configuration(cut=9, cpu_khz=600_000), "its head was not measured at 1800 MHz"),
        (Configuration(cut=2, cpu_khz=800_000), "no head was measured both at this clock and at 1800 MHz"),
        (Configuration(cut=2, cpu_khz=600_000, codec=Codec.FP16), "its head was not measured"),
        (Configuration(cut=2, cpu_khz=600_000, threads=4), "nothing was measured with tpu off and 4 thread"),
        (Configuration(cut=2, cpu_khz=600_000, cloud_accelerator=CloudAccelerator.GPU), "its tail was not measured"),
    ],
)
def test_what_the_measurements_do_not_cover_is_refused_by_name(world, configuration, reason):
    model = fit(world.measure(plan(PLAIN)))

    with pytest.raises(InvalidInput, match=reason) as refused:
        model.row(configuration)

    assert str(configuration) in str(refused.value)


def test_watts_of_waiting_must_be_known_at_the_clock(world):
    only_alone_at_600 = [item for item in plan(PLAIN) if item.cpu_khz != 600_000 or item.cut == PLAIN.edge_only_cut]
    model = fit(world.measure(only_alone_at_600))

    with pytest.raises(InvalidInput, match="waits for the cloud"):
        model.row(Configuration(cut=2, cpu_khz=600_000))


def test_heads_that_take_no_time_cost_nothing_more_at_another_clock(world):
    row = fit(world.measure(plan(PLAIN))).composed(Configuration(cut=0, cpu_khz=600_000))

    assert (row.head_ms, row.head_mj) == (0.0, 0.0)


def test_a_head_longer_than_the_whole_network_stays_in_proportion(world):
    space = Space(cuts=CUTS, clocks_khz=CLOCKS_KHZ, codecs=(Codec.RAW, Codec.INT8_ZSTD))
    heavy = world.but(boundary_bytes=(4000, 4000, 4000, 4000, 4000, 400_000, 0))
    late = Configuration(cut=5, cpu_khz=600_000, codec=Codec.INT8_ZSTD)

    composed = fit(heavy.measure(plan(space))).composed(late)

    assert composed.head_ms == pytest.approx(heavy.head_ms(late))


def test_a_run_that_stayed_on_the_device_against_its_cut_is_refused(world):
    (sent,) = world.measure([Configuration(cut=3, cpu_khz=600_000)])
    stayed = replace(sent, cost=replace(sent.cost, up_bytes=0, down_bytes=0))

    with pytest.raises(InvalidInput, match=r"cut 3 @ 600 MHz.* sent nothing"):
        fit([*world.measure(plan(PLAIN)), stayed])
