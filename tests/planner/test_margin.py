import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.margin import Margin
from protocol.errors import InvalidInput


def after(margin: Margin, ratios, *, uses_cloud=True) -> Margin:
    for ratio in ratios:
        margin = margin.observe(uses_cloud=uses_cloud, predicted_ms=100.0, observed_ms=100.0 * ratio)
    return margin


def test_before_any_request_the_start_value_holds():
    margin = Margin(start=1.2)

    assert (margin.cloud, margin.edge) == (1.2, 1.2)


def test_the_groups_learn_apart():
    margin = after(Margin(start=1.1), [1.5] * 30)

    assert margin.cloud == pytest.approx(1.5)
    assert margin.edge == pytest.approx(1.1)


def test_a_single_straggler_does_not_move_it():
    margin = after(Margin(quantile=0.95), [1.0] * 50 + [30.0])

    assert margin.cloud == pytest.approx(1.0)


def test_predictions_that_are_too_long_do_not_shorten_deadlines():
    margin = after(Margin(), [0.4] * 50)

    assert margin.cloud == 1.0


def test_few_observations_only_nudge_the_start_value():
    margin = after(Margin(start=1.1, prior=20, quantile=0.5), [2.0] * 3)

    assert margin.cloud == pytest.approx(1.1)


def test_what_was_long_ago_is_forgotten():
    margin = after(after(Margin(window=50), [3.0] * 50), [1.0] * 50)

    assert margin.cloud == 1.0


def test_a_group_that_is_not_chosen_any_more_gets_another_try():
    margin = after(Margin(window=40, start=1.1), [3.0] * 40)

    margin = after(margin, [1.0] * 40, uses_cloud=False)

    assert margin.cloud == pytest.approx(1.1)


def test_an_outage_does_not_stretch_it_beyond_the_ceiling():
    margin = after(Margin(ceiling=4.0), [1000.0] * 100)

    assert margin.cloud == 4.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1e6)), max_size=60))
def test_the_factors_stay_between_one_and_the_ceiling(observations):
    margin = Margin(window=20)
    for uses_cloud, observed_ms in observations:
        margin = margin.observe(uses_cloud=uses_cloud, predicted_ms=10.0, observed_ms=observed_ms)

    assert 1 <= margin.cloud <= margin.ceiling
    assert 1 <= margin.edge <= margin.ceiling
    assert len(margin.ratios) <= 20


@given(st.lists(st.floats(0.1, 3.9), min_size=20, max_size=20))
def test_the_factor_covers_its_share_of_the_window(ratios):
    margin = after(Margin(window=20, quantile=0.9), ratios)

    assert sum(ratio <= margin.cloud * (1 + 1e-12) for ratio in ratios) >= 18


@pytest.mark.parametrize(
    ("predicted_ms", "observed_ms"), [(0.0, 1.0), (-1.0, 1.0), (1.0, float("nan")), (1.0, float("inf"))]
)
def test_nothing_is_learned_from_figures_that_cannot_be(predicted_ms, observed_ms):
    with pytest.raises(InvalidInput, match="cannot learn"):
        Margin().observe(uses_cloud=True, predicted_ms=predicted_ms, observed_ms=observed_ms)


@pytest.mark.parametrize(
    "settings", [{"quantile": 0}, {"quantile": 1.1}, {"window": 0}, {"start": 0.9}, {"start": 5.0, "ceiling": 4.0}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(InvalidInput, match="margin"):
        Margin(**settings)
