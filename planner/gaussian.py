"""Sums of random effects, fitted robustly: what a figure is where it was not measured, and how far off that may be.

A figure's logarithm is a sum of effects (of the cut, of the clock, of both together, …). Each effect is Gaussian with a
correlation that says for which configurations it is alike, and with a variance that is learned by maximum
likelihood. So an effect that the data do not show vanishes, and additive data are reproduced exactly. Noise is Student's
t with 4 degrees of freedom: what is far off weighs little (Lange, Little and Taylor 1989). (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006: chapters 2 and 5.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.pricing import Flags, Floats

_GRID = (1e-10, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Variances that an effect may have: from none (a spread of 0.001 %) to a factor of e."""
_SWEEPS = 2
_START, _START_NOISE = 1e-3, 1e-4
_FREEDOM = 4.0
_MOST = 64
"""Variances are learned from at most so many of the observations, evenly spread over them."""
_FEW = 20.0
"""Variances learned from so many observations are promised half of what comes: they were chosen to fit these few."""
_BORDER = 1e18
"""More than any sum of squares in the border of a covariance, so that it stays positive definite."""


@dataclass(frozen=True)
class Variances:
    """Of each effect, and of the noise."""

    effects: tuple[float, ...]
    noise: float


@dataclass(frozen=True, eq=False)
class Fitted:
    """Effects given observations: `pull` is what each observation, times its covariance with a point, adds there."""

    variances: Variances
    inverse: Floats
    pull: Floats
    weights: Floats
    blur: Floats
    stretch: float

    def mean(self, correlations: Sequence[Floats]) -> Floats:
        """At points, from their correlations with the observations, one matrix [points, observations] an effect."""
        found: Floats = _weighted(self.variances.effects, correlations) @ self.pull
        return found

    def deviation(self, correlations: Sequence[Floats], own: Sequence[Floats]) -> Floats:
        """The standard deviation of one more observation at each point; `own`: each effect's variance there, in units of
        what was learned."""
        covariance = _weighted(self.variances.effects, correlations)
        explained = np.einsum("ij,ij->i", covariance @ self.inverse, covariance)
        left = np.maximum(_weighted(self.variances.effects, own) - explained, 0.0)
        found: Floats = self.stretch * np.sqrt(left + self.variances.noise)
        return found

    @property
    def without_itself(self) -> tuple[Floats, Floats]:
        """How far each observation lies from what the others say, and the standard deviation that this should have."""
        precision = np.diag(self.inverse)
        noise = self.variances.noise
        told = np.maximum(1 / precision - noise * self.blur / self.weights, 0.0)
        return self.pull / precision, np.sqrt(told + noise)


def learned(
    observed: Floats,
    correlations: Sequence[Floats],
    *,
    fixed: Mapping[int, float],
    blur: Floats | None = None,
    noise: float | None = None,
    doubt: bool = True,
) -> Variances:
    """The likeliest variances, one after the other, the noise last; those in `fixed` (by the effect's position) stay.

    `blur`: factors of each observation's noise variance. `noise`: that variance where it is known. With `doubt` no single
    observation decides, since it may be wrong; without, a jump counts in full.
    """
    keep = _some(len(observed))
    scattered = np.diag(np.ones(len(keep)) if blur is None else blur[keep])
    parts = [*(matrix[np.ix_(keep, keep)] for matrix in correlations), scattered]
    values = [fixed.get(place, _START) for place in range(len(correlations))] + [noise or _START_NOISE]
    count = len(values) if noise is None else len(correlations)
    free = [place for place in range(count) if place not in fixed]
    for _ in range(_SWEEPS):
        for place in free:
            rest = _weighted(values, parts) - values[place] * parts[place]
            scored = [
                (_unlikelihood(observed[keep], rest + value * parts[place], doubt=doubt), value) for value in _GRID
            ]
            values[place] = min(scored)[1]
    return Variances(tuple(values[:-1]), values[-1])


def fitted(
    observed: Floats,
    correlations: Sequence[Floats],
    variances: Variances,
    *,
    weights: Floats | None = None,
    blur: Floats | None = None,
    doubted: Flags | None = None,
    rounds: int = 4,
) -> Fitted:
    """The effects given the observations, with the weights of those that may be `doubted` worked out anew in each round.

    An observation that nothing else speaks to shall not be doubted: whatever it says is news.
    """
    blur = np.ones(len(observed)) if blur is None else blur
    covariance = _weighted(variances.effects, correlations)
    weights = np.ones(len(observed)) if weights is None else weights
    for _ in range(rounds):
        noise = variances.noise * blur / weights
        inverse: Floats = np.asarray(np.linalg.inv(covariance + np.diag(noise)), dtype=np.float64)
        pull = inverse @ observed
        spread = (noise * pull) ** 2 + noise - noise**2 * np.diag(inverse)
        doubt = (_FREEDOM + 1) / (_FREEDOM + spread / (variances.noise * blur))
        weights = doubt if doubted is None else np.where(doubted, doubt, 1.0)
    return Fitted(variances, inverse, pull, weights, blur, _stretch(pull, inverse))


def _stretch(pull: Floats, inverse: Floats) -> float:
    """By how much the deviations of left-out observations exceed what was promised for them, and what few of them hide."""
    few = float(np.sqrt(1 + _FEW / len(pull)))
    promised = np.abs(pull) / np.sqrt(np.diag(inverse))
    one, two = np.quantile(promised, [0.68, 0.95])
    return few * float(np.clip(max(one, two / 2), 1.0, 3.0))


def _unlikelihood(observed: Floats, covariance: Floats, *, doubt: bool) -> float:
    """Minus twice the log of the marginal likelihood; with `doubt` its terms grow with the log of what is off alone."""
    count = len(observed)
    bordered = np.empty((count + 1, count + 1))
    bordered[:count, :count], bordered[count, :count], bordered[:count, count] = covariance, observed, observed
    bordered[count, count] = _BORDER
    try:
        lower = np.linalg.cholesky(bordered)
    except np.linalg.LinAlgError:
        return np.inf
    squares = lower[count, :count] ** 2
    terms = (_FREEDOM + 1) * np.log1p(squares / _FREEDOM) if doubt else squares
    return float(terms.sum() + 2 * np.log(np.diag(lower)[:count]).sum())


def _weighted(variances: Sequence[float], correlations: Sequence[Floats]) -> Floats:
    total: Floats = variances[0] * correlations[0]
    for variance, matrix in zip(variances[1:], correlations[1:], strict=True):
        total = total + variance * matrix
    return total


def _some(count: int) -> np.typing.NDArray[np.intp]:
    return np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(np.intp))
