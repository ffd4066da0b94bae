import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.margin import Margin
from planner.strategies import STRATEGIES, Candidates, Request, choose
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput, ServiceMissing
from protocol.link import Link
from protocol.table import Row

LAST = 9
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)
NO_MARGIN = Margin(start=1.0)


def row(cut: int, head_ms: float, head_mj: float, *, mhz: int = 1800, accuracy: float | None = None) -> Row:
    sends = cut < LAST
    return Row(
        configuration=Configuration(cut=cut, cpu_khz=mhz * 1000),
        head_ms=head_ms,
        head_mj=head_mj,
        wait_w=2.0 if sends else 0.0,
        up_bytes=800 * sends,
        down_bytes=100 * sends,
        cloud_ms=4.0 * sends,
        cloud_node_mj=1000.0 * sends,
        cloud_active_mj=100.0 if sends else None,
        accuracy=accuracy,
    )


CLOUD_FAST = row(0, 1, 4, accuracy=0.9)  # 16 ms
CLOUD_SLOW_CLOCK = row(0, 0.5, 2, mhz=600, accuracy=0.9)
SPLIT = row(5, 35, 100, accuracy=0.8)  # 50 ms
EDGE_FAST = row(LAST, 100, 400, accuracy=0.7)
EDGE_SLOW_CLOCK = row(LAST, 300, 300, mhz=600)
TABLE = (EDGE_SLOW_CLOCK, EDGE_FAST, SPLIT, CLOUD_SLOW_CLOCK, CLOUD_FAST)


def choose_from(rows, strategy, *, margin=NO_MARGIN, cloud_available=True, **asked):
    candidates = Candidates.of(rows, LINK, margin=margin, cloud_available=cloud_available)
    return choose(strategy, candidates, Request(**asked))


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("cloud-only", CLOUD_FAST),
        ("edge-only", EDGE_FAST),
        ("fastest", CLOUD_SLOW_CLOCK),
        ("energy-saver", EDGE_SLOW_CLOCK),
    ],
)
@pytest.mark.parametrize("deadline_ms", [None, -5.0, 60.0, 1e6])
def test_the_baselines_do_not_look_at_the_deadline(strategy, expected, deadline_ms):
    choice = choose_from(TABLE, strategy, deadline_ms=deadline_ms)

    assert choice.row == expected


@pytest.mark.parametrize(
    ("deadline_ms", "expected"),
    [
        (None, EDGE_SLOW_CLOCK),
        (300.0, EDGE_SLOW_CLOCK),
        (299.0, EDGE_FAST),
        (99.0, CLOUD_SLOW_CLOCK),
        (1.0, CLOUD_SLOW_CLOCK),
    ],
)
def test_dynasplit_takes_the_cheapest_in_time(deadline_ms, expected):
    choice = choose_from(TABLE, "dynasplit", deadline_ms=deadline_ms)

    assert choice.row == expected


def test_the_account_changes_what_is_cheapest():
    choice = choose_from(TABLE, "dynasplit", deadline_ms=99.0, account=Account.EDGE)
    dearer_cloud = choose_from(TABLE, "dynasplit", deadline_ms=250.0, account=Account.EDGE_NODE)

    assert choice.row == CLOUD_SLOW_CLOCK
    assert choice.predicted_mj == pytest.approx(2 + 2 * 15)
    assert dearer_cloud.row == EDGE_FAST


def test_the_margin_makes_a_tight_row_late():
    choice = choose_from(TABLE, "dynasplit", deadline_ms=305.0, margin=Margin(start=1.1))

    assert choice.row == EDGE_FAST


def test_a_prediction_is_told_without_the_margin():
    choice = choose_from([EDGE_FAST], "dynasplit", deadline_ms=105.0, margin=Margin(start=1.1))

    assert choice.predicted_ms == pytest.approx(100.0)
    assert not choice.in_time


def test_a_request_without_deadline_is_always_in_time():
    assert choose_from(TABLE, "dynasplit").in_time


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_the_cloud_every_strategy_stays_on_the_device(strategy):
    choice = choose_from(TABLE, strategy, deadline_ms=20.0, cloud_available=False)

    assert not choice.row.uses_cloud


def test_without_the_cloud_cloud_only_says_why_it_stays():
    choice = choose_from(TABLE, "cloud-only", cloud_available=False)

    assert choice.row == EDGE_FAST
    assert "cannot be reached" in choice.reason


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_table_that_needs_the_cloud_cannot_serve_without_it(strategy):
    with pytest.raises(ServiceMissing, match="edge-only"):
        choose_from([CLOUD_FAST, SPLIT], strategy, cloud_available=False)


def test_rows_of_lower_or_unknown_accuracy_are_out():
    choice = choose_from(TABLE, "energy-saver", min_accuracy=0.65)

    assert choice.row == EDGE_FAST


def test_an_accuracy_out_of_reach_names_the_best_one_known():
    with pytest.raises(InvalidInput, match=r"accuracy 0\.95.*0\.9"):
        choose_from(TABLE, "dynasplit", min_accuracy=0.95)


def test_where_nobody_evaluated_no_accuracy_is_proven():
    with pytest.raises(InvalidInput, match="nobody evaluated"):
        choose_from([EDGE_SLOW_CLOCK], "dynasplit", min_accuracy=0.0)


@pytest.mark.parametrize(("strategy", "rows"), [("cloud-only", [EDGE_FAST, SPLIT]), ("edge-only", [CLOUD_FAST])])
def test_a_baseline_whose_rows_are_missing_says_so(strategy, rows):
    with pytest.raises(InvalidInput, match=f"no {strategy} row"):
        choose_from(rows, strategy)


def test_an_unknown_strategy_lists_the_known_ones():
    with pytest.raises(InvalidInput, match="dynasplit, cloud-only"):
        choose_from(TABLE, "guess")


def test_a_table_without_rows_is_refused():
    with pytest.raises(InvalidInput, match="at least one row"):
        Candidates.of([], LINK)


@pytest.mark.parametrize("asked", [{"deadline_ms": float("nan")}, {"min_accuracy": 1.5}])
def test_a_request_that_makes_no_sense_is_refused(asked):
    with pytest.raises(InvalidInput, match="must"):
        Request(**asked)


def test_another_link_reprices_the_same_rows():
    candidates = Candidates.of(TABLE, LINK, margin=NO_MARGIN)
    request = Request(deadline_ms=99.0)
    before = choose("dynasplit", candidates, request)

    slow = candidates.now(Link(rtt_ms=500.0, up_bytes_per_ms=1.0, down_bytes_per_ms=1.0))

    assert before.row == CLOUD_SLOW_CLOCK
    assert choose("dynasplit", slow, request).row == EDGE_FAST
    assert not choose("dynasplit", slow, request).in_time


numbers = st.integers(0, 40).map(float)
tables = st.lists(
    st.builds(row, st.integers(0, LAST), numbers, numbers, mhz=st.sampled_from([600, 1200, 1800])), min_size=1
)


@given(tables, st.sampled_from(STRATEGIES), st.one_of(st.none(), numbers), st.sampled_from([1.0, 1.3]))
def test_a_choice_is_a_row_of_the_table_with_its_own_price(rows, strategy, deadline_ms, start):
    rows = [*rows, row(0, 1, 1), row(LAST, 1, 1)]

    choice = choose_from(rows, strategy, deadline_ms=deadline_ms, margin=Margin(start=start))

    alone = choose_from([choice.row], "fastest", deadline_ms=deadline_ms, margin=Margin(start=start))
    assert dataclasses.replace(choice, reason="") == dataclasses.replace(alone, reason="")


@given(tables, numbers, st.sampled_from([1.0, 1.3]))
def test_dynasplit_is_in_time_and_cheapest_whenever_a_row_can_be(rows, deadline_ms, start):
    margin = Margin(start=start)
    choice = choose_from(rows, "dynasplit", deadline_ms=deadline_ms, margin=margin)

    each = [choose_from([item], "fastest", deadline_ms=deadline_ms, margin=margin) for item in rows]
    in_time = [single for single in each if single.in_time]
    assert choice.in_time == bool(in_time)
    if in_time:
        assert choice.predicted_mj == min(single.predicted_mj for single in in_time)
    else:
        assert choice.predicted_ms == min(single.predicted_ms for single in each)


def test_a_margin_on_the_cloud_does_not_stretch_the_head():
    doubled = Margin(ratios=((True, 2.0),) * 20, start=1.0)

    just_enough = choose_from((EDGE_FAST, SPLIT), "dynasplit", margin=doubled, deadline_ms=66.0)
    too_little = choose_from((EDGE_FAST, SPLIT), "dynasplit", margin=doubled, deadline_ms=64.0)

    assert just_enough.row == SPLIT  # 35 ms of head and twice 15 ms of waiting
    assert just_enough.in_time
    assert not too_little.in_time
