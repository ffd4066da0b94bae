"""What the agent learns from its traffic, seen in what it chooses."""

from __future__ import annotations

import pytest

from edge.requests.learning import Learner, Lesson
from edge.tables.networks import Plan
from planner.choosing.strategies import DYNASPLIT, Request, choose
from protocol.configuration import Account
from protocol.measurement import Cost

OPERATOR = "operator-token"
FASTEST = {"strategy": "fastest"}
COST = Cost(50.0, 0.0, 0.0, 60.0, 0, 0, 200.0, 0.0, 0.0, 0.0)


def chosen_cut(serving, inputs, reply_of) -> int:
    return reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["configuration"]["cut"]


def test_a_link_that_became_slow_keeps_requests_on_the_device_until_it_is_forgotten(serving, digits, inputs, reply_of):
    assert chosen_cut(serving, inputs, reply_of) == 0
    serving.cloud.transfer_ms = 500.0
    cuts = [chosen_cut(serving, inputs, reply_of) for _ in range(20)]
    assert cuts[-1] == digits.manifest.operator_count
    serving.cloud.transfer_ms = 5.0
    serving.clock.sleep(61.0)
    assert chosen_cut(serving, inputs, reply_of) == 0


def test_predictions_follow_the_link(serving, inputs, reply_of):
    serving.cloud.transfer_ms = 20.0
    for _ in range(10):
        said = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters
    assert said["predicted_ms"] == pytest.approx(said["latency_ms"], rel=0.1)


@pytest.mark.exhaustive
def test_a_cloud_that_fails_teaches_nothing_about_the_link(serving, inputs, reply_of):
    for _ in range(60):
        serving.infer(inputs, FASTEST, token=OPERATOR)
    before = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["predicted_ms"]
    serving.cloud.transfer_ms = 20_000.0
    assert reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["fallback"]
    serving.cloud.transfer_ms = 5.0
    after = reply_of(serving.infer(inputs, FASTEST, token=OPERATOR)).parameters["predicted_ms"]
    assert after == pytest.approx(before, rel=0.02)


@pytest.mark.exhaustive
def test_tight_deadlines_are_met_by_the_margin_that_slow_answers_teach(serving, inputs, reply_of):
    serving.cloud.cloud_ms = 12.0
    for _ in range(60):
        serving.infer(inputs, FASTEST, token=OPERATOR)
    response = serving.infer(inputs, {"deadline_ms": 12, "late": "reject"})
    assert response.status_code == 503


def learned(serving) -> dict:
    (stats,) = serving.client.get("/v2/models/digits/stats").get_json()["model_stats"]
    return stats["dynasplit"]


def test_what_is_served_as_chosen_teaches_and_a_fallback_does_not(serving, inputs):
    serving.infer(inputs)
    serving.cloud.transfer_ms = 20_000.0
    serving.infer(inputs, FASTEST, token=OPERATOR)
    assert learned(serving)["learned_from"] == 1


def test_a_new_table_starts_anew(serving, inputs, digits, table_for):
    serving.infer(inputs)
    serving.push(table_for(digits, version=2))
    assert learned(serving)["learned_from"] == 0


@pytest.mark.exhaustive
def test_a_device_that_became_slow_is_reported_once_as_a_reason_to_profile(
    serving, inputs, digits, table_for, row, caplog
):
    halved = [row(cut, digits, head_ms=20.0) for cut in digits.manifest.cuts[-1:]]
    serving.push(table_for(digits, version=2, rows=tuple(halved)))
    for _ in range(205):
        serving.infer(inputs)
    (drifted,) = [each for each in learned(serving)["drift"] if each["figure"] == "head_ms"]
    assert drifted["ratio"] > 1.5 and drifted["requests"] >= 200
    assert caplog.text.count("the device's time has been") == 1
    assert "profile the device again" in caplog.text


class Tiring:
    """A board that takes its time to change the clock."""

    def __init__(self, board, clock) -> None:
        self._board, self._clock = board, clock

    def __getattr__(self, name):
        return getattr(self._board, name)

    def apply(self, **wanted):
        self._clock.sleep(0.1)
        return self._board.apply(**wanted)


def test_the_time_that_a_change_of_clock_takes_is_planned_for_and_not_blamed_on_the_row(
    make_device, digits, inputs, table_for, row, reply_of
):
    device = make_device(board=Tiring)
    device.source.add(digits)
    last = digits.manifest.cuts[-1]
    slow, fast = row(last, digits, cpu_khz=600_000, head_ms=180.0, head_mj=100.0), row(last, digits)
    device.push(table_for(digits, rows=(slow, fast)))

    def served(deadline_ms: float) -> dict:
        said = reply_of(device.infer(inputs, {"deadline_ms": deadline_ms})).parameters
        return {**said, "mhz": said["configuration"]["cpu_khz"] // 1000}

    served(2000), served(100)
    after_a_change, steady = served(2000), served(2000)
    assert (after_a_change["mhz"], steady["mhz"]) == (600, 600)
    assert steady["predicted_ms"] == pytest.approx(after_a_change["predicted_ms"] - 100, rel=0.05)
    tight_ms = steady["predicted_ms"] + 60
    assert served(tight_ms)["mhz"] == 600
    device.infer(inputs, {"configuration": fast.configuration.to_json()}, token=OPERATOR)
    assert served(tight_ms)["mhz"] == 1800, "from here the slow row would come too late, by the change of the clock"


def test_what_is_not_known_of_a_row_counts_only_where_that_is_wanted(digits, table_for):
    plan = Plan.of(table_for(digits), digits)
    hoping, sure = (Learner(tries=tries).candidates(plan, 0.0).expected(Account.EDGE_NODE) for tries in (True, False))
    assert (hoping.hoped_mj < hoping.energy_mj).all()
    assert (sure.hoped_mj == sure.energy_mj).all()


def test_what_is_worked_out_after_an_answer_serves_the_next_decision(digits, table_for):
    plan, learner = Plan.of(table_for(digits), digits), Learner()
    first = learner.candidates(plan, 0.0)
    lesson = Lesson(first, choose(DYNASPLIT, first, Request()), None, COST, took_ms=60.0)
    learner.observe(plan, lesson)
    learner.catch_up(plan, 0.0, cloud_available=True)

    then = learner.candidates(plan, 0.0, cloud_available=True)

    assert then.experience.requests == 1
    assert learner.candidates(plan, 0.0, cloud_available=True) is then
    assert learner.candidates(plan, 0.0, cloud_available=False) is not then


def test_a_lesson_changes_the_prices_of_the_next_request_also_where_nobody_caught_up(digits, table_for):
    plan, learner = Plan.of(table_for(digits), digits), Learner()
    before = learner.candidates(plan, 0.0)
    learner.observe(plan, Lesson(before, choose(DYNASPLIT, before, Request()), None, COST, took_ms=60.0))
    assert learner.candidates(plan, 0.0).experience.requests == 1


def test_a_new_table_of_the_same_network_has_its_own_prices(digits, table_for):
    learner, old, new = Learner(), *(Plan.of(table_for(digits, version=version), digits) for version in (1, 2))
    assert learner.candidates(old, 0.0).parts is old.candidates.parts
    assert learner.candidates(new, 0.0).parts is new.candidates.parts
