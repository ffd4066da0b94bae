from __future__ import annotations

import numpy as np
import pytest

from planner.simulation.scenario import Scenario
from protocol.errors import InvalidInput
from protocol.link import Link

SLOW = {"rtt_ms": 20, "up_mbps": 8, "down_mbps": 16}
LINK = Link(rtt_ms=20, up_bytes_per_ms=1000, down_bytes_per_ms=2000)


def scenario(**content) -> Scenario:
    return Scenario.from_json(content)


def stretches(timeline):
    return [(item.start, item.stop, item.link, item.one_by_one) for item in timeline.stretches()]


def test_nothing_happens_in_an_empty_scenario():
    timeline = scenario().timeline(10)
    assert stretches(timeline) == [(0, 10, None, False)]
    assert not timeline.away.any()


def test_a_link_lasts_until_the_next_one_whatever_their_order():
    faster = {"from_request": 7, "rtt_ms": 1, "up_mbps": 80, "down_mbps": 80}
    timeline = scenario(link=[faster, {"from_request": 3, **SLOW}]).timeline(10)
    assert [item[:2] for item in stretches(timeline)] == [(0, 3), (3, 7), (7, 10)]
    assert [item[2] for item in stretches(timeline)] == [None, LINK, Link(1, 10_000, 10_000)]
    assert timeline.link_at(2) is None and timeline.link_at(3) == LINK


def test_while_the_cloud_is_away_requests_are_served_one_by_one():
    timeline = scenario(cloud_away=[{"from_request": 2, "to_request": 5}]).timeline(8)
    assert timeline.away.tolist() == [False] * 2 + [True] * 3 + [False] * 3
    assert stretches(timeline) == [(0, 2, None, False), (2, 5, None, True), (5, 8, None, False)]


def test_in_a_burst_requests_are_apart_by_its_time():
    timeline = scenario(burst=[{"from_request": 4, "requests": 3, "every_ms": 10}]).timeline(9)
    assert np.flatnonzero(~np.isnan(timeline.gaps_ms)).tolist() == [5, 6]
    assert timeline.gaps_ms[5:7].tolist() == [10, 10]
    assert stretches(timeline) == [(0, 4, None, False), (4, 7, None, True), (7, 9, None, False)]


def test_times_count_where_all_arrivals_are_known():
    content = {"arrivals": {"every_ms": 100}, "link": [{"from_s": 0.5, **SLOW}]}
    assert scenario(**content).timeline(10).link_at(5) == LINK
    assert scenario(**content).timeline(10).link_at(4) is None


def test_a_burst_makes_what_follows_come_earlier():
    burst = {"from_request": 0, "requests": 6, "every_ms": 10}
    away = {"from_s": 0.2, "to_s": 10}
    timeline = scenario(arrivals={"every_ms": 100}, burst=[burst], cloud_away=[away]).timeline(10)
    assert np.flatnonzero(timeline.away).tolist() == [7, 8, 9]  # arrivals: 0, 10, …, 50, 150, 250, …


def test_what_begins_after_the_last_request_never_happens():
    content = {
        "link": [{"from_request": 50, **SLOW}],
        "cloud_away": [{"from_request": 8, "to_request": 99}],
        "burst": [{"from_request": 99, "requests": 3, "every_ms": 1}],
    }
    timeline = scenario(**content).timeline(10)
    assert stretches(timeline) == [(0, 8, None, False), (8, 10, None, True)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"links": []}, "there is no 'links'"),
        ({"link": {}}, "link must be a list"),
        ({"link": [3]}, "link 1 must be an object"),
        ({"link": [SLOW]}, "link 1 needs either from_request or from_s"),
        ({"link": [{"from_request": 1, "from_s": 2, **SLOW}]}, "needs either"),
        ({"link": [{"from_request": -1, **SLOW}]}, "from_request must be 0 or more, not -1"),
        ({"link": [{"from_request": 1.5, **SLOW}]}, "from_request"),
        ({"link": [{"from_request": True, **SLOW}]}, "from_request"),
        ({"link": [{"from_request": 1, "rtt_ms": 1, "up_mbps": 1}]}, "down_mbps"),
        ({"link": [{"from_request": 1, **SLOW, "up_mbps": 0}]}, "up_mbps must be above 0"),
        ({"link": [{"from_request": 1, **SLOW, "rtt_ms": -2}]}, "rtt_ms must be 0 or more, not -2"),
        ({"link": [{"from_request": 1, **SLOW, "rate": 1}]}, "there is no 'rate'"),
        ({"link": [{"from_request": 1, **SLOW}, {"from_request": 1}]}, "link 2"),
        ({"cloud_away": [{"from_request": 5}]}, "to_request"),
        ({"cloud_away": [{"from_request": 5, "to_request": 5}]}, "ends before it begins"),
        ({"burst": [{"from_request": 5, "requests": 1, "every_ms": 1}]}, "requests must be 2 or more"),
        ({"burst": [{"from_request": 5, "requests": 5, "every_ms": "1"}]}, "every_ms"),
        ({"burst": [{"from_request": 5, "requests": 5}]}, "every_ms"),
        ({"arrivals": 5}, "arrivals must be an object"),
        ({"arrivals": {"every_ms": -1}}, "every_ms must be 0 or more"),
        ({"arrivals": {"every_ms": float("nan")}}, "every_ms"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_in_one_line(content, told):
    with pytest.raises(InvalidInput) as refusal:
        Scenario.from_json(content, what="storm.toml")
    assert told in str(refusal.value)
    assert str(refusal.value).startswith("storm.toml") and "\n" not in str(refusal.value)


def test_a_time_without_known_arrivals_is_refused():
    with pytest.raises(InvalidInput, match="from_s and to_s need"):
        scenario(link=[{"from_s": 1, **SLOW}]).timeline(10)
