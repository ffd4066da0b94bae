from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.averages import rows_by_configuration
from planner.choosing.order import UNHURRIED_S
from planner.searching.campaign import Aim, exhaustive
from planner.simulation.contest import BASELINES, STRATEGIES, Contest, summary
from planner.simulation.knowledge import of_all, of_campaign
from planner.simulation.lessons import LARGEST_CHUNK, chunk_size
from planner.simulation.replay import Recording, Residuals
from planner.simulation.scenario import Scenario
from planner.simulation.served import Workload
from planner.space import Space
from protocol.configuration import Account, Configuration
from protocol.errors import InvalidInput

LAST = 6
SPACE = Space(cuts=tuple(range(LAST + 1)), clocks_khz=(600_000, 1_200_000, 1_800_000))
FACTORS = (1.0, 1.03, 0.98, 1.0, 1.4)
SAME_WORLD = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=settings.default.max_examples // 10,
    deadline=None,
)


def jittered(measurements, factors=FACTORS):
    """Several trials of each configuration, some slower than others."""
    figures = ("head_ms", "transfer_ms", "cloud_ms", "latency_ms", "head_mj", "wait_mj", "cloud_node_mj")
    for item in measurements:
        for factor in factors:
            scaled = {name: getattr(item.cost, name) * factor for name in figures}
            yield replace(item, cost=replace(item.cost, **scaled))


def contest_of(measurements, **changes) -> Contest:
    trials = list(measurements)
    recording = Recording.of(trials)
    content = {
        "recording": recording,
        "world": recording,
        "table": of_all(trials, SPACE).rows,
        "recorded": list(rows_by_configuration(trials).values()),
        "link": trials[0].link,
    }
    return Contest(**content | changes)


@pytest.fixture
def contest(world) -> Contest:
    return contest_of(jittered(world.measure(SPACE.configurations())))


def workload(requests: int = 300, seed: int = 1, *, shortest_ms: float = 30.0, mean_ms: float = 60.0) -> Workload:
    rng = np.random.default_rng(seed)
    return Workload.of(shortest_ms + rng.exponential(mean_ms, requests), rng)


def configurations(contest, served) -> list[Configuration]:
    return [contest.recording.configurations[row] for row in served.rows]


def late(served, asked) -> np.ndarray:
    return served.latency_ms > asked.deadlines_ms


@SAME_WORLD
@given(seed=st.integers(0, 1000), scattered=st.booleans(), shortest_ms=st.floats(1, 100))
def test_who_knows_the_future_is_never_beaten(contest, seed, scattered, shortest_ms):
    contest = replace(contest, world=Residuals.of(contest.recording)) if scattered else contest
    asked = workload(60, seed, shortest_ms=shortest_ms)
    best = contest.serve("oracle", asked)
    for strategy in STRATEGIES:
        other = contest.serve(strategy, asked)
        in_time = ~late(other, asked)
        assert not late(best, asked)[in_time].any()
        assert (best.energy_mj(Account.EDGE_NODE) <= other.energy_mj(Account.EDGE_NODE) + 1e-6)[in_time].all()


def test_what_is_yet_to_come_changes_no_decision(contest):
    asked = workload()
    changed = Workload(asked.deadlines_ms, np.concatenate([asked.luck[:200], 1 - asked.luck[200:]]))
    before, after = (contest.serve("dynasplit", one) for one in (asked, changed))
    assert (before.rows[:200] == after.rows[:200]).all()


@pytest.mark.exhaustive
def test_the_same_requests_with_the_same_luck_end_the_same(contest):
    for strategy in STRATEGIES:
        once, again = (contest.serve(strategy, workload(seed=7)) for _ in range(2))
        assert (once.rows == again.rows).all() and (once.latency_ms == again.latency_ms).all()


def test_only_what_was_recorded_can_be_chosen(world):
    seen = [item for item in SPACE.configurations() if item.cut in (0, 2, LAST)]
    contest = contest_of(world.measure(seen), table=of_all(world.measure(SPACE.configurations()), SPACE).rows)
    for strategy in STRATEGIES:
        assert set(configurations(contest, contest.serve(strategy, workload()))) <= set(seen)


def test_a_table_of_which_nothing_was_recorded_is_refused(world):
    contest = contest_of(world.measure([Configuration(0, 600_000), Configuration(LAST, 600_000)]))
    strange = [row for row in of_all(world.measure(SPACE.configurations()), SPACE).rows if row.configuration.cut == 3]
    with pytest.raises(InvalidInput, match="ever recorded"):
        replace(contest, table=strange).serve("dynasplit", workload())


def test_a_configuration_that_turns_out_slower_than_known_is_soon_left(world):
    """The table knows the cheapest configuration as just in time; it never is."""
    cheap, sure = Configuration(LAST, 1_800_000), Configuration(0, 1_800_000)
    known = world.measure([cheap, sure])
    real = [*jittered(known[:1], [1.3]), *known[1:]]
    contest = contest_of(real, table=of_all(known, SPACE).rows)
    deadlines_ms = np.full(1000, known[0].cost.latency_ms * 1.25)
    served = contest.serve("dynasplit", Workload.of(deadlines_ms, np.random.default_rng(1)))
    assert configurations(contest, served)[0] == cheap
    too_late = late(served, Workload(deadlines_ms, deadlines_ms))
    assert too_late.sum() < 30
    assert not too_late[300:].any()


def test_the_published_rule_keeps_no_margin_and_learns_nothing(world):
    cheap, sure = Configuration(LAST, 1_800_000), Configuration(0, 1_800_000)
    contest = contest_of(jittered(world.measure([cheap, sure]), [1.0, 1.0, 1.2]))
    deadlines_ms = np.full(300, contest.recording.median_ms.max() * 1.01)
    asked = Workload.of(deadlines_ms, np.random.default_rng(1))
    served = contest.serve("paper", asked)
    assert set(configurations(contest, served)) == {cheap}
    assert late(served, asked).mean() == pytest.approx(1 / 3, abs=0.1)


def test_baselines_are_what_their_names_say(contest):
    chosen = {name: configurations(contest, contest.serve(name, workload(5))) for name in BASELINES}
    assert set(chosen["cloud-only"]) == {Configuration(0, 1_800_000)}
    assert set(chosen["edge-only"]) == {Configuration(LAST, 1_800_000)}
    [saver] = set(chosen["energy-saver"])
    assert contest.recording.configurations.index(saver) == contest.recording.median_mj.argmin()


def test_hopeless_deadlines_are_counted(contest):
    lowest_ms = contest.recording.median_ms.min()
    assert contest.infeasible(np.array([lowest_ms - 1, lowest_ms, lowest_ms + 1, np.inf])) == 1


def test_chunks_begin_with_one_request_and_grow_to_a_limit():
    sizes = [chunk_size(served) for served in (0, 1, 15, 160, 10**9)]
    assert sizes == [1, 1, 1, 10, LARGEST_CHUNK]


def test_on_a_slow_link_dynasplit_leaves_the_cloud_one_request_later(world):
    contest = contest_of(world.measure([Configuration(0, 1_800_000), Configuration(LAST, 1_800_000)]))
    faster_ms = contest.recording.median_ms.min()
    contest = replace(contest, account=Account.EDGE)
    asked = Workload.of(np.full(40, np.inf), np.random.default_rng(1))
    slow = Scenario.from_json({"link": [{"from_request": 20, "rtt_ms": 60_000, "up_mbps": 1, "down_mbps": 1}]})
    cuts = [item.cut for item in configurations(contest, contest.serve("dynasplit", asked, slow))]
    assert cuts == [0] * 21 + [LAST] * 19, faster_ms


def test_a_changed_link_makes_outcomes_slower_for_all_who_use_it(contest):
    slow = Scenario.from_json({"link": [{"from_request": 0, "rtt_ms": 300, "up_mbps": 1, "down_mbps": 1}]})
    asked = workload(20)
    with_link, without = (contest.serve("cloud-only", asked, one) for one in (slow, None))
    assert (with_link.latency_ms > without.latency_ms + 290).all()
    assert (contest.serve("edge-only", asked, slow).latency_ms == contest.serve("edge-only", asked).latency_ms).all()


AWAY = Scenario.from_json({"cloud_away": [{"from_request": 10, "to_request": 30}]})


def test_while_the_cloud_is_away_requests_waste_time_and_end_on_the_device(contest):
    asked = workload(60, shortest_ms=2000.0)
    served = contest.serve("cloud-only", asked, AWAY)
    calm = contest.serve("cloud-only", asked)
    assert served.fallback[10:13].all() and not served.fallback[:10].any() and not served.fallback[30:].any()
    assert (served.latency_ms[served.fallback] > calm.latency_ms[served.fallback] + 10).all()
    assert (served.cloud_node_mj[served.fallback] == 0).all()


def test_after_some_failures_the_cloud_is_not_asked_for_a_while(contest):
    served = contest.serve("cloud-only", workload(60), AWAY)
    assert 3 <= served.fallback.sum() < 10
    assert {item.cut for item in configurations(contest, served)[14:20]} == {LAST}


def test_once_the_cloud_is_back_it_is_used_again(contest):
    asked = workload(3000)
    served = contest.serve("cloud-only", asked, AWAY)
    assert {item.cut for item in configurations(contest, served)[-1000:]} == {0}


def test_who_knows_the_future_does_not_ask_a_cloud_that_is_away(contest):
    assert not contest.serve("oracle", workload(60), AWAY).fallback.any()


def test_without_an_edge_only_run_an_outage_cannot_be_served(world):
    contest = contest_of(world.measure([Configuration(0, 600_000), Configuration(3, 600_000)]))
    with pytest.raises(InvalidInput, match="no edge-only run"):
        contest.serve("cloud-only", workload(60), AWAY)


def test_in_a_burst_requests_wait_for_each_other(contest):
    burst = Scenario.from_json({"burst": [{"from_request": 10, "requests": 20, "every_ms": 1}]})
    asked = Workload.of(np.full(60, np.inf), np.random.default_rng(1))
    waiting, calm = (contest.serve("edge-only", asked, one) for one in (burst, None))
    assert (np.diff(waiting.latency_ms[10:30]) > 0).all()
    assert waiting.latency_ms[10] == calm.latency_ms[10]
    assert waiting.latency_ms[30:] == pytest.approx(calm.latency_ms[30:])


TOGETHER = {"from_request": 0, "requests": 4, "every_ms": 0}


def test_the_earliest_deadline_goes_first_and_none_last_and_equals_as_they_came(world):
    contest = contest_of(world.measure([Configuration(LAST, 1_800_000)]))
    asked = Workload.of(np.array([np.inf, 900.0, 300.0, 300.0]), np.random.default_rng(1))
    served = contest.serve("edge-only", asked, Scenario.from_json({"burst": [TOGETHER]}))
    assert np.argsort(served.latency_ms).tolist() == [2, 3, 1, 0]


def test_who_has_no_deadline_gets_its_turn_under_a_steady_load(world):
    """Requests that have to be answered in time keep coming a little faster than they can be served; the first has no deadline."""
    contest = contest_of(world.measure([Configuration(LAST, 1_800_000)]))
    one_ms = float(contest.recording.median_ms[0])
    many = int(3 * UNHURRIED_S * 1e3 / one_ms)
    asked = Workload.of(np.array([one_ms, np.inf, *np.full(many, 5e3)]), np.random.default_rng(1))
    served = contest.serve("edge-only", asked, Scenario.from_json({"arrivals": {"every_ms": 0.95 * one_ms}}))
    assert served.latency_ms[1] < UNHURRIED_S * 1e3


def test_who_has_waited_for_the_cloud_in_vain_takes_the_device_again_by_its_deadline(world):
    """While the first waits for a cloud that is away, the device works for others; those due later let it finish first."""
    contest = contest_of(world.measure([Configuration(0, 1_800_000), Configuration(LAST, 1_800_000)]))
    scenario = Scenario.from_json({"burst": [TOGETHER], "cloud_away": [{"from_request": 0, "to_request": 1}]})
    soon = Workload.of(np.array([400.0, 1e6, 1e6, 1e6]), np.random.default_rng(1))
    late = Workload.of(np.array([1e6, 400.0, 400.0, 400.0]), np.random.default_rng(1))
    first, last = (contest.serve("cloud-only", one, scenario) for one in (soon, late))
    assert first.fallback.tolist() == last.fallback.tolist() == [True, False, False, False]
    assert first.latency_ms[0] < 400.0
    assert last.latency_ms.argmax() == 0


def test_after_a_burst_whoever_comes_still_finds_those_who_wait(world):
    contest = contest_of(world.measure([Configuration(LAST, 1_800_000)]))
    one_ms = float(contest.recording.median_ms[0])
    asked = Workload.of(np.array([1e5, 1e5, 1e5, one_ms, 1e6, 1.0]), np.random.default_rng(1))
    served = contest.serve("edge-only", asked, Scenario.from_json({"burst": [TOGETHER]}))
    assert served.latency_ms / one_ms == pytest.approx([2, 3, 4, 1, 4, 1])


def in_a_rush(world, max_in_flight: int) -> tuple[np.ndarray, float]:
    """When 20 requests, one every millisecond, were answered by the cloud, and what one alone takes."""
    measured = world.measure([Configuration(0, 1_800_000), Configuration(LAST, 1_800_000)])
    contest = replace(contest_of(measured), max_in_flight=max_in_flight)
    asked = Workload.of(np.full(20, np.inf), np.random.default_rng(1))
    served = contest.serve("cloud-only", asked, Scenario.from_json({"arrivals": {"every_ms": 1}}))
    return served.latency_ms + np.arange(20), float(contest.serve("cloud-only", asked).latency_ms[0])


def test_one_at_a_time_who_waits_for_the_cloud_lets_the_others_wait(world):
    answered_ms, one_ms = in_a_rush(world, 1)
    assert answered_ms == pytest.approx(one_ms * np.arange(1, 21))


def test_two_at_a_time_the_next_one_starts_while_one_waits_for_the_cloud(world):
    answered_ms, one_ms = in_a_rush(world, 2)
    assert answered_ms[-1] < 0.6 * one_ms * 20
    assert (answered_ms[2:] >= answered_ms[:-2] + one_ms - 1e-9).all(), "never three together"


def test_who_is_decided_thinks_of_those_behind(world):
    """The cheapest row is in time for a request itself, but not for the ones that came right after it."""
    cheap, quick = world.measure([Configuration(LAST, 1_800_000), Configuration(0, 1_800_000)])
    contest = contest_of([cheap, quick])
    deadline_ms = cheap.cost.latency_ms * 1.2
    assert cheap.cost.latency_ms + 2 * quick.cost.latency_ms > deadline_ms
    asked = Workload.of(np.full(3, deadline_ms), np.random.default_rng(1))
    together = Scenario.from_json({"burst": [{"from_request": 0, "requests": 3, "every_ms": 0}]})
    calm, hurried = (contest.serve("dynasplit", asked, one) for one in (None, together))
    assert configurations(contest, calm)[0] == cheap.configuration
    assert configurations(contest, hurried)[0] == quick.configuration
    assert not late(hurried, asked).any()


def test_far_apart_nobody_waits(contest):
    apart = Scenario.from_json({"arrivals": {"every_ms": 10_000}})
    asked = workload(60)
    for strategy in ("edge-only", "cloud-only", "paper"):
        served = contest.serve(strategy, asked, apart)
        assert served.latency_ms == pytest.approx(contest.serve(strategy, asked).latency_ms)


def test_a_campaign_gives_no_more_than_was_recorded(world):
    seen = [item for item in SPACE.configurations() if item.cut in (0, 2, LAST)]
    known = of_campaign(world.measure(seen), SPACE, exhaustive, budget=8, aim=Aim(seed=3))
    assert known.asked == 8
    assert known.measured == 5  # three clocks of cut 0, none of cut 1, two of cut 2
    assert {row.configuration for row in known.rows} >= {item for item in seen if item.cut == 0}


def test_a_campaign_that_finds_nothing_is_refused(world):
    seen = world.measure([Configuration(LAST, 600_000)])
    with pytest.raises(InvalidInput, match="raise the budget"):
        of_campaign(seen, SPACE, exhaustive, budget=1, aim=Aim())


def test_above_idle_counts_only_where_it_was_recorded(world):
    unknown = world.but(idle_known=False).measure([Configuration(0, 600_000), Configuration(LAST, 600_000)])
    with pytest.raises(InvalidInput, match="edge_active"):
        contest_of(unknown, account=Account.EDGE_ACTIVE)
    known = contest_of(world.measure([Configuration(0, 600_000), Configuration(LAST, 600_000)]))
    served = replace(known, account=Account.EDGE_ACTIVE).serve("dynasplit", workload(5))
    assert (served.energy_mj(Account.EDGE_ACTIVE) > 0).all()


def test_a_summary_counts_what_happened(contest):
    asked = workload(100)
    served = contest.serve("dynasplit", asked)
    found = summary(served, asked, contest.recording.configurations, contest.account)
    assert found.requests == 100 == sum(found.decisions.values())
    assert found.violations == late(served, asked).sum()
    assert found.edge_node_mj == pytest.approx(served.edge_mj.sum() + served.cloud_node_mj.sum())
    counts = list(found.decisions.values())
    assert counts == sorted(counts, reverse=True)
