"""The coordinates that NUTS runs in: white, given the spreads and the noise.

Means and effects, theta, have a Gaussian prior given the spreads tau between groups, with a diagonal precision P(tau).
Near the mode the likelihood is close to a Gaussian in theta too, with information H and pull b. Given tau and the
noise scale, the posterior of theta is then close to a Gaussian with

    precision Q = r H + P(tau),   mean Q^-1 r b,   r = how much more the rows weigh at this noise than at the mode's,

and theta = Q^-1 r b + L^-T w, with Q = L L', makes w standard normal whatever tau is. The change of variables is exact
(log |d theta / d w| = -log |L|): how good the approximation is decides how fast sampling is, and nothing else.

This is what centred and non-centred forms are two ends of. Where the runs tell a group's parameters, Q is the
likelihood's and theta is centred; where they do not, Q is the prior's and theta is scaled by its spread, so that
there is no funnel; and in between, for every group and direction by as much as its own runs say. It also takes away
the ridges between amplitudes, exponents and floors, between a population's mean and its groups, and between groups.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayescale.models.density import (
    Data,
    Layout,
    expected_loss,
    log_density,
    log_likelihood,
    log_spreads,
    noise_of,
    population,
)
from bayescale.models.noise import row_scale

Array = Any
Whitening = dict[str, Array]
"""``information`` and ``pull`` of the likelihood at the mode, the ``sigma`` there, and ``centre`` and ``scale`` of the
noise parameters, and ``mix``, the root of what is left of scales and correlations: arrays, so that refits of the same
shape compile nothing."""

PER_DRAW, PRIOR_WEIGHT = 5.0, 10.0
"""Warm-up draws that count as an independent one, and how many of those the unit covariance counts for."""


def whitening_at(points: np.ndarray, layout: Layout, data: Data) -> Whitening:
    """The Gaussian that the likelihood is close to, on average over points of the posterior.

    At one point, the mode, it is the tangent there. Averaged over draws, information and gradient are those of the
    Gaussian nearest to the likelihood where the posterior is (the fixed point of variational inference), which holds
    further out where the law is curved.

    Parameters
    ----------
    points : ndarray, shape (points, size)
    """
    points = np.asarray(_straight_all(jnp.asarray(points), layout, data))
    found = {name: np.asarray(x) for name, x in _likelihood_at(jnp.asarray(points), layout, data).items()}
    # A point where the law overflows says nothing.
    good = np.logical_and.reduce(
        [np.isfinite(x).reshape(len(points), -1).all(axis=1) for x in found.values()]
    )
    mean = {name: x[good].mean(axis=0) for name, x in found.items()}
    theta, noise = points[good, : layout.linear].mean(axis=0), points[good, -len(layout.noise) :]
    # A direction that the rows do not bend keeps its prior's width, which is one.
    curvature = np.maximum(np.diag(mean["noise_curvature"]), 0)
    return {
        "information": mean["information"],
        "pull": mean["information"] @ theta + mean["gradient"],
        "sigma": np.exp(np.log(found["sigma"][good]).mean()),
        "scale": 1 / np.sqrt(1 + curvature),
        "centre": noise.mean(axis=0),
        "mix": np.eye(layout.size),
    }


def _straight(z: Array, layout: Layout, data: Data, way: float = 1.0) -> Array:
    """The law's own straightening of ridges (`Law.straight`), for the population; -1 takes it back. Volume is kept."""
    if layout.law.straight is None:
        return z
    z, names = jnp.asarray(z), layout.law.parameter_names
    linked = dict(zip(names, population(z, layout, data), strict=True))
    for name, shift in layout.law.straight(linked).items():
        at = names.index(name)
        z = z.at[at].add(way * shift / data["sd"][at])
    return z


@partial(jax.jit, static_argnums=1)
def _straight_all(z: Array, layout: Layout, data: Data) -> Array:
    return jax.vmap(lambda one: _straight(one, layout, data))(z)


def mixed(whitening: Whitening, z: np.ndarray, layout: Layout, data: Data) -> Whitening:
    """The same, with what draws of the posterior still have of scales and correlations taken up.

    The Gaussian is not all: where a ridge is long and curved, draws spread further along it than the likelihood's
    average information says.

    Parameters
    ----------
    z : ndarray, shape (draws, size)
    """
    x = np.asarray(_whiten_all(jnp.asarray(z), layout, data, whitening))
    weight = len(x) / PER_DRAW
    share = weight / (weight + PRIOR_WEIGHT)
    covariance = share * np.cov(x.T) + (1 - share) * np.eye(layout.size)
    return whitening | {"mix": np.linalg.cholesky(covariance)}


@partial(jax.jit, static_argnums=1)
def _whiten_all(z: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    return jax.vmap(lambda one: whiten(one, layout, data, whitening))(z)


@partial(jax.jit, static_argnums=1)
def _likelihood_at(points: Array, layout: Layout, data: Data) -> Whitening:
    return jax.lax.map(lambda z: _likelihood_at_one(z, layout, data), points)


def _likelihood_at_one(mode: Array, layout: Layout, data: Data) -> Whitening:
    linear = layout.linear
    theta, rest = mode[:linear], mode[linear:]

    def log_expected(theta: Array) -> Array:
        z = _straight(jnp.concatenate([theta, rest]), layout, data, -1)
        return jnp.log(expected_loss(z, layout, data))

    def score(theta: Array, noise: Array) -> Array:
        z = _straight(jnp.concatenate([theta, rest[: len(layout.groups)], noise]), layout, data, -1)
        return jnp.sum(log_likelihood(z, layout, data))

    noise = noise_of(mode, layout, data)
    slope = jax.jacfwd(log_expected)(theta)
    return {
        "information": _information(slope, noise, layout, data),
        "gradient": jax.grad(score)(theta, rest[len(layout.groups) :]),
        "sigma": noise["sigma"],
        "noise_curvature": -jax.hessian(score, argnums=1)(theta, rest[len(layout.groups) :]),
    }


def _information(slope: Array, noise: dict[str, Array], layout: Layout, data: Data) -> Array:
    """Expected information of the Student-t noise: never negative in any direction, unlike the observed one."""
    nu = noise["nu"]
    weight = data["kept"] / row_scale(noise, data["decades"], data["relative_se"]) ** 2
    if "sigma_run" not in noise:
        return (nu + 1) / (nu + 3) * slope.T @ (weight[:, None] * slope)
    rows = data["rows"]
    gain = (nu + rows) / (nu + rows + 2)
    together = jax.ops.segment_sum(weight[:, None] * slope, data["run"], num_segments=rows.shape[0])
    total = jax.ops.segment_sum(weight, data["run"], num_segments=rows.shape[0])
    shared = noise["sigma_run"] ** 2 / (1 + noise["sigma_run"] ** 2 * total)
    own = slope.T @ ((gain[data["run"]] * weight)[:, None] * slope)
    return own - together.T @ ((gain * shared)[:, None] * together)


def colour(x: Array, layout: Layout, data: Data, whitening: Whitening) -> tuple[Array, Array]:
    """From white coordinates to z, with the log of the volume that a unit of x takes there."""
    linear, blocks = layout.linear, len(layout.groups)
    x = whitening["mix"] @ x
    w, spreads = x[:linear], x[linear : linear + blocks]
    noise = whitening["centre"] + whitening["scale"] * x[linear + blocks :]
    root, mean = _given(spreads, noise, layout, data, whitening)
    theta = mean + jax.scipy.linalg.solve_triangular(root, w, lower=True, trans=1)
    # The mix takes the same volume everywhere.
    z = _straight(jnp.concatenate([theta, spreads, noise]), layout, data, -1)
    return z, -jnp.sum(jnp.log(jnp.diagonal(root)))


def whiten(z: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    """From z to white coordinates."""
    linear, blocks = layout.linear, len(layout.groups)
    z = _straight(z, layout, data)
    spreads, noise = z[linear : linear + blocks], z[linear + blocks :]
    root, mean = _given(spreads, noise, layout, data, whitening)
    white = (noise - whitening["centre"]) / whitening["scale"]
    x = jnp.concatenate([root.T @ (z[:linear] - mean), spreads, white])
    return jax.scipy.linalg.solve_triangular(whitening["mix"], x, lower=True)


def _given(
    spreads: Array, noise: Array, layout: Layout, data: Data, whitening: Whitening
) -> tuple[Array, Array]:
    """Cholesky root of the precision of theta, and its mean, given spreads and noise."""
    sigma = jnp.exp(data["noise"][0, 0] + data["noise"][0, 1] * noise[0])
    se = data["relative_se"] ** 2
    ratio = jnp.mean(1 / (sigma**2 + se)) / jnp.mean(1 / (whitening["sigma"] ** 2 + se))
    precision = jnp.ones(len(layout.law.parameters))
    if layout.groups:
        each = jnp.exp(-2 * log_spreads(spreads, data))
        sizes = np.array(layout.groups)
        precision = jnp.concatenate(
            [precision, jnp.repeat(each, sizes, total_repeat_length=int(sizes.sum()))]
        )
    root = jnp.linalg.cholesky(ratio * whitening["information"] + jnp.diag(precision))
    return root, jax.scipy.linalg.cho_solve((root, True), ratio * whitening["pull"])


def log_white_density(x: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    """Log posterior density of white coordinates, shape (size,), up to a constant."""
    z, log_volume = colour(x, layout, data, whitening)
    return log_density(z, layout, data) + log_volume
