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

from planner.pricing import Flags, Floats, Indices

_GRID = (1e-10, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Variances that an effect may have: from none (a spread of 0.001 %) to a factor of e."""
_GRID_COLUMN = np.array(_GRID)[:, None, None]
_SWEEPS = 2
_START, _START_NOISE = 1e-3, 1e-4
_FREEDOM = 4.0
_MOST = 64
"""Variances are learned from at most so many of the observations, evenly spread over them."""
_SMALL = 32
"""Matrices that are not worth halving."""
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
    """Effects given observations: `pull` is what each observation, times its covariance with a point, adds there.

    `root` is a matrix whose transpose times itself is the inverse of the observations' covariance, noise included.
    """

    variances: Variances
    root: Floats
    pull: Floats
    weights: Floats
    blur: Floats
    stretch: float

    def mean(self, covariance: Floats) -> Floats:
        """At points, from their covariance with the observations [points, observations]."""
        found: Floats = covariance @ self.pull
        return found

    def deviation(self, covariance: Floats, own: Floats) -> Floats:
        """The standard deviation of one more observation at each point; `own`: the variance of all effects there."""
        explained = _squares(self.root @ covariance.T)
        found: Floats = self.stretch * np.sqrt(np.maximum(own - explained, 0.0) + self.variances.noise)
        return found

    @property
    def without_itself(self) -> tuple[Floats, Floats]:
        """How far each observation lies from what the others say, and the standard deviation that this should have."""
        precision = _squares(self.root)
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

    It takes its time with many observations: `some` of them will do. `blur`: factors of each observation's noise
    variance. `noise`: that variance where it is known. With `doubt` no single observation decides, since it may be
    wrong; without, a jump counts in full.
    """
    parts = [*correlations, np.diag(np.ones(len(observed)) if blur is None else blur)]
    values = [fixed.get(place, _START) for place in range(len(correlations))] + [noise or _START_NOISE]
    count = len(values) if noise is None else len(correlations)
    for _ in range(_SWEEPS):
        for place in (place for place in range(count) if place not in fixed):
            rest = weighted([*values[:place], 0.0, *values[place + 1 :]], parts)
            scored = _unlikelihoods(observed, rest + _GRID_COLUMN * parts[place], doubt=doubt)
            values[place] = min(zip(scored, _GRID, strict=True))[1]
    return Variances(tuple(values[:-1]), values[-1])


def some(count: int) -> Indices:
    """The places of so few of the observations, evenly spread over them, that variances are learned from them quickly."""
    return np.unique(np.linspace(0, count - 1, min(count, _MOST)).round().astype(np.intp))


def fitted(
    observed: Floats,
    covariance: Floats,
    variances: Variances,
    *,
    weights: Floats | None = None,
    blur: Floats | None = None,
    doubted: Flags | None = None,
    rounds: int = 4,
) -> Fitted:
    """The effects given the observations, with the weights of those that may be `doubted` worked out anew in each round.

    `covariance`: of the observations, without noise. An observation that nothing else speaks to shall not be doubted:
    whatever it says is news.
    """
    blur = np.ones(len(observed)) if blur is None else blur
    weights = np.ones(len(observed)) if weights is None else weights
    certain = doubted is not None and not doubted.any() and bool((weights == 1).all())
    for _ in range(1 if certain else rounds):
        noise = variances.noise * blur / weights
        root = _root_of_inverse(covariance + np.diag(noise), least=float(noise.min()))
        pull, precision = root.T @ (root @ observed), _squares(root)
        spread = (noise * pull) ** 2 + noise - noise**2 * precision
        doubt = (_FREEDOM + 1) / (_FREEDOM + spread / (variances.noise * blur))
        weights = doubt if doubted is None else np.where(doubted, doubt, 1.0)
    return Fitted(variances, root, pull, weights, blur, _stretch(pull, precision))


def weighted(variances: Sequence[float], correlations: Sequence[Floats]) -> Floats:
    """The covariance: the sum of each effect's variance times its correlations."""
    total: Floats = variances[0] * correlations[0]
    for variance, matrix in zip(variances[1:], correlations[1:], strict=True):
        total = total + variance * matrix
    return total


def _root_of_inverse(covariance: Floats, *, least: float) -> Floats:
    """A matrix whose transpose times itself is the inverse. No eigenvalue is below `least`, but for rounding."""
    try:
        return _inverse_of_lower(np.asarray(np.linalg.cholesky(covariance), dtype=np.float64))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        root: Floats = (vectors / np.sqrt(np.maximum(values, least))).T
        return root


def _inverse_of_lower(lower: Floats) -> Floats:
    """Of a triangular matrix, by halves: a third of the work that it takes without knowing of the triangle."""
    half = len(lower) // 2
    if half < _SMALL:
        return np.asarray(np.linalg.inv(lower), dtype=np.float64)
    first, last = _inverse_of_lower(lower[:half, :half]), _inverse_of_lower(lower[half:, half:])
    found = np.zeros_like(lower)
    found[:half, :half], found[half:, half:] = first, last
    found[half:, :half] = -(last @ (lower[half:, :half] @ first))
    return found


def _squares(matrix: Floats) -> Floats:
    """The sum of the squares of each column."""
    found: Floats = np.einsum("ij,ij->j", matrix, matrix)
    return found


def _stretch(pull: Floats, precision: Floats) -> float:
    """By how much the deviations of left-out observations exceed what was promised for them, and what few of them hide."""
    few = float(np.sqrt(1 + _FEW / len(pull)))
    promised = np.abs(pull) / np.sqrt(precision)
    one, two = np.quantile(promised, [0.68, 0.95])
    return few * float(np.clip(max(one, two / 2), 1.0, 3.0))


def _unlikelihoods(observed: Floats, covariances: Floats, *, doubt: bool) -> list[float]:
    """Minus twice the log of the marginal likelihood for each covariance [n, observations, observations], infinite for one
    that cannot be; with `doubt` its terms grow with the log of what is off alone."""
    count = len(observed)
    bordered = np.empty((len(covariances), count + 1, count + 1))
    bordered[:, :count, :count], bordered[:, count, :count], bordered[:, :count, count] = (
        covariances,
        observed,
        observed,
    )
    bordered[:, count, count] = _BORDER
    lower = _lower(bordered)
    squares = lower[:, count, :count] ** 2
    terms = (_FREEDOM + 1) * np.log1p(squares / _FREEDOM) if doubt else squares
    logs = np.log(np.diagonal(lower, axis1=1, axis2=2)[:, :count])
    found: list[float] = np.nan_to_num(terms.sum(axis=1) + 2 * logs.sum(axis=1), nan=np.inf).tolist()
    return found


def _lower(matrices: Floats) -> Floats:
    """The Cholesky factors; NaN for what has none."""
    try:
        return np.asarray(np.linalg.cholesky(matrices), dtype=np.float64)
    except np.linalg.LinAlgError:
        if len(matrices) == 1:
            return np.full_like(matrices, np.nan)
        return np.concatenate([_lower(matrix[None]) for matrix in matrices])
