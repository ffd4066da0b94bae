import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.choosing.candidates import Candidates
from planner.choosing.explanation import explain
from planner.choosing.limits import Limits
from planner.choosing.load import latest_end_ms
from planner.choosing.strategies import STRATEGIES, Request, choose
from planner.choosing.switching import Board, Switching
from planner.choosing.verdicts import Why
from planner.learning.experience import Experience
from planner.pricing import Parts
from protocol.configuration import Account, Configuration, EdgeAccelerator, Provenance
from protocol.errors import DynaSplitError, InvalidInput
from protocol.link import Link
from protocol.table import Row

LAST = 9
LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)


def row(
    cut: int,
    head_ms: float,
    head_mj: float,
    *,
    mhz: int = 1800,
    accuracy: float | None = 0.9,
    uncertainty: float | None = None,
) -> Row:
    sends = cut < LAST
    return Row(
        configuration=Configuration(cut=cut, cpu_khz=mhz * 1000),
        head_ms=head_ms,
        head_mj=head_mj,
        wait_w=2.0 * sends,
        up_bytes=(1000 - 100 * cut) * sends,
        down_bytes=100 * sends,
        cloud_ms=4.0 * sends,
        cloud_node_mj=1000.0 * sends,
        cloud_active_mj=100.0 * sends,
        accuracy=accuracy,
        provenance={"head_ms": Provenance.MEASURED, "head_mj": Provenance.EMULATED},
        uncertainty={} if uncertainty is None else {"head_mj": uncertainty, "cloud_node_mj": uncertainty},
    )


CLOUD, SPLIT, EDGE, SLOW_EDGE = row(0, 1, 4), row(5, 35, 100), row(LAST, 100, 400), row(LAST, 300, 300, mhz=600)
TABLE = (CLOUD, SPLIT, EDGE, SLOW_EDGE)


def said_of(asked_row, rows=TABLE, strategy="dynasplit", *, now=None, **asked) -> str:
    explanation = explain(strategy, Candidates.of(rows, LINK, **(now or {})), Request(**asked))
    (verdict,) = [verdict for verdict in explanation.verdicts if rows[verdict.index] == asked_row]
    return f"{verdict.why}: {verdict.text}"


def test_the_chosen_row_comes_first_and_the_late_ones_last():
    explanation = explain("dynasplit", Candidates.of(TABLE, LINK), Request(deadline_ms=150.0))

    assert [verdict.why for verdict in explanation.verdicts] == [Why.CHOSEN, Why.DEARER, Why.DEARER, Why.LATE]
    assert TABLE[explanation.verdicts[0].index] == EDGE


def test_a_late_row_is_told_by_how_much_and_what_of_it_is_margin():
    now = {"experience": Experience.of(Parts.of(TABLE))}

    assert said_of(SLOW_EDGE, now=now, deadline_ms=150.0).startswith("late: late by ")
    assert "without" not in said_of(SLOW_EDGE, now=now, deadline_ms=150.0)
    assert "without it, in time" in said_of(SLOW_EDGE, now=now, deadline_ms=301.0)


def test_each_thing_that_rules_a_row_out_is_named():
    unknown = row(3, 10, 10, accuracy=None)
    inaccurate = "inaccurate: accuracy unknown, where at least 0.9 is wanted"
    too_many_bytes = "too_many_bytes: sends 1000 bytes, 600 may still be sent today"

    assert said_of(unknown, (EDGE, unknown), min_accuracy=0.9) == inaccurate
    assert said_of(CLOUD, now={"limits": Limits(min_cut=2)}) == "cut_too_early: cut 0 is below min_cut 2"
    assert said_of(CLOUD, now={"limits": Limits(bytes_left=600)}) == too_many_bytes
    assert said_of(SPLIT, now={"cloud_available": False}) == "cloud_away: needs the cloud, which is away"
    tpu = replace(EDGE, configuration=Configuration(LAST, 1_800_000, EdgeAccelerator.STD))
    without = {"limits": Limits(accelerators=frozenset({EdgeAccelerator.OFF}))}
    said = said_of(tpu, (EDGE, tpu), now=without)
    assert said == "not_usable: needs accelerator std, which cannot be used now"
    hot = {"limits": Limits(clocks_khz=frozenset({EDGE.configuration.cpu_khz}))}
    faster = replace(EDGE, configuration=Configuration(LAST, EDGE.configuration.cpu_khz + 1))
    assert said_of(faster, (EDGE, faster), now=hot).startswith("not_usable: clock ")
    quiet = {"limits": Limits(max_clock_khz=EDGE.configuration.cpu_khz)}
    assert said_of(faster, (EDGE, faster), now=quiet).startswith("clock_not_allowed: clock ")
    assert said_of(SPLIT, strategy="edge-only") == "not_meant: not what strategy edge-only takes"


def test_a_row_that_is_dearer_and_slower_than_the_chosen_one_is_said_to_be_both():
    worse = row(LAST, 310, 305)

    assert said_of(worse, (SLOW_EDGE, worse)) == "dominated: dearer by 5 mJ and slower by 10 ms"


KNOWN, UNTRIED = row(LAST, 100, 400, uncertainty=0.003), row(LAST, 100, 410, uncertainty=0.2)
TRIES = {"experience": Experience.of(Parts.of((KNOWN, UNTRIED)))}


def test_a_row_that_lost_to_a_hope_is_not_said_to_be_dearer():
    said = said_of(KNOWN, (KNOWN, UNTRIED), now=TRIES)

    assert said.startswith("better_known: expected cheaper by 10 mJ, but better known: dearer by ")
    assert said.endswith(" mJ if both turn out well")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({}, "lowest hoped energy; no deadline"),
        ({"deadline_ms": 900.0}, "lowest hoped energy in time"),
        ({"behind_ms": (900.0,)}, "lowest hoped energy in time for those behind it"),
    ],
)
def test_a_row_that_is_chosen_for_a_hope_is_said_to_be(asked, reason):
    assert said_of(UNTRIED, (KNOWN, UNTRIED), now=TRIES, **asked) == f"chosen: {reason}"


def test_a_row_that_costs_the_same_may_lose_to_a_hope():
    as_dear = row(LAST, 100, 410, uncertainty=0.003)

    said = said_of(as_dear, (as_dear, UNTRIED), now={"experience": Experience.of(Parts.of((as_dear, UNTRIED)))})

    assert said.startswith("better_known: expected to cost the same, but better known: dearer by ")


def test_a_baseline_hopes_for_nothing():
    assert said_of(KNOWN, (KNOWN, UNTRIED), "energy-saver", now=TRIES) == "chosen: lowest energy"
    assert said_of(UNTRIED, (KNOWN, UNTRIED), "energy-saver", now=TRIES).startswith("dominated: dearer by 10 mJ")


def test_its_json_has_what_is_expected_and_what_is_hoped():
    content = explain("dynasplit", Candidates.of((KNOWN, UNTRIED), LINK, **TRIES), Request()).to_json()

    chosen, other = content["candidates"]
    assert chosen["energy_mj"] > other["energy_mj"]
    assert chosen["hoped_mj"] < other["hoped_mj"] < other["energy_mj"]


def test_those_who_wait_behind_are_a_reason():
    said = said_of(SLOW_EDGE, (EDGE, SLOW_EDGE), deadline_ms=1000.0, behind_ms=(250.0,))

    assert said == "late: late by 150 ms for those behind it"


def test_where_no_row_would_do_it_says_of_each_why():
    explanation = explain("dynasplit", Candidates.of((CLOUD, SPLIT), LINK, cloud_available=False), Request())

    assert explanation.choice is None
    assert "cannot be reached" in explanation.refused
    assert {verdict.why for verdict in explanation.verdicts} == {Why.CLOUD_AWAY}
    assert explanation.to_json()["chosen"] is None


def test_a_bad_question_has_no_explanation():
    with pytest.raises(InvalidInput, match="strategy"):
        explain("best", Candidates.of(TABLE, LINK), Request())


def test_its_json_has_figures_with_what_stands_behind_them_and_no_infinities():
    switching = Switching(clock_ms=7.0, board=Board(1_800_000))
    candidates = Candidates.of(TABLE, LINK, switching=switching)

    content = explain("dynasplit", candidates, Request(math.inf, behind_ms=(math.inf,), account=Account.EDGE)).to_json()

    assert content["deadline_ms"] is None
    json.dumps(content, allow_nan=False)
    best = content["candidates"][0]
    assert (best["row"], content["chosen"]) == (0, 0)
    assert best["provenance"] == {"latency_ms": ["estimated", "measured"], "energy_mj": ["emulated", "estimated"]}
    slow = next(each for each in content["candidates"] if each["row"] == TABLE.index(SLOW_EDGE))
    assert slow["switching_ms"] == 7.0
    assert slow["latency_ms"] == pytest.approx(slow["table_latency_ms"] + 7.0)


numbers = st.integers(0, 200).map(float)
rows = st.builds(
    row,
    st.integers(0, LAST),
    numbers,
    numbers,
    mhz=st.sampled_from([600, 1800]),
    accuracy=st.sampled_from([None, 0.5, 0.9]),
    uncertainty=st.sampled_from([None, 0.003, 0.2]),
)
limits = st.builds(
    Limits,
    min_cut=st.integers(0, LAST),
    bytes_left=st.sampled_from([0.0, 550.0, math.inf]),
    min_accuracy=st.sampled_from([None, 0.6]),
)
requests = st.builds(
    Request,
    deadline_ms=st.one_of(st.none(), numbers),
    min_accuracy=st.sampled_from([None, 0.4]),
    behind_ms=st.lists(numbers, max_size=3).map(tuple),
)
boards = st.sampled_from([None, Board(600_000), Board(1_800_000)])


@given(
    st.lists(rows, min_size=1, max_size=8),
    st.sampled_from(STRATEGIES),
    requests,
    limits,
    st.booleans(),
    boards,
    st.booleans(),
)
def test_the_winner_is_what_is_chosen_and_every_reason_is_true(table, strategy, request, limits, cloud, board, learns):
    candidates = Candidates.of(
        table,
        LINK,
        experience=Experience.of(Parts.of(table)) if learns else None,
        cloud_available=cloud,
        limits=limits,
        switching=Switching(clock_ms=5.0, board=board),
    )

    explanation = explain(strategy, candidates, request)

    assert sorted(verdict.index for verdict in explanation.verdicts) == list(range(len(table)))
    try:
        chosen = choose(strategy, candidates, request).index
    except DynaSplitError as error:
        assert (explanation.choice, explanation.refused) == (None, str(error))
        chosen = None
    else:
        assert explanation.verdicts[0].index == chosen
    expected = candidates.expected(request.account)
    due_ms = due(request, expected, explanation.verdicts)
    for verdict in explanation.verdicts:
        assert is_true(verdict, table[verdict.index], expected, chosen, request, due_ms, limits, cloud, strategy), (
            verdict
        )


def due(request, expected, verdicts) -> float:
    """By when the rows that could be taken must be done."""
    usable = [verdict.index for verdict in verdicts if verdict.why not in LEFT_OUT]
    quick_ms = min(expected.guarded_ms[usable], default=0.0)
    own_ms = math.inf if request.deadline_ms is None else request.deadline_ms
    return min(own_ms, latest_end_ms(request.behind_ms, quick_ms))


LEFT_OUT = {Why.INACCURATE, Why.CUT_TOO_EARLY, Why.TOO_MANY_BYTES, Why.CLOUD_AWAY, Why.NOT_USABLE, Why.NOT_MEANT}


def is_true(verdict, row, expected, chosen, request, due_ms, limits, cloud, strategy) -> bool:
    energy, hoped, latency, guarded = (
        float(figure[verdict.index] - figure[verdict.index if chosen is None else chosen])
        for figure in (expected.energy_mj, expected.hoped_mj, expected.latency_ms, expected.guarded_ms)
    )
    ranked = hoped if strategy == "dynasplit" else energy
    late_ms = float(expected.guarded_ms[verdict.index]) - due_ms
    wanted = max(limits.min_accuracy or 0.0, request.min_accuracy or 0.0)
    return {
        Why.CHOSEN: verdict.index == chosen,
        Why.INACCURATE: row.accuracy is None or row.accuracy < wanted,
        Why.CUT_TOO_EARLY: row.uses_cloud and row.configuration.cut < limits.min_cut,
        Why.TOO_MANY_BYTES: row.up_bytes > limits.bytes_left,
        Why.CLOUD_AWAY: row.uses_cloud and not cloud,
        Why.NOT_MEANT: strategy in ("cloud-only", "edge-only"),
        Why.LATE: strategy == "dynasplit" and 0 < verdict.by == late_ms,
        Why.DOMINATED: energy == verdict.by > 0 and ranked > 0 and guarded >= 0,
        Why.BETTER_KNOWN: strategy == "dynasplit" and hoped == verdict.by > 0 >= energy,
        Why.DEARER: energy == verdict.by > 0,
        Why.SLOWER: verdict.by in (latency, guarded) and verdict.by > 0,
        Why.LESS_LIKELY: strategy == "dynasplit" and verdict.by > 0,
        Why.EQUAL: ranked == 0 or energy == 0,
    }[verdict.why]
