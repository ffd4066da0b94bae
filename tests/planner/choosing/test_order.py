from __future__ import annotations

import math
from dataclasses import dataclass

from planner.choosing.order import UNHURRIED_S, by_deadline, next_to_go, rank_s


@dataclass(frozen=True)
class Request:
    number: int
    due_s: float = math.inf
    came_s: float = 0.0
    under_way: bool = False
    alone: bool = False

    @property
    def rank_s(self) -> float:
        return rank_s(self.due_s, self.came_s)


def line(*requests: Request) -> list[Request]:
    return sorted(requests, key=by_deadline)


def not_alone(request: Request) -> bool:
    return not request.alone


def nobody(_request: Request) -> bool:
    return False


def test_the_earliest_deadline_comes_first_and_none_last_and_equals_as_they_came():
    requests = [Request(1), Request(2, 9.0), Request(3, 3.0), Request(4, 3.0)]
    assert [one.number for one in line(*requests)] == [3, 4, 2, 1]


def test_who_has_no_deadline_is_overtaken_for_some_seconds_only():
    unhurried = Request(1, came_s=100.0)
    soon, later = (Request(number, unhurried.came_s + UNHURRIED_S + after_s) for number, after_s in ((2, -1), (3, 1)))
    assert [one.number for one in line(later, soon, unhurried)] == [2, 1, 3]


def test_who_may_start_goes_in_the_order():
    assert next_to_go(line(Request(1, 9.0), Request(2, 3.0)), not_alone) == Request(2, 3.0)


def test_the_first_that_may_not_start_is_not_overtaken_by_newcomers():
    assert next_to_go(line(Request(1, 3.0, alone=True), Request(2, 9.0)), not_alone) is None


def test_who_is_under_way_already_needs_no_place_and_passes_those_who_lack_one():
    back = Request(1, 9.0, under_way=True)
    assert next_to_go(line(back, Request(2, 3.0)), nobody) == back


def test_of_an_empty_line_nobody_goes():
    assert next_to_go([], not_alone) is None
