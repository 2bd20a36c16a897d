"""The sibling theory: Bordelon, Atanasov and Pehlevan 2024 (arXiv:2402.01092), where data can be used again.

The same random features, described by the kernel's spectrum, lambda_k ~ k^-b, and the target's energy, lambda_k w_k^2
~ k^-a, and trained by gradient flow on P fixed samples: there is a time, a size and a data exponent, a gap between
training and test loss where data are reused, and something to gain from ensembles. Paquette's theory has one pass and
SGD's noise instead. With b = 2 alpha and a = 2 alpha + 2 beta both speak of the same problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import eigh

from bayescale.theory.errors import TheoryError
from bayescale.theory.problem import Problem


class Spectrum(NamedTuple):
    """Bordelon's exponents: lambda_k ~ k^-b, lambda_k w_k^2 ~ k^-a."""

    a: float
    b: float


def to_bordelon(alpha: float, beta: float) -> Spectrum:
    """a = 2 alpha + 2 beta and b = 2 alpha."""
    return Spectrum(2 * alpha + 2 * beta, 2 * alpha)


def from_bordelon(a: float, b: float) -> tuple[float, float]:
    """alpha = b / 2 and beta = (a - b) / 2."""
    if not a > b > 0:
        raise TheoryError(f"the dictionary needs a > b > 0: got a = {a:g}, b = {b:g}")
    return b / 2, (a - b) / 2


@dataclass(frozen=True)
class Scaling:
    """The exponents of the loss in each resource where that one is the bottleneck.

    Attributes
    ----------
    time, size, data : float
        L ~ t^-time, N^-size, P^-data, as printed (their eq. 8 and section 4).
    size_of_features : float
        The size exponent of F_0 in Paquette's theory, d^-min(a-1, b), which holds for random features too.
    compute, size_with_compute, time_with_compute : float
        L ~ C^-compute, N* ~ C^size_with_compute and t* ~ C^time_with_compute where C = N t, for a - 1 < b; not a number
        elsewhere.
    """

    time: float
    size: float
    data: float
    size_of_features: float
    compute: float
    size_with_compute: float
    time_with_compute: float

    @property
    def disagree(self) -> bool:
        """Whether the two theories print different size exponents: for b < a - 1, that is 2 beta > 1."""
        return not np.isclose(self.size, self.size_of_features)

    @property
    def note(self) -> str:
        """The disagreement in words; empty where there is none."""
        if not self.disagree:
            return ""
        return (
            f"size exponent: {self.size:.3g} as printed by Bordelon et al. (min(a-1, 2b)), {self.size_of_features:.3g} "
            "for the floor F_0 of Paquette et al. (min(a-1, b)), which the random features here have"
        )


def scaling(a: float, b: float) -> Scaling:
    """The exponents of the bottlenecks and of compute.

    Parameters
    ----------
    a, b : float
        a > 1 (a target of finite energy) and b > 0.
    """
    if not (a > 1 and b > 0):
        raise TheoryError(f"the exponents need a > 1 and b > 0: got a = {a:g}, b = {b:g}")
    hard = a - 1 < b
    nan = float("nan")
    return Scaling(
        time=(a - 1) / b,
        size=min(a - 1, 2 * b),
        data=min(a - 1, 2 * b),
        size_of_features=min(a - 1, b),
        compute=(a - 1) / (1 + b) if hard else nan,
        size_with_compute=1 / (1 + b) if hard else nan,
        time_with_compute=b / (1 + b) if hard else nan,
    )


@dataclass(frozen=True, eq=False)
class Flow:
    """Gradient flow on fixed data: the test and training loss over time.

    Attributes
    ----------
    test, train : ndarray, shape (times,)
        Population risk and mean square on the samples that were trained on.
    """

    test: np.ndarray
    train: np.ndarray

    @property
    def gap(self) -> np.ndarray:
        """Test less training loss."""
        return self.test - self.train


def gradient_flow(
    problem: Problem, samples: int, times: Any, seed: int = 0, ensemble: int = 1, data_seed: int | None = None
) -> Flow:
    """Exact gradient flow of random features on `samples` fixed samples, d theta / dt = -grad of half the mean square.

    Parameters
    ----------
    problem : Problem
        alpha, beta, d and v; v is made finite.
    samples : int
        P, all used at every moment.
    times : array_like, shape (times,)
    seed : int
        Of the features; `data_seed`, of the samples, is the same where absent.
    ensemble : int
        Models with features of their own on the same samples, whose predictions are averaged.

    Returns
    -------
    Flow
        In closed form by one eigendecomposition a model: theta(t) = (1 - e^-At) A^-1 Phi^T y / P, A = Phi^T Phi / P.
    """
    problem = replace(problem.with_finite_v())
    times = np.atleast_1d(np.asarray(times, float))
    d, v = int(problem.d), int(problem.dimension)
    j = np.arange(1.0, v + 1)
    root, target = j**-problem.alpha, j**-problem.beta
    data = (
        np.random.default_rng([1, seed if data_seed is None else data_seed]).normal(size=(samples, v)) * root
    )
    answers = data @ target
    learned = np.zeros((v, len(times)))
    rng = np.random.default_rng([2, seed])
    for _ in range(ensemble):
        weights = rng.normal(size=(v, d)) / np.sqrt(d)
        inputs = data @ weights
        rates, basis = eigh(inputs.T @ inputs / samples)
        rates = np.maximum(rates, 1e-300)
        pull = basis.T @ (inputs.T @ answers) / samples
        theta = basis @ (-np.expm1(-rates[:, None] * times) / rates[:, None] * pull[:, None])
        learned += weights @ theta / ensemble
    test = ((root[:, None] * (learned - target[:, None])) ** 2).sum(axis=0)
    train = ((data @ learned - answers[:, None]) ** 2).mean(axis=0)
    return Flow(test, train)
