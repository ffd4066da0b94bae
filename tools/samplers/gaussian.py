"""Gaussian processes on log latency and log energy, for the method `gp`.

What is suggested next has the highest expected hypervolume improvement (Emmerich, Giannakoglou and Naujoks, 2006) of
all configurations that were not tried yet. The expectation is taken over draws from both processes (Daulton,
Balandat and Bakshy, 2020), with the same draws for all configurations.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from planner.hypervolume import improvements
from planner.pricing import Floats
from protocol.configuration import Configuration
from tools.samplers.parameters import Parameters

STARTUP_TRIALS = 10
DRAWS = 32
REFIT_EVERY = 5
"""The kernels' parameters are fitted anew after so many trials; between them only the data grow."""


class GaussianSampler(BaseSampler):
    """An Optuna sampler for two objectives above 0 over a space that can be listed. Random for the first trials."""

    def __init__(self, parameters: Parameters, *, seed: int) -> None:
        self._parameters = parameters
        self._random = RandomSampler(seed=seed)
        self._rng = np.random.default_rng(seed)
        self._kernels: list[Any] = [_kernel(parameters), _kernel(parameters)]
        self._fitted_at = 0

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        del study, trial
        return self._parameters.distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        trials = [item for item in study.get_trials(deepcopy=False) if item.number != trial.number and item.params]
        done = [item for item in trials if item.state is TrialState.COMPLETE]
        tried = {self._parameters.configuration(item.params) for item in trials}
        places = [place for place, item in enumerate(self._everything) if item not in tried]
        if len(done) < STARTUP_TRIALS or not places or not search_space:
            return {}
        best = places[int(self._expected_improvements(done, places).argmax())]
        return self._parameters.choice(self._everything[best])

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    @cached_property
    def _everything(self) -> list[Configuration]:
        return list(self._parameters.space.configurations())

    @cached_property
    def _features(self) -> Floats:
        return np.array([features(self._parameters, item) for item in self._everything])

    def _expected_improvements(self, done: Sequence[FrozenTrial], places: Sequence[int]) -> Floats:
        """For each of the places in the space, the expected hypervolume improvement over what is done."""
        known = np.array([features(self._parameters, self._parameters.configuration(item.params)) for item in done])
        figures = np.log([item.values for item in done])
        scaled = (figures - figures.mean(axis=0)) / np.maximum(figures.std(axis=0), 1e-9)
        draws = [
            mean[:, None] + deviation[:, None] * normal
            for (mean, deviation), normal in zip(self._predicted(known, scaled, places), self._normals(), strict=True)
        ]
        corner = scaled.max(axis=0) + 0.1 * np.ptp(scaled, axis=0)
        gains: Floats = improvements(np.stack(draws, axis=-1), front=scaled, reference=corner).mean(axis=1)
        return gains

    def _predicted(self, known: Floats, scaled: Floats, places: Sequence[int]) -> list[tuple[Floats, Floats]]:
        refit = len(known) >= self._fitted_at + REFIT_EVERY or not self._fitted_at
        found = []
        for axis, kernel in enumerate(self._kernels):
            process = GaussianProcessRegressor(kernel, optimizer="fmin_l_bfgs_b" if refit else None)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                process.fit(known, scaled[:, axis])
            self._kernels[axis] = process.kernel_
            found.append(process.predict(self._features[places], return_std=True))
        if refit:
            self._fitted_at = len(known)
        return found

    def _normals(self) -> Floats:
        """Draws [2, 2 DRAWS] of a standard normal, each with its opposite, so that their mean is 0."""
        half = self._rng.standard_normal((2, DRAWS))
        return np.concatenate((half, -half), axis=1)


def features(parameters: Parameters, configuration: Configuration) -> list[float]:
    """A configuration as figures between 0 and 1: ordered dimensions by place, one figure for each other choice."""
    chosen: Mapping[str, Any] = parameters.choice(configuration)
    found: list[float] = []
    for name, distribution in parameters.distributions.items():
        value = distribution.to_internal_repr(chosen[name])
        if isinstance(distribution, optuna.distributions.CategoricalDistribution):
            found += [float(place == value) for place in range(len(distribution.choices))]
        elif isinstance(distribution, optuna.distributions.IntDistribution):
            found.append(value / distribution.high)
    ends = (0, parameters.space.edge_only_cut)
    return [*found, *(float(configuration.cut == end) for end in ends)]


def _kernel(parameters: Parameters) -> Any:
    count = len(features(parameters, next(parameters.space.configurations())))
    smooth = Matern(length_scale=np.ones(count), length_scale_bounds=(0.05, 20.0), nu=2.5)
    return ConstantKernel(1.0, (0.05, 20.0)) * smooth + WhiteKernel(1e-3, (1e-6, 0.5))
