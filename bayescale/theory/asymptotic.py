"""The four components of the risk in closed form, with their prefactors, for large d and r.

P(r) ~ F_0 + F_pp(r) + F_ac(r) + K_pp(r) / (gamma B) (Paquette et al. 2024, arXiv:2405.15074, section 3.1): what the
features cannot represent, what gradient flow has not learned yet of the target's own modes, what the features' own
spectrum spreads over it, and the noise of SGD. The first three add up to F, and K_pp is K, for large d and r: at d of a
thousand and alpha of 0.7 each is off by 5 to 30 per cent. Their sum has the order of the risk and not its value, since
K over gamma B stands for K times the sum of all F. `bayescale.theory.equivalent` has the risk itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import gamma as gamma_function
from scipy.special import hyp2f1, zeta

from bayescale.theory.errors import TheoryError
from bayescale.theory.problem import Problem


class Components(NamedTuple):
    """What the risk is made of, at each r; `K_pp` is divided by gamma B, as it enters the risk."""

    F_0: Any
    F_pp: Any
    F_ac: Any
    K_pp: Any

    @property
    def risk(self) -> Any:
        """The sum of the four: of the risk's order, off by a constant where K_pp is the largest."""
        return self.F_0 + self.F_pp + self.F_ac + self.K_pp


def components(problem: Problem, r: Any) -> Components:
    """The components at `r` iterations, shape of `r` each.

    F_ac is zero unless 2 alpha > 1 and 2 beta > 1 (elsewhere it is at most of the order of F_0), K_pp unless
    alpha > 1/4 (elsewhere it has no power law).
    """
    r = np.asarray(r, float)
    zero = np.zeros_like(r)
    a, b, gamma = problem.alpha, problem.beta, problem.gamma
    both = 2 * a > 1 and 2 * b > 1
    return Components(
        zero + limit(problem),
        population(problem, r),
        features(problem, r) if both else zero,
        kernel(problem, r) / (gamma * problem.batch) if a > 0.25 else zero,
    )


def time(problem: Problem, r: Any) -> Any:
    """2 gamma B r: the time of gradient flow after r steps."""
    return 2 * problem.gamma * problem.batch * np.asarray(r, float)


def population(problem: Problem, r: Any) -> Any:
    """F_pp(r), the unlearned energy of the target's own modes (their eq. 15)."""
    a = problem.alpha
    power = (2 * a + 2 * problem.beta - 1) / (2 * a)
    if power <= 0:
        raise TheoryError("below 2 (alpha + beta) = 1 there is no power law")
    return gamma_function(power) / (2 * a) * time(problem, r) ** -power


def features(problem: Problem, r: Any) -> Any:
    """F_ac(r), the part of the target's large modes that the features' small eigenvalues carry (their eq. 16)."""
    a, b = problem.alpha, problem.beta
    if not (2 * a > 1 and 2 * b > 1):
        raise TheoryError("F_ac has this form where 2 alpha > 1 and 2 beta > 1 only")
    power = 1 - 1 / (2 * a)
    return zeta(2 * b) * gamma_function(power) / (2 * a * problem.d) * time(problem, r) ** -power


def kernel(problem: Problem, r: Any) -> Any:
    """K_pp(r), the kernel of SGD's noise (their eq. 17); over gamma B it enters the risk."""
    a = problem.alpha
    if a <= 0.25:
        raise TheoryError("K_pp is a power law where alpha > 1/4 only")
    power = 2 - 1 / (2 * a)
    scale = problem.gamma**2 * problem.batch / (2 * a)
    return scale * gamma_function(power) * time(problem, r) ** -power


def kappa(problem: Problem) -> float:
    """kappa of sum_j kappa t_j / (1 + kappa t_j) = d, for large d with v / d fixed: a constant times d^2alpha."""
    a, ratio = problem.alpha, problem.dimension / problem.d
    if np.isinf(ratio):
        return float(_whole(a, 0.0) ** (-2 * a) * problem.d ** (2 * a))
    if ratio <= 1:
        raise TheoryError("v = d: the features represent every target, and F_0 is zero")

    def excess(log_k: float) -> float:
        k = np.exp(log_k)
        return float(k * _integral(a, 0.0, k, ratio) - 1)

    return float(np.exp(brentq(excess, -60.0, 60.0)) * problem.d ** (2 * a))


def limit(problem: Problem) -> float:
    """F_0, what is left after infinitely many steps (their eq. 14), with its prefactor.

    Of order d^(-2alpha + max(0, 1 - 2beta)): for 2 beta > 1 the sum over the target's large modes, which d features
    shrink by kappa each; otherwise an integral over the modes about the d-th.
    """
    a, b, d = problem.alpha, problem.beta, problem.d
    k = kappa(problem)
    if 2 * b > 1:
        return float(zeta(2 * b) / k)
    return float(d ** (1 - 2 * a - 2 * b) * _integral(a, 2 * b, k / d ** (2 * a), problem.dimension / d))


def _integral(alpha: float, power: float, k: float, end: float) -> float:
    """The integral of s^-power / (s^2alpha + k) from 0 to `end`, for power < 1."""
    q = (1 - power) / (2 * alpha)
    if np.isinf(end):
        return float(k ** (q - 1) * _whole(alpha, power))
    return float(end ** (1 - power) / (k * (1 - power)) * hyp2f1(1.0, q, 1 + q, -(end ** (2 * alpha)) / k))


def _whole(alpha: float, power: float) -> float:
    """The same over the half line, for k = 1; there where 0 < 1 - power < 2 alpha."""
    return float(np.pi / (2 * alpha) / np.sin(np.pi * (1 - power) / (2 * alpha)))


class Power(NamedTuple):
    """A component as a product of powers of d and r, at step sizes of a fixed share of the trace's inverse."""

    d: float
    r: float


def powers(alpha: float, beta: float) -> dict[str, Power]:
    """The powers of d and r in each component that has them (their Table 1).

    The step size stays where 2 alpha > 1 and shrinks as d^(2 alpha - 1) where 2 alpha < 1.
    """
    a, b = alpha, beta
    step = min(0.0, 2 * a - 1)
    pp = (2 * a + 2 * b - 1) / (2 * a)
    found = {"F_0": Power(-2 * a + max(0.0, 1 - 2 * b), 0.0), "F_pp": Power(-pp * step, -pp)}
    if 2 * a > 1 and 2 * b > 1:
        found["F_ac"] = Power(-1.0, -1 + 1 / (2 * a))
    if a > 0.25:
        k = 2 - 1 / (2 * a)
        found["K_pp"] = Power((1 - k) * step, -k)
    return found
