"""Pearce & Song 2024: counting embeddings or not, by which Kaplan's and Hoffmann's exponents are reconciled.

With all parameters counted, N_T = N_E + gamma N_E^(1/3), a law in N_T curves in the non-embedding count N_E, and
a power law fitted over small models has a larger exponent than the law itself has at scale.
Reference: Pearce & Song 2024, Reconciling Kaplan and Chinchilla Scaling Laws, arXiv:2406.12907.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale.laws.base import Values

GAMMA = 47491.0
"""gamma for a vocabulary of 32k and a width-to-depth ratio of 39.2 (Pearce & Song 2024)."""


def total_params(non_embedding: Any, gamma: float = GAMMA) -> Any:
    """Return N_T = N_E + gamma N_E^(1/3)."""
    non_embedding = np.asarray(non_embedding, dtype=float)
    return non_embedding + gamma * np.cbrt(non_embedding)


def non_embedding_params(total: Any, gamma: float = GAMMA) -> Any:
    """Return N_E, the inverse of `total_params`: the real root of x^3 + gamma x = N_T, cubed."""
    # With one real root, x = 2 sqrt(gamma/3) sinh(arcsinh(3 N_T / (2 gamma) sqrt(3/gamma)) / 3).
    reach = np.sqrt(gamma / 3)
    root = 2 * reach * np.sinh(np.arcsinh(1.5 * np.asarray(total, dtype=float) / (gamma * reach)) / 3)
    return root**3


def optimal_flops(non_embedding: Any, values: Values, gamma: float = GAMMA) -> Any:
    """Return C_E = 6 N_E D, the non-embedding compute at which a model of size N_E is optimal.

    Parameters
    ----------
    non_embedding : array_like
        N_E.
    values : mapping
        A, alpha, B and beta of Hoffmann's law in total parameters.
    gamma : float

    Returns
    -------
    array_like
        FLOPs; a curve N_E -> C_E to be read backwards.
    """
    n, alpha, beta = np.asarray(non_embedding, dtype=float), values["alpha"], values["beta"]
    ratio = beta * values["B"] / (alpha * values["A"])
    slope = n + gamma / 3 * np.cbrt(n)
    return 6 * n * (ratio * total_params(n, gamma) ** (1 + alpha) / slope) ** (1 / beta)


def local_exponent(non_embedding: Any, values: Values, gamma: float = GAMMA) -> Any:
    """Return d ln N_E* / d ln C_E, the exponent that one would measure at this size.

    It falls from `small_limit` to `large_limit`, though not monotonically where alpha is large.
    """
    n, alpha, beta = np.asarray(non_embedding, dtype=float), values["alpha"], values["beta"]
    x = np.cbrt(n) ** 2
    inverse = (
        1 - (x + gamma / 9) / (x + gamma / 3) / beta + (1 + alpha) / beta * (x + gamma / 3) / (x + gamma)
    )
    return 1 / inverse


def small_limit(values: Values) -> Any:
    """Return beta / (alpha/3 + beta), the exponent where embeddings are everything."""
    return values["beta"] / (values["alpha"] / 3 + values["beta"])


def large_limit(values: Values) -> Any:
    """Return beta / (alpha + beta), Hoffmann's own exponent, where embeddings are nothing."""
    return values["beta"] / (values["alpha"] + values["beta"])


def fitted_exponent(
    values: Values,
    smallest: float = 790.0,
    largest: float = 1.58e9,
    gamma: float = GAMMA,
    points: int = 100,
) -> float:
    """Return the exponent that a straight line through ln N_E against ln C_E finds, budgets uniform in log compute.

    The default range is that of Kaplan's models: .785 with Besiroglu's values, .747 with Hoffmann's, where Kaplan
    fitted .73. The curve's ends weigh a little more with few budgets: .786 and .749 in the limit of many.
    """
    log_n = np.linspace(np.log(smallest), np.log(largest), 200 * points)
    log_c = np.log(optimal_flops(np.exp(log_n), values, gamma))
    even = np.linspace(log_c[0], log_c[-1], points)
    return float(np.polyfit(even, np.interp(even, log_c, log_n), 1)[0])
