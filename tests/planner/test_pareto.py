import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.pareto import front, undominated
from planner.pricing import Prices, price
from protocol.configuration import Account, Configuration
from protocol.link import Link
from protocol.table import Row

SENDING = Row(
    configuration=Configuration(cut=3, cpu_khz=1_800_000),
    head_ms=20.0,
    head_mj=80.0,
    wait_w=3.0,
    up_bytes=1000,
    down_bytes=100,
    cloud_ms=5.0,
    cloud_node_mj=700.0,
    cloud_active_mj=50.0,
    accuracy=0.9,
)
STAYING = replace(
    SENDING, wait_w=0.0, up_bytes=0, down_bytes=0, cloud_ms=0.0, cloud_node_mj=0.0, cloud_active_mj=None, head_ms=60.0
)
WORSE = {
    "head_ms": 21.0,
    "head_mj": 81.0,
    "wait_w": 3.1,
    "up_bytes": 1001,
    "down_bytes": 101,
    "cloud_ms": 5.1,
    "cloud_node_mj": 701.0,
    "cloud_active_mj": 51.0,
    "accuracy": 0.89,
}


@pytest.mark.parametrize("part", WORSE)
def test_a_row_that_is_worse_in_one_part_and_better_in_none_goes(part):
    worse = replace(SENDING, **{part: WORSE[part]})

    assert undominated([worse, SENDING]) == [SENDING]


@pytest.mark.exhaustive(sample=20)
@pytest.mark.parametrize("part", WORSE)
@pytest.mark.parametrize("other", WORSE)
def test_a_row_that_is_better_in_one_part_stays(part, other):
    if part == other:
        return
    rows = [replace(SENDING, **{part: WORSE[part]}), replace(SENDING, **{other: WORSE[other]})]

    assert undominated(rows) == rows


def test_equal_rows_all_stay():
    twin = replace(SENDING, configuration=Configuration(cut=4, cpu_khz=1_800_000))

    assert undominated([SENDING, twin]) == [SENDING, twin]


def test_what_a_known_accuracy_beats_is_the_unknown():
    unknown = replace(SENDING, accuracy=None)
    poor = replace(SENDING, accuracy=0.0)

    assert undominated([unknown, poor]) == [poor]


def test_an_unknown_accuracy_beats_nothing_that_is_known():
    unknown_but_faster = replace(SENDING, accuracy=None, head_ms=1.0)

    assert undominated([unknown_but_faster, SENDING]) == [unknown_but_faster, SENDING]


def test_energy_above_idle_that_nobody_knows_is_never_better():
    unknown = replace(SENDING, cloud_active_mj=None)

    assert undominated([unknown, SENDING]) == [SENDING]
    assert undominated([unknown, replace(unknown, head_ms=21.0)]) == [unknown]


def test_an_edge_only_row_is_not_dropped_for_not_knowing_the_clouds_energy():
    quick = replace(STAYING, head_ms=10.0, head_mj=40.0)

    assert undominated([SENDING, quick]) == [quick]


def test_the_watts_of_waiting_do_not_count_where_nothing_waits():
    first, second = replace(STAYING, wait_w=3.0), replace(STAYING, wait_w=1.0)

    assert undominated([first, second]) == [first, second]


def test_no_row_that_sends_replaces_one_that_stays():
    quicker_but_sends = replace(SENDING, head_ms=1.0, head_mj=1.0)

    assert undominated([STAYING, quicker_but_sends]) == [STAYING, quicker_but_sends]


def test_no_rows_have_no_front():
    assert undominated([]) == []


def few(*values):
    return st.sampled_from(values)


sending = st.builds(
    Row,
    configuration=st.just(Configuration(cut=1, cpu_khz=600_000)),
    head_ms=few(1.0, 2.0, 3.0),
    head_mj=few(1.0, 2.0, 3.0),
    wait_w=few(1.0, 2.0),
    up_bytes=few(10, 20, 30),
    down_bytes=few(1, 2),
    cloud_ms=few(1.0, 2.0, 3.0),
    cloud_node_mj=few(1.0, 2.0, 3.0),
    cloud_active_mj=few(None, 1.0, 2.0),
    accuracy=few(None, 0.0, 0.5, 1.0),
)
staying = st.builds(
    lambda row: replace(row, up_bytes=0, down_bytes=0, cloud_ms=0.0, cloud_node_mj=0.0, cloud_active_mj=None), sending
)
tables = st.lists(st.one_of(sending, staying), min_size=1, max_size=25)


def columns(row: Row) -> np.ndarray:
    if not row.uses_cloud:
        cloud = [0.0] * 6
    else:
        active = np.inf if row.cloud_active_mj is None else row.cloud_active_mj
        cloud = [row.wait_w, row.up_bytes, row.down_bytes, row.cloud_ms, row.cloud_node_mj, active]
    return np.array([row.head_ms, row.head_mj, *cloud, 1 if row.accuracy is None else -row.accuracy])


def dominates(row: Row, other: Row) -> bool:
    better, worse = columns(row), columns(other)
    return bool(np.all(better <= worse) and np.any(better < worse))


@given(tables)
def test_the_front_is_undominated_and_complete(rows):
    front = undominated(rows)

    assert front == [row for row in rows if not any(dominates(other, row) for other in rows)]


@pytest.mark.exhaustive
def test_blocks_of_rows_are_held_against_each_other():
    figures = np.random.default_rng(5).integers(0, 4, size=(900, 3)).astype(float)
    rows = [replace(SENDING, head_ms=a, head_mj=b, cloud_ms=c) for a, b, c in figures]

    front = undominated(rows)

    assert front == [row for row in rows if not any(dominates(other, row) for other in rows)]


accounts = st.sampled_from([Account.EDGE, Account.EDGE_NODE])
rates = st.floats(0.01, 100)


@given(tables, st.builds(Link, st.floats(0, 100), rates, rates), accounts, few(None, 0.0, 0.5, 1.0), st.floats(1, 200))
def test_for_no_request_does_the_front_serve_worse_than_all_rows(rows, link, account, min_accuracy, deadline_ms):
    def cheapest_mj(among):
        fit = [
            row for row in among if min_accuracy is None or (row.accuracy is not None and row.accuracy >= min_accuracy)
        ]
        if not fit:
            return None
        prices = price(fit, link, account)
        in_time = prices.energy_mj[prices.latency_ms <= deadline_ms]
        return (float(prices.latency_ms.min()), float(in_time.min()) if len(in_time) else None)

    assert cheapest_mj(undominated(rows)) == pytest.approx(cheapest_mj(rows))


figures = st.integers(0, 8).map(float)


@given(st.lists(st.tuples(figures, figures), min_size=1, max_size=15))
def test_at_given_prices_the_front_gets_slower_and_cheaper_and_misses_nothing(points):
    latency_ms, energy_mj = np.array(points).T

    chosen = front(Prices(latency_ms, energy_mj))

    assert np.all(np.diff(latency_ms[chosen]) > 0)
    assert np.all(np.diff(energy_mj[chosen]) < 0)
    best = {(x, y) for x, y in points if not any(a <= x and b <= y and (a, b) != (x, y) for a, b in points)}
    assert set(zip(latency_ms[chosen], energy_mj[chosen], strict=True)) == best


@given(st.lists(st.tuples(figures, figures, st.sampled_from([0.7, 0.8, 0.9, math.nan])), min_size=1, max_size=15))
def test_where_accuracy_is_known_the_front_also_keeps_what_is_more_accurate(points):
    latency_ms, energy_mj, accuracy = np.array(points).T
    seen = [(x, y, -1.0 if math.isnan(z) else z) for x, y, z in points]

    chosen = front(Prices(latency_ms, energy_mj), accuracy)

    best = {p for p in seen if not any(q[0] <= p[0] and q[1] <= p[1] and q[2] >= p[2] and q != p for q in seen)}
    known = {p for p in best if p[2] >= 0} if any(p[2] >= 0 for p in seen) else best
    assert known <= {seen[index] for index in chosen}
    assert {seen[index] for index in chosen} <= best
    assert len({seen[index] for index in chosen}) == len(chosen)
    assert np.all(np.diff(latency_ms[chosen]) >= 0)
