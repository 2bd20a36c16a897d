"""Correlations between the effects of one group on several parameters.

The effects of a group, in units of their spreads, are normal with correlations R = C C'. The root C is built from
partial correlations (Lewandowski, Kurowicka & Joe 2009), each with a normal prior on Fisher's z, so that any values
give a correlation matrix; of two parameters the one partial correlation is the correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

Array = Any


def pairs(members: Sequence[Any]) -> int:
    """How many correlations there are between so many."""
    return len(members) * (len(members) - 1) // 2


def root_of(z: Array, size: int) -> Array:
    """The lower root C, shape (..., size, size), from Fisher's z of the partial correlations, shape (..., pairs)."""
    partial = jnp.tanh(z)
    rows, at = [], 0
    for i in range(size):
        left, row = jnp.ones(z.shape[:-1]), []
        for _ in range(i):
            row.append(partial[..., at] * jnp.sqrt(left))
            left = left * (1 - partial[..., at] ** 2)
            at += 1
        rows.append(jnp.stack([*row, jnp.sqrt(left), *[jnp.zeros(z.shape[:-1])] * (size - i - 1)], axis=-1))
    return jnp.stack(rows, axis=-2)


def log_correlated(standard: Array, root: Array) -> Array:
    """Log density of effects in units of their spreads, shape (members, free), less that of independent ones."""
    white = jax.scipy.linalg.solve_triangular(root, standard, lower=True)
    logs = jnp.sum(jnp.log(jnp.diag(root)))
    return 0.5 * (jnp.sum(standard**2) - jnp.sum(white**2)) - standard.shape[1] * logs


def precision_of(root: Array) -> Array:
    """The inverse of R, shape (members, members)."""
    inverse = jax.scipy.linalg.solve_triangular(root, jnp.eye(root.shape[0]), lower=True)
    return inverse.T @ inverse
