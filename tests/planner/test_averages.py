from dataclasses import replace

import pytest

from planner.averages import median_link, rows_by_configuration, usable
from protocol.configuration import Codec, Configuration, Provenance
from protocol.errors import BundleMismatch, InvalidInput
from protocol.link import Link

SPLIT = Configuration(cut=2, cpu_khz=1_800_000)


def with_cost(measurement, **changes):
    return replace(measurement, cost=replace(measurement.cost, **changes))


def test_a_straggler_does_not_move_the_average(world):
    (plain,) = world.measure([SPLIT])
    repeats = [plain, plain, with_cost(plain, head_ms=9000.0, wait_mj=1e6)]

    row = rows_by_configuration(repeats)[SPLIT]

    assert row.head_ms == plain.cost.head_ms
    assert row.wait_w == pytest.approx(2.2 + 0.5 * 1.8)


def test_what_means_nothing_to_an_edge_only_run_does_not_tell_runs_apart(world):
    alone = Configuration(cut=world.last, cpu_khz=1_800_000)

    rows = rows_by_configuration(world.measure([alone, replace(alone, codec=Codec.FP16)]))

    assert list(rows) == [alone]
    assert rows[alone].wait_w == 0.0
    assert rows[alone].cloud_active_mj is None


def test_an_accuracy_holds_for_its_cut_and_codec_at_any_clock(world):
    other_clock, other_codec = replace(SPLIT, cpu_khz=600_000), replace(SPLIT, codec=Codec.FP16)
    measurements = [*world.measure([SPLIT], accuracy=0.75), *world.measure([other_clock, other_codec])]

    rows = rows_by_configuration(measurements)

    assert rows[other_clock].accuracy == 0.75
    assert rows[other_codec].accuracy is None


def test_one_emulated_repeat_makes_the_average_emulated(world):
    measurements = [*world.measure([SPLIT]), *world.measure([SPLIT], kind=Provenance.EMULATED)]

    row = rows_by_configuration(measurements)[SPLIT]

    assert set(row.provenance.values()) == {Provenance.EMULATED}


def test_measured_figures_stay_measured(world):
    row = rows_by_configuration(world.measure([SPLIT]))[SPLIT]

    assert row.provenance == dict.fromkeys(
        ("head_ms", "head_mj", "wait_w", "cloud_ms", "cloud_node_mj", "cloud_active_mj"), Provenance.MEASURED
    )


def test_a_figure_that_nobody_vouches_for_has_no_provenance(world):
    (plain,) = world.measure([SPLIT])

    row = rows_by_configuration([with_cost(plain, provenance={"head_ms": Provenance.MEASURED})])[SPLIT]

    assert row.provenance == {"head_ms": Provenance.MEASURED}


def test_a_figure_that_is_not_there_has_no_provenance(world):
    row = rows_by_configuration(world.but(idle_known=False).measure([SPLIT]))[SPLIT]

    assert row.cloud_active_mj is None
    assert "cloud_active_mj" not in row.provenance


def test_throttled_measurements_are_left_out(world):
    (plain,) = world.measure([SPLIT])

    assert usable([plain, replace(plain, throttled=True)]) == [plain]


@pytest.mark.parametrize("nothing", [True, False])
def test_nothing_but_throttled_measurements_is_refused(world, nothing):
    measurements = [] if nothing else [replace(item, throttled=True) for item in world.measure([SPLIT])]

    with pytest.raises(InvalidInput, match="throttled"):
        usable(measurements)


@pytest.mark.parametrize(
    ("name", "error"), [("network", InvalidInput), ("device", InvalidInput), ("bundle", BundleMismatch)]
)
def test_measurements_of_different_things_do_not_mix(world, name, error):
    (plain,) = world.measure([SPLIT])

    with pytest.raises(error, match=f"several {name}s"):
        usable([plain, replace(plain, **{name: "other"})])


def test_the_link_is_the_median_of_what_was_seen(world):
    (plain,) = world.measure([SPLIT])
    links = [Link(1.0, 10.0, 300.0), Link(2.0, 30.0, 100.0), Link(900.0, 20.0, 200.0)]

    assert median_link([replace(plain, link=link) for link in links]) == Link(2.0, 20.0, 200.0)
