import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.learning.experience import Experience, Observed
from planner.pricing import Parts, price
from protocol.configuration import Account, CloudAccelerator, Configuration, EdgeAccelerator
from protocol.errors import InvalidInput
from protocol.link import Link
from protocol.table import Row

LINK = Link(rtt_ms=2.0, up_bytes_per_ms=100.0, down_bytes_per_ms=100.0)
CLOUD, SPLIT, SPLIT_ON_TPU, EDGE, UNTRIED = range(5)
NODE = Account.EDGE_NODE


def row(
    cut: int, head_ms: float, *, tpu: EdgeAccelerator = EdgeAccelerator.OFF, uncertainty: float | None = None
) -> Row:
    sends = cut < 9
    stated = (
        {} if uncertainty is None else dict.fromkeys(("head_ms", "cloud_ms", "head_mj", "cloud_node_mj"), uncertainty)
    )
    return Row(
        configuration=Configuration(cut, 1_800_000, tpu, CloudAccelerator.CPU),
        head_ms=head_ms, head_mj=4 * head_ms, wait_w=2.0 if sends else 0.0,
        up_bytes=800 * sends, down_bytes=0, cloud_ms=40.0 * sends, cloud_node_mj=4000.0 * sends,
        cloud_active_mj=100.0 if sends else None, accuracy=None, uncertainty=stated,
    )  # fmt: skip


TABLE = (row(0, 1.0), row(5, 50.0), row(5, 10.0, tpu=EdgeAccelerator.MAX), row(9, 100.0), row(7, 70.0))
WAITING_MS = 50.0


@pytest.fixture
def fresh() -> Experience:
    return Experience.of(Parts.of(TABLE))


def observed(
    place: int, times: int, *, head: float = 1.0, waiting: float = 1.0, deadline_ms: float = math.inf
) -> Observed:
    """A row so many times, each with the same ratio of observed to predicted."""
    item, ones = TABLE[place], np.ones(times)
    sends = item.uses_cloud
    return Observed(
        rows=np.full(times, place),
        deadlines_ms=deadline_ms * ones,
        head_ms=item.head_ms * head * ones,
        waiting_ms=WAITING_MS * waiting * ones if sends else np.nan * ones,
        edge_mj=(item.head_mj * head + sends * 2 * WAITING_MS * waiting) * ones,
        cloud_mj=item.cloud_node_mj * waiting * ones if sends else np.nan * ones,
    )


def one_by_one(experience: Experience, times: int, place: int, **ratios) -> Experience:
    for _ in range(times):
        experience = experience.after(observed(place, 1, **ratios), LINK)
    return experience


def test_before_any_request_prices_stand_and_latencies_are_guarded(fresh):
    expected, prices = fresh.expected(LINK, NODE), price(TABLE, LINK, NODE)

    assert expected.latency_ms == pytest.approx(prices.latency_ms)
    assert expected.energy_mj == pytest.approx(prices.energy_mj)
    assert np.all(expected.guarded_ms > expected.latency_ms * 1.05)


def test_what_a_row_states_of_its_uncertainty_sets_its_first_guard():
    sure, unsure = (
        Experience.of(Parts.of([row(9, 100.0, uncertainty=share)])).expected(LINK, NODE) for share in (0.005, 0.05)
    )

    assert sure.guarded_ms[0] < 104
    assert unsure.guarded_ms[0] > 114


def test_a_row_that_always_takes_as_long_as_predicted_is_soon_trusted(fresh):
    known = fresh.after(observed(EDGE, 300), LINK).expected(LINK, NODE)

    assert 100 <= known.guarded_ms[EDGE] < 101


def test_longer_heads_on_the_cpu_say_nothing_of_the_tpu_nor_of_the_cloud(fresh):
    known = one_by_one(fresh, 60, EDGE, head=1.5).expected(LINK, NODE)
    start = fresh.expected(LINK, NODE)

    assert known.latency_ms[EDGE] == pytest.approx(150, rel=0.05)
    assert known.latency_ms[[CLOUD, SPLIT_ON_TPU]] == pytest.approx(start.latency_ms[[CLOUD, SPLIT_ON_TPU]])


def test_a_slow_cloud_shows_on_all_rows_that_use_it(fresh):
    slow = fresh
    for place in (CLOUD, SPLIT, SPLIT_ON_TPU):
        slow = one_by_one(slow, 20, place, waiting=2.0)
    known, start = slow.expected(LINK, NODE), fresh.expected(LINK, NODE)

    assert known.latency_ms[CLOUD] == pytest.approx(101, rel=0.05)
    assert known.latency_ms[UNTRIED] > start.latency_ms[UNTRIED] + 30
    assert known.latency_ms[EDGE] == start.latency_ms[EDGE]


def test_a_change_is_followed_within_a_few_dozen_requests(fresh):
    usual = fresh.after(observed(EDGE, 3000), LINK)

    hot = one_by_one(usual, 60, EDGE, head=1.3)

    assert hot.expected(LINK, NODE).guarded_ms[EDGE] > 125


def test_energy_that_was_told_corrects_what_is_expected(fresh):
    known = one_by_one(fresh, 100, CLOUD, waiting=1.5).expected(LINK, NODE)

    assert known.energy_mj[CLOUD] == pytest.approx(4 + 2 * 75 + 6000, rel=0.03)


def test_late_answers_that_were_promised_in_time_widen_the_guard_and_others_narrow_it(fresh):
    late = fresh.after(observed(EDGE, 1, head=1.4, deadline_ms=130.0), LINK)
    loose = fresh.after(observed(EDGE, 1, head=1.4, deadline_ms=1e4), LINK)
    hopeless = fresh.after(observed(EDGE, 1, head=1.4, deadline_ms=90.0), LINK)

    assert late.stretch[0] == pytest.approx(fresh.stretch[0] + 0.5, abs=0.01)
    assert loose.stretch[0] < fresh.stretch[0]
    assert hopeless.stretch[0] == fresh.stretch[0]


@pytest.mark.exhaustive
def test_in_the_long_run_the_wanted_share_of_tight_requests_is_late():
    rng, wanted = np.random.default_rng(1), 0.05
    experience = Experience.of(Parts.of(TABLE), violation_rate=wanted)
    late = []
    for _ in range(4000):
        deadline_ms = float(experience.expected(LINK, NODE).guarded_ms[EDGE])
        seen = observed(EDGE, 1, head=float(np.exp(0.03 * rng.standard_t(3))), deadline_ms=deadline_ms)
        late.append(seen.head_ms[0] > deadline_ms)
        experience = experience.after(seen, LINK)

    assert np.mean(late[1000:]) == pytest.approx(wanted, rel=0.3)


def test_a_stricter_rate_guards_more():
    loose, strict = (Experience.of(Parts.of(TABLE), violation_rate=rate) for rate in (0.05, 0.001))

    assert np.all(strict.expected(LINK, NODE).guarded_ms > loose.expected(LINK, NODE).guarded_ms)


def test_what_is_unknown_teaches_nothing(fresh):
    unknown = Observed(np.array([EDGE]), np.array([np.inf]), *np.full((4, 1), np.nan))

    known = fresh.after(unknown, LINK)

    assert known.expected(LINK, NODE).latency_ms == pytest.approx(fresh.expected(LINK, NODE).latency_ms)
    assert known.requests == 1


def test_an_experience_is_a_value(fresh):
    before = fresh.expected(LINK, NODE).latency_ms.copy()

    fresh.after(observed(EDGE, 50, head=2.0), LINK)

    assert np.array_equal(fresh.expected(LINK, NODE).latency_ms, before)


def test_one_wild_outlier_is_not_believed(fresh):
    usual = fresh.after(observed(EDGE, 200), LINK)

    known = usual.after(observed(EDGE, 1, head=1e6), LINK).expected(LINK, NODE)

    assert known.latency_ms[EDGE] < 105


@pytest.mark.parametrize("rate", [0.0, 0.5, -1.0, math.nan])
def test_a_rate_that_makes_no_sense_is_refused(rate):
    with pytest.raises(InvalidInput, match="violation_rate"):
        Experience.of(Parts.of(TABLE), violation_rate=rate)


ratios = st.floats(0.2, 5.0)


@given(st.lists(st.tuples(st.sampled_from([CLOUD, SPLIT, SPLIT_ON_TPU, EDGE]), ratios, ratios), max_size=12))
def test_expectations_stay_sound_whatever_happens(history):
    experience = Experience.of(Parts.of(TABLE))
    for place, head, waiting in history:
        experience = experience.after(observed(place, 1, head=head, waiting=waiting, deadline_ms=120.0), LINK)

    slow = Link(LINK.rtt_ms * 3, LINK.up_bytes_per_ms / 3, LINK.down_bytes_per_ms / 3)
    now, slower = (experience.expected(link, NODE) for link in (LINK, slow))
    for expected in (now, slower):
        assert np.all(expected.guarded_ms >= expected.latency_ms)
        assert np.all(np.isfinite(expected.guarded_ms))
        assert np.all(expected.energy_mj > 0)
    assert np.all(slower.latency_ms >= now.latency_ms)
    assert np.all(slower.guarded_ms >= now.guarded_ms)
    assert np.all(slower.energy_mj >= now.energy_mj)
