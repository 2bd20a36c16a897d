"""Functions of three variables from tables, by cubic splines: twice differentiable, and 64 products a value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from bayescale.lazy_jax import jax, jnp

Array = Any


@dataclass(frozen=True)
class Axis:
    """One variable's knots: evenly spaced in a coordinate in which the function varies about as fast everywhere.

    Attributes
    ----------
    low, high : float
        First and last knot; beyond them the function is taken to stay as it is there.
    knots : int
    to_coordinate, from_coordinate : callable
        Increasing, and each other's inverse; written in `jax.numpy`.
    """

    low: float
    high: float
    knots: int
    to_coordinate: Callable[[Array], Array]
    from_coordinate: Callable[[Array], Array]

    @cached_property
    def _ends(self) -> tuple[float, float]:
        # Constants, also where they are first needed by a function that is being compiled.
        with jax.ensure_compile_time_eval():
            return float(self.to_coordinate(self.low)), float(self.to_coordinate(self.high))

    @cached_property
    def at(self) -> np.ndarray:
        """The knots, shape (knots,)."""
        with jax.ensure_compile_time_eval():
            found = np.asarray(self.from_coordinate(np.linspace(*self._ends, self.knots)), float)
        return np.clip(found, self.low, self.high)

    @cached_property
    def solved(self) -> np.ndarray:
        """From values at the knots to coefficients of B-splines, shape (knots + 2, knots)."""
        size = self.knots + 2
        rows = np.zeros((size, size))
        for i in range(self.knots):
            rows[i, i : i + 3] = 1 / 6, 4 / 6, 1 / 6
        # The first two intervals share one cubic, and so do the last two.
        rows[-2, :5] = rows[-1, -5:] = 1, -4, 6, -4, 1
        return np.linalg.inv(rows)[:, : self.knots]

    def weights(self, x: Array) -> tuple[Array, Array]:
        """The first of the four coefficients that count at x, and their weights, shapes () and (4,)."""
        low, high = self._ends
        place = (self.to_coordinate(jnp.clip(x, self.low, self.high)) - low) / (high - low) * (self.knots - 1)
        first = jnp.clip(jnp.floor(place), 0.0, self.knots - 2.0)
        f = place - first
        weights = jnp.stack([(1 - f) ** 3, 4 - 6 * f**2 + 3 * f**3, 1 + 3 * (f + f**2 - f**3), f**3]) / 6
        return first.astype(int), weights


def coefficients(values: Array, axes: Sequence[Axis]) -> Array:
    """Of the spline through values at all knots, shape (knots + 2, knots + 2, knots + 2)."""
    one, two, three = (axis.solved for axis in axes)
    return jnp.einsum("ai,bj,ck,ijk->abc", one, two, three, values)


def interpolated(tables: Array, which: Array, axes: Sequence[Axis], points: Sequence[Array]) -> Array:
    """Values of several functions with the same knots.

    Parameters
    ----------
    tables : ndarray, shape (functions, ...)
        Their coefficients.
    which : ndarray of int
        Which function at each point.
    points : three of ndarray
        All broadcast against each other and against `which`.
    """

    def one(which: Array, *at: Array) -> Array:
        (a, x), (b, y), (c, z) = (axis.weights(p) for axis, p in zip(axes, at, strict=True))
        near = jax.lax.dynamic_slice(tables, (which, a, b, c), (1, 4, 4, 4))[0]
        return jnp.einsum("abc,a,b,c->", near, x, y, z)

    given = jnp.broadcast_arrays(which, *points)
    return jax.vmap(one)(*(x.ravel() for x in given)).reshape(given[0].shape)
