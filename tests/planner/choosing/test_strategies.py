import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.choosing.candidates import Candidates
from planner.choosing.limits import Limits
from planner.choosing.strategies import STRATEGIES, Request, choose, choose_rows
from planner.choosing.switching import Board, Switching
from planner.learning.experience import Experience
from planner.pricing import Parts
from protocol.configuration import Account, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput, ServiceMissing
from protocol.link import Link
from protocol.table import Row

LAST = 9
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)


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
AWAY = {"cloud_available": False}
TABLE = (EDGE_SLOW_CLOCK, EDGE_FAST, SPLIT, CLOUD_SLOW_CLOCK, CLOUD_FAST)


def choose_from(rows, strategy, *, now=None, **asked):
    return choose(strategy, Candidates.of(rows, LINK, **(now or {})), Request(**asked))


def learning(rows, **how) -> dict[str, Experience]:
    return {"experience": Experience.of(Parts.of(rows), **how)}


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
    choice = choose_from(TABLE, "dynasplit", deadline_ms=305.0, now=learning(TABLE))

    assert choice.row == EDGE_FAST


def test_a_prediction_is_told_without_the_margin():
    choice = choose_from([EDGE_FAST], "dynasplit", deadline_ms=105.0, now=learning([EDGE_FAST]))

    assert choice.predicted_ms == pytest.approx(100.0)
    assert not choice.in_time


def test_a_request_without_deadline_is_always_in_time():
    assert choose_from(TABLE, "dynasplit").in_time


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_without_the_cloud_every_strategy_stays_on_the_device(strategy):
    choice = choose_from(TABLE, strategy, deadline_ms=20.0, now=AWAY)

    assert not choice.row.uses_cloud


def test_without_the_cloud_cloud_only_says_why_it_stays():
    choice = choose_from(TABLE, "cloud-only", now=AWAY)

    assert choice.row == EDGE_FAST
    assert "cannot be reached" in choice.reason


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_table_that_needs_the_cloud_cannot_serve_without_it(strategy):
    with pytest.raises(ServiceMissing, match="edge-only"):
        choose_from([CLOUD_FAST, SPLIT], strategy, now=AWAY)


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


@pytest.mark.parametrize(
    "asked",
    [
        {"deadline_ms": float("nan")},
        {"deadline_ms": -float("inf")},
        {"behind_ms": (5.0, float("nan"))},
        {"behind_ms": (-float("inf"),)},
        {"min_accuracy": 1.5},
        {"min_accuracy": float("nan")},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(asked):
    with pytest.raises(InvalidInput, match="must"):
        Request(**asked)


def test_another_link_reprices_the_same_rows():
    candidates = Candidates.of(TABLE, LINK)
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


guards = st.sampled_from([None, 0.001, 0.05])


def guarded(rows, violation_rate) -> dict[str, Experience]:
    return learning(rows, violation_rate=violation_rate) if violation_rate else {}


@given(tables, st.sampled_from(STRATEGIES), st.one_of(st.none(), numbers), guards)
def test_a_choice_is_a_row_of_the_table_with_its_own_price(rows, strategy, deadline_ms, violation_rate):
    rows = [*rows, row(0, 1, 1), row(LAST, 1, 1)]

    choice = choose_from(rows, strategy, deadline_ms=deadline_ms, now=guarded(rows, violation_rate))

    alone = choose_from([choice.row], "fastest", deadline_ms=deadline_ms, now=guarded([choice.row], violation_rate))
    assert choice.row == rows[choice.index]
    assert dataclasses.replace(choice, reason="", index=0) == dataclasses.replace(alone, reason="")


@given(tables, numbers, guards)
def test_dynasplit_is_in_time_and_cheapest_whenever_a_row_can_be(rows, deadline_ms, violation_rate):
    choice = choose_from(rows, "dynasplit", deadline_ms=deadline_ms, now=guarded(rows, violation_rate))

    each = [
        choose_from([item], "fastest", deadline_ms=deadline_ms, now=guarded([item], violation_rate)) for item in rows
    ]
    in_time = [single for single in each if single.in_time]
    assert choice.in_time == bool(in_time)
    if in_time:
        assert choice.predicted_mj == min(single.predicted_mj for single in in_time)


links = st.builds(Link, numbers, numbers.map(lambda rate: rate + 1), numbers.map(lambda rate: rate + 1))


@given(tables, numbers.map(lambda number: 5 * number), links, st.sampled_from([1.0, 2.0, 7.0]), guards)
def test_a_slower_link_makes_nothing_faster_and_the_pick_never_cheaper(rows, deadline_ms, link, slower, violation_rate):
    now = guarded(rows, violation_rate)
    fast = Candidates.of(rows, link, **now)
    slow = fast.now(Link(link.rtt_ms * slower, link.up_bytes_per_ms / slower, link.down_bytes_per_ms / slower))
    before, after = (choose("dynasplit", each, Request(deadline_ms)) for each in (fast, slow))

    expected = [each.expected(Account.EDGE_NODE) for each in (fast, slow)]
    assert (expected[1].latency_ms >= expected[0].latency_ms).all()
    assert (expected[1].guarded_ms >= expected[0].guarded_ms).all()
    if after.in_time:
        assert before.in_time
        assert after.predicted_mj >= before.predicted_mj


@given(tables, st.lists(st.one_of(numbers, st.just(float("inf"))), min_size=1), st.sampled_from(STRATEGIES), guards)
def test_vectors_choose_what_single_requests_choose(rows, deadlines_ms, strategy, violation_rate):
    rows = [*rows, row(0, 1, 1), row(LAST, 1, 1)]
    candidates = Candidates.of(rows, LINK, **guarded(rows, violation_rate))

    chosen = choose_rows(strategy, candidates, np.array(deadlines_ms))

    assert list(chosen) == [choose(strategy, candidates, Request(deadline_ms)).index for deadline_ms in deadlines_ms]


def test_an_input_that_may_not_leave_uncut_does_not():
    choice = choose_from(TABLE, "fastest", now={"limits": Limits(min_cut=1)})

    assert choice.row == SPLIT


def test_when_the_bytes_of_the_day_are_spent_the_device_stays_alone_and_says_why():
    now = {"limits": Limits(bytes_left=700)}

    assert choose_from(TABLE, "dynasplit", deadline_ms=20.0, now=now).row == EDGE_FAST
    assert "bytes left today: 700" in choose_from(TABLE, "cloud-only", now=now).reason


def test_limits_that_leave_nothing_are_told():
    with pytest.raises(ServiceMissing, match="min_cut 6"):
        choose_from([CLOUD_FAST, SPLIT], "dynasplit", now={"limits": Limits(min_cut=6)})


@pytest.mark.parametrize(("device", "asked"), [(0.65, None), (0.65, 0.5), (None, 0.65)])
def test_the_stricter_of_the_devices_and_the_requests_accuracy_holds(device, asked):
    choice = choose_from(TABLE, "energy-saver", min_accuracy=asked, now={"limits": Limits(min_accuracy=device)})

    assert choice.row == EDGE_FAST


@pytest.mark.parametrize("wrong", [{"min_cut": -1}, {"bytes_left": -1.0}, {"min_accuracy": 2.0}])
def test_limits_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidInput, match="must"):
        Limits(**wrong)


def test_a_clock_that_is_already_set_is_worth_keeping():
    at_600_mhz = {"switching": Switching(clock_ms=50.0, board=Board(600_000))}

    assert choose_from(TABLE, "dynasplit", deadline_ms=310.0, now=at_600_mhz).row == EDGE_SLOW_CLOCK
    assert choose_from(TABLE, "dynasplit", deadline_ms=140.0, now=at_600_mhz).row == CLOUD_SLOW_CLOCK


def test_the_time_to_switch_costs_what_the_board_draws_meanwhile():
    now = {"switching": Switching(clock_ms=50.0, board=Board(600_000))}

    choice = choose_from([EDGE_FAST], "dynasplit", now=now)

    assert choice.predicted_ms == pytest.approx(150.0)
    assert choice.predicted_mj == pytest.approx(600.0)  # 4 W while its head runs, and as much before


def test_who_waits_behind_gets_in_time_as_well():
    alone = choose_from(TABLE, "dynasplit", deadline_ms=400.0)
    crowded = choose_from(TABLE, "dynasplit", deadline_ms=400.0, behind_ms=(200.0,))

    assert alone.row == EDGE_SLOW_CLOCK
    assert crowded.row == EDGE_FAST
    assert "behind" in crowded.reason


def test_who_is_late_in_any_case_holds_up_nobody():
    choice = choose_from(TABLE, "dynasplit", deadline_ms=400.0, behind_ms=(10.0,))

    assert choice.row == EDGE_SLOW_CLOCK


TPU = dataclasses.replace(row(LAST, 20, 50), configuration=Configuration(LAST, 1_800_000, EdgeAccelerator.STD))
TPU_AWAY = {"limits": Limits(accelerators=frozenset({EdgeAccelerator.OFF}))}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_row_whose_accelerator_cannot_be_used_now_is_left_to_others(strategy):
    assert choose_from((*TABLE, TPU), strategy, now=TPU_AWAY).row == choose_from(TABLE, strategy).row


def test_where_no_row_is_left_without_it_the_accelerator_is_chosen_all_the_same():
    assert choose_from((TPU, CLOUD_FAST), "dynasplit", now={**TPU_AWAY, **AWAY}).row == TPU


def test_rows_that_can_be_used_are_chosen_as_if_nothing_were_away():
    now = {"limits": Limits(accelerators=frozenset({EdgeAccelerator.OFF, EdgeAccelerator.STD}))}

    assert choose_from((*TABLE, TPU), "energy-saver", now=now).row == TPU


SLOW = (EDGE_SLOW_CLOCK, CLOUD_SLOW_CLOCK)


@pytest.mark.parametrize("limits", [Limits(max_clock_khz=1_700_000), Limits(clocks_khz=frozenset({600_000}))])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_for_clocks_that_may_not_be_used_or_are_not_reached_are_left_alone(strategy, limits):
    assert choose_from(TABLE, strategy, now={"limits": limits}).row == choose_from(SLOW, strategy).row


def test_where_no_clock_of_a_table_is_reached_it_is_served_all_the_same():
    now = {"limits": Limits(clocks_khz=frozenset({300_000}))}

    assert choose_from(TABLE, "dynasplit", now=now).row == choose_from(TABLE, "dynasplit").row


def test_a_strategy_whose_rows_are_all_out_of_reach_takes_one_of_them_all_the_same():
    now = {"limits": Limits(clocks_khz=frozenset({600_000}))}

    assert choose_from((EDGE_SLOW_CLOCK, CLOUD_FAST), "cloud-only", now=now).row == CLOUD_FAST


def test_a_clock_that_may_not_be_used_is_not_used_even_where_nothing_else_is_left():
    now = {"limits": Limits(max_clock_khz=1_700_000), **AWAY}

    with pytest.raises(ServiceMissing, match="cannot be reached"):
        choose_from((CLOUD_SLOW_CLOCK, EDGE_FAST), "dynasplit", now=now)
