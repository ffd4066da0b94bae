import numpy as np
import pytest

from planner.costs import gaussian
from planner.costs.gaussian import Variances

RNG = np.random.default_rng(3)


def some_covariance(count):
    alike = RNG.normal(size=(count, 6))
    return alike @ alike.T


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 131])
def test_what_the_others_say_is_what_a_fit_without_it_says(count):
    covariance, observed, noise = some_covariance(count), RNG.normal(size=count), 0.1
    fitted = gaussian.fitted(observed, covariance, Variances((1.0,), noise), doubted=np.zeros(count, dtype=bool))

    off, deviation = fitted.without_itself

    for place in {0, count // 2, count - 1}:
        others = np.arange(count) != place
        weights = np.linalg.solve(
            covariance[np.ix_(others, others)] + noise * np.eye(count - 1), covariance[others, place]
        )
        assert off[place] == pytest.approx(observed[place] - weights @ observed[others], abs=1e-8)
        left = covariance[place, place] - weights @ covariance[others, place]
        assert deviation[place] == pytest.approx(np.sqrt(left + noise), rel=1e-6)


def test_points_are_as_sure_as_the_observations_make_them():
    covariance, observed = some_covariance(80), RNG.normal(size=80)
    fitted = gaussian.fitted(observed, covariance, Variances((1.0,), 0.1), doubted=np.zeros(80, dtype=bool))

    own = np.diag(covariance)
    explained = np.einsum("ij,ji->i", covariance, np.linalg.solve(covariance + 0.1 * np.eye(80), covariance))

    np.testing.assert_allclose(
        fitted.deviation(covariance, own), fitted.stretch * np.sqrt(own - explained + 0.1), rtol=1e-6
    )


def test_a_covariance_that_rounding_made_indefinite_is_fitted_all_the_same():
    twins = np.ones((70, 70)) - 1e-9 * np.eye(70)

    fitted = gaussian.fitted(np.full(70, 0.5), twins, Variances((1.0,), 1e-10), doubted=np.zeros(70, dtype=bool))

    assert fitted.mean(twins) == pytest.approx(0.5, abs=1e-6)
    assert np.isfinite(fitted.deviation(twins, np.ones(70))).all()


def test_who_is_far_off_is_doubted_and_pulls_little():
    observed = np.array([0.0, 0.01, -0.01, 0.0, 3.0])

    fitted = gaussian.fitted(observed, np.ones((5, 5)), Variances((1.0,), 1e-4))

    assert abs(fitted.mean(np.ones((1, 5)))[0]) < 0.02


def test_an_effect_that_the_data_do_not_show_vanishes():
    groups = (np.arange(40)[:, None] // 10 == np.arange(40) // 10) * 1.0
    observed = np.repeat([-0.3, 0.1, 0.2, 0.4], 10) + RNG.normal(scale=0.01, size=40)

    found = gaussian.learned(observed, [np.ones((40, 40)), groups, np.eye(40)], fixed={0: 4.0})

    assert found.effects[1] >= 1e-2
    assert found.effects[2] + found.noise <= 2e-3
