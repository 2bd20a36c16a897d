"""The power-law random features problem: data and target complexity, size, step size and batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from bayescale.theory.errors import TheoryError

RATIO = 5.0
"""v / d where the data have no limit of infinite v, that is where 2 alpha <= 1, unless v is given."""
SHARE = 0.5
"""gamma times the trace, unless the step size is given: half of what a small step size allows is 1."""


@dataclass(frozen=True)
class Problem:
    """One random-features regression by one-pass SGD (Paquette et al. 2024, arXiv:2405.15074, section 1).

    x in R^v has independent entries of variance j^-2alpha, the target is <x, b> with b_j = j^-beta, W is v x d with
    independent entries of variance 1/d, and P(theta) = E (<W^T x, theta> - <x, b>)^2, without a factor of a half. Each
    step takes gamma times the sum, not the mean, over a fresh batch, of the gradient without its factor of two.

    Attributes
    ----------
    alpha, beta : float
        Data and target complexity, both positive, 2 (alpha + beta) > 1.
    d : float
        Model size, the number of features; whole for random features, any for the deterministic equivalent.
    v : float, optional
        Data dimension, infinity allowed where 2 alpha > 1. Absent: infinite there, `RATIO` times d otherwise.
    step : float, optional
        gamma. Absent: `SHARE` over the trace of the data's covariance, which scales as d^(2 alpha - 1) where
        2 alpha < 1.
    batch : int
        B, samples a step.
    """

    alpha: float
    beta: float
    d: float
    v: float | None = None
    step: float | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        check_complexity(self.alpha, self.beta)
        if not self.d >= 1:
            raise TheoryError(f"d is at least one feature: got {self.d:g}")
        if self.v is not None and math.isinf(self.v) and 2 * self.alpha <= 1:
            raise TheoryError(
                f"alpha = {self.alpha:g} needs a finite v: with 2 alpha <= 1 the data's variance has no limit"
            )
        if self.v is not None and self.v < self.d:
            raise TheoryError(f"the theory takes v >= d: got v = {self.v:g} and d = {self.d:g}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise TheoryError(f"the step size is positive: got {self.step:g}")
        if self.batch < 1:
            raise TheoryError(f"a batch has at least one sample: got {self.batch}")

    @cached_property
    def dimension(self) -> float:
        """v, whether given or not."""
        return dimension(self.alpha, self.d) if self.v is None else float(self.v)

    @cached_property
    def trace(self) -> float:
        """sum_j j^-2alpha, the mean square length of x."""
        return float(power_sum(2 * self.alpha, self.dimension))

    @cached_property
    def start(self) -> float:
        """P(0) = sum_j j^(-2alpha - 2beta), the risk of theta = 0."""
        return float(power_sum(2 * self.alpha + 2 * self.beta, self.dimension))

    @cached_property
    def gamma(self) -> float:
        """The step size, whether given or not."""
        return SHARE / self.trace if self.step is None else float(self.step)

    def with_finite_v(self) -> Problem:
        """The same with v of `RATIO` times d where it is infinite: a matrix has to end."""
        return self if math.isfinite(self.dimension) else replace(self, v=math.ceil(RATIO * self.d))


def check_complexity(alpha: Any, beta: Any) -> None:
    """Refuse data and target complexities that the theory does not cover."""
    alpha, beta = np.asarray(alpha, float), np.asarray(beta, float)
    if not ((alpha > 0) & (beta > 0) & np.isfinite(alpha + beta)).all():
        raise TheoryError(f"alpha and beta are positive: got {_first(alpha)} and {_first(beta)}")


def _first(x: np.ndarray) -> str:
    return f"{x.ravel()[0]:g}"


def dimension(alpha: Any, d: Any) -> Any:
    """v where it is not given: infinite where 2 alpha > 1, `RATIO` times d otherwise."""
    return np.where(2 * np.asarray(alpha) > 1, np.inf, np.ceil(RATIO * np.asarray(d, float)))[()]


def power_sum(power: Any, last: Any, exact: int = 64) -> Any:
    """sum_{j <= last} j^-power, by Euler and Maclaurin beyond the first terms; `last` may be infinite for power > 1.

    Parameters
    ----------
    power, last : array_like
        Broadcast against each other.

    Returns
    -------
    ndarray or float
        To a relative 1e-12.
    """
    power, last = np.broadcast_arrays(np.asarray(power, float), np.asarray(last, float))
    if (np.isinf(last) & (power <= 1)).any():
        raise TheoryError("the sum of j^-p over all j is infinite for p <= 1: give a finite v")
    j = np.arange(1.0, exact)
    terms = j ** -power[..., None]
    few = (terms * (j <= last[..., None])).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        end = np.where(np.isinf(last), 1.0, last)
        at_end = np.where(np.isinf(last), 0.0, end**-power)
        gap = np.log(np.where(np.isinf(last), 2.0, last) / exact)
        # (last^(1-p) - exact^(1-p)) / (1-p), also at p = 1.
        to_end = exact ** (1 - power) * np.where(
            power == 1, gap, np.expm1((1 - power) * gap) / np.where(power == 1, 1, 1 - power)
        )
        to_infinity = exact ** (1 - power) / (power - 1)
        slopes = power * (exact ** (-power - 1.0) - at_end / end)
        third = power * (power + 1) * (power + 2) * exact ** (-power - 3.0)
        rest = (
            np.where(np.isinf(last), to_infinity, to_end)
            + (exact**-power + at_end) / 2
            + slopes / 12
            - third / 720
        )
    return np.where(last < exact, few, few + rest)[()]
