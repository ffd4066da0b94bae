from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.choosing.candidates import Candidates
from planner.choosing.strategies import STRATEGIES, Request, choose
from planner.costs.composition import fit
from planner.pricing import price
from planner.profiling import middle_cut, plan
from planner.space import Space
from planner.tables import rows_of, table_of
from protocol.configuration import Account, CloudAccelerator, Codec, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput
from protocol.link import Link

CLOCKS_KHZ = (600_000, 1_200_000, 1_800_000)
SPACE = Space(cuts=tuple(range(7)), clocks_khz=CLOCKS_KHZ, codecs=(Codec.RAW, Codec.INT8_ZSTD))
ASKED = {"device": "pi", "bundle": "b" * 64, "network": "vgg"}
PUBLISHED = Space(
    cuts=tuple(range(23)),
    clocks_khz=tuple(range(600_000, 2_000_000, 200_000)),
    accelerators=tuple(EdgeAccelerator),
    cloud_accelerators=tuple(CloudAccelerator),
)


def table_from(space, measurements, *, partial=False):
    return table_of(rows_of(space, fit(measurements), partial=partial), space, measurements, **ASKED)


def test_the_published_space_has_its_917_configurations():
    """VGG16 of arXiv 2410.23881: no TPU at layer 0, no GPU at the last."""
    assert PUBLISHED.size == 917
    assert len(set(PUBLISHED.configurations())) == 917


def test_an_edge_only_run_varies_neither_codec_nor_cloud():
    alone = [item for item in SPACE.configurations() if item.cut == 6]

    assert alone == [Configuration(cut=6, cpu_khz=khz) for khz in CLOCKS_KHZ]


@pytest.mark.parametrize("changes", [{"cuts": ()}, {"clocks_khz": (600_000, 600_000)}])
def test_a_space_needs_values_that_differ(changes):
    with pytest.raises(InvalidInput, match=next(iter(changes))):
        Space(**{"cuts": (0, 1), "clocks_khz": (600_000,)} | changes)


def test_the_plan_has_every_cut_and_codec_at_the_highest_clock():
    at_top = {(item.cut, item.codec) for item in plan(SPACE) if item.cpu_khz == 1_800_000}

    assert at_top == {(cut, codec) for cut in range(6) for codec in SPACE.codecs} | {(6, Codec.RAW)}


def test_the_plan_has_every_clock_at_both_ends_and_the_middle():
    lower = [(item.cpu_khz, item.cut) for item in plan(SPACE) if item.cpu_khz < 1_800_000]

    assert sorted(lower) == [(khz, cut) for khz in (600_000, 1_200_000) for cut in (0, 3, 6)]


@pytest.mark.parametrize("space", [SPACE, PUBLISHED], ids=["small", "published"])
def test_the_plan_measures_nothing_twice_and_little_of_the_whole(space):
    planned = plan(space)

    assert len(set(planned)) == len(planned)
    assert set(planned) <= set(space.configurations())
    assert len(planned) < 0.6 * space.size


@pytest.mark.parametrize(
    ("cuts", "work", "expected"),
    [
        ((0, 1, 2, 3, 4, 5, 6), None, 3),
        ((0, 1, 2, 20), None, 2),
        ((0, 1, 2, 3, 4), {0: 0, 1: 45, 2: 90, 3: 95, 4: 100}, 1),
        ((0, 9), None, None),
    ],
)
def test_the_middle_cut_halves_the_network(cuts, work, expected):
    assert middle_cut(cuts, work=work) == expected


def test_a_cut_without_a_figure_of_work_is_refused():
    with pytest.raises(InvalidInput, match="work before cut 2"):
        plan(Space(cuts=(0, 2, 4), clocks_khz=CLOCKS_KHZ), work={0: 0, 4: 9})


def test_a_network_that_cannot_be_cut_inside_is_planned_too(world):
    space = Space(cuts=(0, 6), clocks_khz=CLOCKS_KHZ)

    table = table_from(space, world.measure(plan(space)))

    assert {row.configuration.cut for row in table.rows} == {0, 6}


def test_the_table_is_a_draft_of_what_was_asked_for(world):
    table = table_from(SPACE, world.measure(plan(SPACE)))

    assert (table.network, table.bundle, table.device, table.version) == ("vgg", "b" * 64, "pi", 0)
    assert table.link == world.link
    assert table.digest == table_from(SPACE, world.measure(plan(SPACE))).digest


def test_direct_measurements_win_over_composition(world):
    lowest = Configuration(cut=1, cpu_khz=600_000)
    measured = world.measure([*plan(SPACE), lowest])
    measured[-1] = replace(measured[-1], cost=replace(measured[-1].cost, head_mj=0.5))

    table = table_from(SPACE, measured)

    (row,) = [row for row in table.rows if row.configuration == lowest]
    assert row.head_mj == 0.5


def test_both_ends_at_the_highest_clock_stay_even_when_beaten(world):
    measured = [
        replace(item, cost=replace(item.cost, head_ms=1e5, head_mj=1e6))
        if item.configuration.cut in (0, 6) and item.configuration.cpu_khz == 1_800_000
        else item
        for item in world.measure(SPACE.configurations())
    ]

    table = table_from(SPACE, measured)

    assert {row.configuration.cut for row in table.rows if row.configuration.cpu_khz == 1_800_000} >= {0, 6}


rates = st.floats(1, 5000)


@pytest.fixture
def rows(world):
    """All of the space, and those of its table."""
    measured = world.measure(plan(SPACE))
    return rows_of(SPACE, fit(measured)), table_from(SPACE, measured).rows


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.builds(Link, st.floats(0, 200), rates, rates),
    st.sampled_from(Account),
    st.sampled_from(STRATEGIES),
    st.one_of(st.none(), st.floats(1, 300)),
)
def test_the_table_serves_every_link_and_account_as_well_as_the_whole_space(rows, link, account, strategy, deadline_ms):
    request = Request(deadline_ms=deadline_ms, account=account)

    from_all, from_table = (choose(strategy, Candidates.of(some, link), request) for some in rows)

    assert from_table.in_time == from_all.in_time
    assert (from_table.predicted_ms, from_table.predicted_mj) == pytest.approx(
        (from_all.predicted_ms, from_all.predicted_mj)
    )


def test_what_is_never_worth_using_is_dropped(world):
    rows = rows_of(SPACE, fit(world.measure(plan(SPACE))))
    table = table_from(SPACE, world.measure(plan(SPACE)))

    assert len(table.rows) < len(rows)
    assert set(price(table.rows, table.link, Account.EDGE_NODE).energy_mj) >= {
        price(rows, table.link, Account.EDGE_NODE).energy_mj.min()
    }


def test_a_space_that_was_not_covered_is_refused_unless_part_of_it_will_do(world):
    measured = world.measure(item for item in plan(SPACE) if item.cut != 4)

    with pytest.raises(InvalidInput, match="cut 4"):
        table_from(SPACE, measured)
    table = table_from(SPACE, measured, partial=True)

    assert {row.configuration.cut for row in table.rows} >= {0, 6}
    assert 4 not in {row.configuration.cut for row in table.rows}


def test_a_space_of_which_nothing_was_covered_is_refused_even_in_part(world):
    other = Space(cuts=(7, 8), clocks_khz=(1_000_000,))

    with pytest.raises(InvalidInput, match="do not cover"):
        table_from(other, world.measure(plan(SPACE)), partial=True)


@pytest.mark.parametrize("space", [SPACE, PUBLISHED], ids=["small", "published"])
def test_the_space_is_seen_in_its_measurements(world, space):
    if space is PUBLISHED:
        world = world.but(work=(2.0,) * 22, memory_share=(0.25,) * 22, boundary_bytes=(4000,) * 22 + (0,))

    assert Space.seen_in(world.measure(plan(space))) == space


def test_a_space_without_an_edge_only_run_is_refused(world):
    measured = world.measure(item for item in plan(SPACE) if item.cut != 6)

    with pytest.raises(InvalidInput, match="no edge-only run"):
        Space.seen_in(measured)
