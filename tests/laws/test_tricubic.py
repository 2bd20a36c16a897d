"""Splines in three variables: exact for cubics, through the knots, and still beyond the ends."""

from __future__ import annotations

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayescale.laws.tricubic import Axis, coefficients, interpolated

AXES = (
    Axis(0.5, 4.0, 6, jnp.sqrt, jnp.square),
    Axis(0.1, 0.9, 9, jax.scipy.special.logit, jax.nn.sigmoid),
    Axis(-1.0, 2.0, 5, lambda x: x, lambda x: x),
)


def cubic(x, y, z):
    """Of degree three in each coordinate."""
    u, v = jnp.sqrt(x), jax.scipy.special.logit(y)
    return (u**3 - u) * (1 + 0.3 * v**3) * (2 - z + z**3)


def table(function):
    return coefficients(function(*np.meshgrid(*(axis.at for axis in AXES), indexing="ij")), AXES)


def points(count, seed=0):
    return (
        np.random.default_rng(seed).uniform(*zip(*((a.low, a.high) for a in AXES), strict=True), (count, 3)).T
    )


def test_cubics_are_exact_with_their_derivatives() -> None:
    tables, at = table(cubic)[None], points(50)
    assert np.asarray(interpolated(tables, 0, AXES, at)) == pytest.approx(
        np.asarray(cubic(*at)), rel=1e-9, abs=1e-9
    )
    for i in range(3):
        found, true = (
            np.asarray(jax.jit(jax.vmap(jax.grad(f, i)))(*at))
            for f in (lambda *x: interpolated(tables, 0, AXES, x), cubic)
        )
        assert found == pytest.approx(true, rel=1e-7, abs=1e-7)


def test_finer_knots_find_anything_smooth() -> None:
    def function(x, y, z):
        return jnp.sin(x * y) * jnp.exp(-z)

    at, errors = points(200), []
    for times in (1, 2, 4):
        axes = [Axis(a.low, a.high, a.knots * times, a.to_coordinate, a.from_coordinate) for a in AXES]
        values = function(*np.meshgrid(*(a.at for a in axes), indexing="ij"))
        found = interpolated(coefficients(values, axes)[None], 0, axes, at)
        errors.append(float(abs(found - function(*at)).max()))
    assert all(fine < coarse / 6 for coarse, fine in pairwise(errors))


def test_beyond_the_ends_it_stays_as_it_is() -> None:
    tables = table(cubic)[None]
    low, high = ([getattr(a, end) for a in AXES] for end in ("low", "high"))
    assert interpolated(tables, 0, AXES, [0.0, -1.0, -5.0]) == pytest.approx(
        interpolated(tables, 0, AXES, low)
    )
    assert interpolated(tables, 0, AXES, [9.0, 2.0, 5.0]) == pytest.approx(
        interpolated(tables, 0, AXES, high)
    )
    slopes = jax.grad(lambda x: interpolated(tables, 0, AXES, x))(jnp.array([0.0, 2.0, 5.0]))
    assert (np.asarray(slopes) == 0).all()


def test_each_point_has_a_function_of_its_own() -> None:
    x, y, z = points(4)
    tables = jnp.stack([table(cubic), table(lambda *at: 2 * cubic(*at) + 1)])
    found = interpolated(tables, np.array([[0], [1]]), AXES, (x, y, z))
    assert found.shape == (2, 4)
    assert found[1] == pytest.approx(2 * found[0] + 1)
