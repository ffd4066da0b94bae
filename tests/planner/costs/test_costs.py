import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.averages import CLOUD_FIGURES, HEAD_FIGURES, rows_by_configuration
from planner.costs.composition import fit
from planner.profiling import plan
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
CODED = Space(
    cuts=CUTS,
    clocks_khz=CLOCKS_KHZ,
    codecs=(Codec.RAW, Codec.INT8_ZSTD),
    accelerators=(EdgeAccelerator.OFF, EdgeAccelerator.MAX),
    cloud_accelerators=(CloudAccelerator.CPU, CloudAccelerator.GPU),
)


def figures(row):
    content = row.to_json()
    content = {
        name: value for name, value in content.items() if name not in ("configuration", "provenance", "uncertainty")
    }
    return {name: value for name, value in content.items() if value is not None}


def assert_composes(world, space, *, tolerance=1e-3):
    model = fit(world.measure(plan(space)))
    direct = rows_by_configuration(world.measure(space.configurations()))
    for configuration in space.configurations():
        assert figures(model.composed(configuration)) == pytest.approx(figures(direct[configuration]), rel=tolerance), (
            f"{configuration}"
        )


@pytest.mark.exhaustive(sample=1)
@pytest.mark.parametrize("space", [PLAIN, RICH], ids=["plain", "rich"])
def test_the_planned_parts_give_the_whole_space_where_costs_add_up(world, space):
    assert_composes(world, space)


def noisy(measurements, *, seed, deviation=0.01):
    """The measurements with their times scattered."""
    rng = np.random.default_rng(seed)
    return [
        replace(
            item,
            cost=replace(
                item.cost,
                head_ms=item.cost.head_ms * math.exp(rng.normal(0, deviation)),
                cloud_ms=item.cost.cloud_ms * math.exp(rng.normal(0, deviation)),
            ),
        )
        for item in measurements
    ]


positive = st.floats(0.5, 50)


@settings(
    max_examples=settings.default.max_examples // 10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(positive, min_size=6, max_size=6), st.floats(0, 1))
def test_composition_equals_measurement_for_any_work_and_memory_share(world, work, share):
    assert_composes(world.but(work=work, memory_share=(share,) * 6), PLAIN)


@settings(
    max_examples=max(1, settings.default.max_examples // 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(positive, min_size=6, max_size=6), st.floats(0, 1))
def test_composition_equals_measurement_with_codecs_and_a_tpu(world, work, share):
    assert_composes(world.but(work=work, memory_share=(share,) * 6), CODED)


@settings(
    max_examples=max(1, settings.default.max_examples // 20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
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
        (Configuration(cut=9, cpu_khz=600_000), "nothing was measured at this cut with this codec"),
        (Configuration(cut=2, cpu_khz=600_000, codec=Codec.FP16), "nothing was measured at this cut with this codec"),
        (Configuration(cut=2, cpu_khz=600_000, threads=4), "nothing was measured with tpu off and 4 thread"),
        (
            Configuration(cut=2, cpu_khz=600_000, cloud_accelerator=CloudAccelerator.GPU),
            "no tail was measured with cloud gpu",
        ),
    ],
)
def test_what_the_measurements_do_not_cover_is_refused_by_name(world, configuration, reason):
    model = fit(world.measure(plan(PLAIN)))

    with pytest.raises(InvalidInput, match=reason) as refused:
        model.row(configuration)

    assert str(configuration) in str(refused.value)


def test_a_clock_at_which_nothing_was_measured_lies_between_its_neighbours(world):
    model = fit(world.measure(plan(PLAIN)))

    slower, between, faster = (
        model.row(Configuration(cut=4, cpu_khz=cpu_khz)) for cpu_khz in (600_000, 800_000, 1_000_000)
    )

    assert slower.head_ms > between.head_ms > faster.head_ms
    assert between.head_ms == pytest.approx(world.head_ms(between.configuration), rel=1e-3)
    assert slower.wait_w < between.wait_w < faster.wait_w


def test_a_prediction_says_how_sure_it_is(world):
    few = [item for item in plan(PLAIN) if item.cut in (0, 3, 6)]
    model = fit(noisy(world.measure(few), seed=3) + world.measure([Configuration(cut=5, cpu_khz=1_800_000)]))

    seen = model.composed(Configuration(cut=3, cpu_khz=1_000_000)).uncertainty
    inferred = model.composed(Configuration(cut=5, cpu_khz=1_000_000)).uncertainty

    assert set(seen) == set(HEAD_FIGURES + CLOUD_FIGURES)
    assert 0.005 < seen["head_ms"] < inferred["head_ms"] < 0.5


def test_what_was_measured_once_is_as_sure_as_what_the_others_say_of_it(world):
    probe = Configuration(cut=3, cpu_khz=600_000)
    model = fit(noisy(world.measure(PLAIN.configurations()), seed=2))

    assert 0 < model.row(probe).uncertainty["head_ms"] <= model.composed(probe).uncertainty["head_ms"]


def test_what_contradicts_the_others_is_as_unsure_as_they_differ(world):
    measurements = noisy(world.measure(PLAIN.configurations()), seed=2)
    wrong = measurements[20]
    measurements[20] = replace(wrong, cost=replace(wrong.cost, head_ms=wrong.cost.head_ms * 1.5))

    row = fit(measurements).row(wrong.configuration)

    assert row.uncertainty["head_ms"] == pytest.approx(np.log(1.5), abs=0.05)


def test_what_was_repeated_is_as_unsure_as_its_repeats(world):
    probe = next(item for item in world.measure(PLAIN.configurations()) if item.configuration.cut == 3)
    factors = np.exp(0.2 * np.random.default_rng(0).standard_normal(30))
    repeats = [replace(probe, cost=replace(probe.cost, head_ms=probe.cost.head_ms * factor)) for factor in factors]

    row = fit([*world.measure(PLAIN.configurations()), *repeats]).row(probe.configuration)

    assert row.uncertainty["head_ms"] == pytest.approx(0.2, rel=0.4)


@pytest.mark.parametrize("factor", [0.4, 2.5])
def test_one_wrong_measurement_does_not_pull_the_others(world, factor):
    measurements = noisy(world.measure(PLAIN.configurations()), seed=5)
    wrong = measurements[20]
    measurements[20] = replace(wrong, cost=replace(wrong.cost, head_ms=wrong.cost.head_ms * factor))
    model = fit(measurements)

    off = [
        abs(model.composed(item).head_ms / world.head_ms(item) - 1) for item in PLAIN.configurations() if item.cut > 0
    ]

    assert max(off) < 0.04


@pytest.mark.exhaustive
@pytest.mark.parametrize("deviation", [0.01, 0.1])
def test_about_as_many_lie_within_the_uncertainty_as_it_says(world, deviation):
    everything = [item for item in RICH.configurations() if item.threads == 1]
    inside = []
    for seed in range(4):
        measurements = noisy(world.measure(everything), seed=seed, deviation=deviation)
        chosen = set(np.random.default_rng(seed).permutation(len(everything))[:60].tolist())
        model = fit([item for place, item in enumerate(measurements) if place in chosen])
        for place, item in enumerate(measurements):
            if place in chosen or model.gap(item.configuration) or not item.cost.head_ms:
                continue
            row = model.composed(item.configuration)
            inside.append(abs(np.log(item.cost.head_ms / row.head_ms)) / row.uncertainty["head_ms"])

    assert 0.55 < np.mean(np.array(inside) < 1) < 0.9
    assert np.mean(np.array(inside) < 2) > 0.8


def test_heads_that_take_no_time_cost_nothing_more_at_another_clock(world):
    row = fit(world.measure(plan(PLAIN))).composed(Configuration(cut=0, cpu_khz=600_000))

    assert (row.head_ms, row.head_mj) == (0.0, 0.0)


def test_a_head_longer_than_the_whole_network_stays_in_proportion(world):
    space = Space(cuts=CUTS, clocks_khz=CLOCKS_KHZ, codecs=(Codec.RAW, Codec.INT8_ZSTD))
    heavy = world.but(boundary_bytes=(4000, 4000, 4000, 4000, 4000, 400_000, 0))
    late = Configuration(cut=5, cpu_khz=600_000, codec=Codec.INT8_ZSTD)

    composed = fit(heavy.measure(plan(space))).composed(late)

    assert composed.head_ms == pytest.approx(heavy.head_ms(late), rel=1e-3)


def test_a_run_that_stayed_on_the_device_against_its_cut_is_refused(world):
    (sent,) = world.measure([Configuration(cut=3, cpu_khz=600_000)])
    stayed = replace(sent, cost=replace(sent.cost, up_bytes=0, down_bytes=0))

    with pytest.raises(InvalidInput, match=r"cut 3 @ 600 MHz.* sent nothing"):
        fit([*world.measure(plan(PLAIN)), stayed])


def test_one_run_on_a_tpu_does_not_invent_the_others(world):
    on_tpu = Configuration(cut=3, cpu_khz=1_800_000, edge_accelerator=EdgeAccelerator.MAX)
    model = fit(noisy(world.measure([*PLAIN.configurations(), on_tpu]), seed=1))

    assert model.row(on_tpu).head_ms > 0
    with pytest.raises(InvalidInput, match="heads on the TPU were measured at 1 cut"):
        model.row(replace(on_tpu, cut=6))


def test_what_crosses_a_cut_may_be_known_without_a_run(world):
    """From the network: then a cut that nobody measured is predicted from its neighbours."""
    every = world.measure(PLAIN.configurations())
    unseen = Configuration(cut=4, cpu_khz=1_800_000)
    sent = next(item.cost for item in every if item.configuration == unseen)
    rest = [item for item in every if item.configuration.cut != 4]

    assert fit(rest).gap(unseen) is not None
    row = fit(rest, boundaries={(4, Codec.RAW): (sent.up_bytes, sent.down_bytes)}).row(unseen)

    assert row.up_bytes == sent.up_bytes
    assert row.head_ms == pytest.approx(sent.head_ms, rel=0.25)
    assert row.uncertainty["head_ms"] > 0.01
