import math

import pytest

from planner.choosing.candidates import Candidates
from planner.choosing.strategies import Request, decide
from planner.choosing.verdicts import Comparison, Why
from planner.learning.experience import Experience
from planner.pricing import Parts
from protocol.configuration import Configuration
from protocol.link import Link
from protocol.table import Row

LINK = Link(2.0, 100.0, 100.0)


def row(head_ms: float, head_mj: float, uncertainty: float = 0.003) -> Row:
    sure = {"head_ms": uncertainty, "head_mj": 0.003}
    return Row(
        Configuration(9, 1_800_000), head_ms, head_mj, 0.0, 0, 0, 0.0, 0.0, 0.0, None, provenance={}, uncertainty=sure
    )


def verdicts(rows, deadline_ms, strategy="dynasplit", *, learns=True):
    experience = Experience.of(Parts.of(rows)) if learns else None
    candidates, request = Candidates.of(rows, LINK, experience=experience), Request(deadline_ms)
    return Comparison(strategy, candidates, request, *decide(strategy, candidates, request)).verdicts()


def order_and_whys(found):
    return [(each.index, each.why) for each in found]


def test_the_best_come_first_by_what_the_choice_went_by():
    rows = (row(90, 50), row(50, 400), row(60, 300), row(70, 350))

    by_energy = verdicts(rows, 80.0)
    by_latency = verdicts(rows, 80.0, "fastest")

    assert [each.index for each in by_energy] == [2, 3, 1, 0]
    assert [each.index for each in by_latency] == [1, 2, 3, 0]


def test_late_rows_come_by_how_late_they_are():
    rows = (row(50, 400), row(300, 1), row(200, 2))

    assert order_and_whys(verdicts(rows, 80.0)) == [(0, Why.CHOSEN), (2, Why.LATE), (1, Why.LATE)]


def test_where_none_is_surely_in_time_the_others_were_less_likely():
    found = verdicts((row(99, 1, 0.1), row(98, 100), row(5000, 1)), 99.0)

    assert order_and_whys(found) == [(1, Why.CHOSEN), (0, Why.LESS_LIKELY), (2, Why.LESS_LIKELY)]
    assert "standard deviations" in found[1].text
    assert (found[2].text, found[2].by) == ("certainly late", math.inf)


def test_where_all_are_hopeless_the_others_are_slower():
    found = verdicts((row(300, 1), row(200, 2)), 10.0)

    assert [each.text for each in found] == ["lowest latency; none can be in time", "slower by 100 ms"]


@pytest.mark.parametrize("strategy", ["dynasplit", "fastest", "energy-saver"])
def test_of_equals_the_first_one_is_taken(strategy):
    (first, second) = verdicts((row(50, 100), row(50, 100)), 80.0, strategy)

    assert (first.index, second.why, second.by) == (0, Why.EQUAL, 0.0)
    assert second.text == "as good; the other one comes first"


def test_at_equal_energy_the_slower_one_loses():
    (_, slower) = verdicts((row(60, 100), row(50, 100)), 80.0, learns=False)

    assert (slower.why, slower.text) == (Why.SLOWER, "slower by 10 ms")
