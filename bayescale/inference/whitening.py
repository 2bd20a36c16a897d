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

Curved ridges it straightens too. Some parameters (`Law.leads`) are measured only together with others: the floor's
share trades against the exponents, how size and data combine against both, and where the law is curved the others
follow along a curve. So theta is taken apart, into what leads, phi, and what follows, lambda, and lambda's conditional
mean given phi is not the Gaussian's but the mode given the law itself, by a few Newton steps (`_bend`). The shift
depends on phi alone, so the change of variables keeps its volume, and is exact whether the steps arrive or not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri

from bayescale.inference.arrow import (
    Arrow,
    arrow_of,
    cholesky,
    log_determinant,
    solve,
    solve_transposed,
    times_transposed,
)
from bayescale.models.arrays import Data
from bayescale.models.density import (
    expected_loss,
    law_loss,
    linear_precision,
    linked,
    log_density,
    log_spreads,
    misfit_of,
    natural_noise,
    noise_density,
    off_diagonal,
)
from bayescale.models.layout import Layout
from bayescale.models.noise import distance_by_run, row_scale

Array = Any
Whitening = dict[str, Any]
"""``information`` and ``pull`` of the likelihood at the mode, the ``noise`` there, and ``centre`` and ``scale`` of the
noise parameters, ``mix``, the root of what is left of scales and correlations, and ``middle``, ``width`` and ``skew``
of spreads and noise: arrays, so that refits of the same shape compile nothing."""

STEPS = 2
"""Newton steps to where the conditional mode of what follows is."""

FAR = 4.0
"""Prior standard deviations that it is looked for within: further out the steps mean nothing."""

PER_DRAW = 5.0
"""Warm-up draws that count as an independent one."""

LEAST = 1e-4
"""Variance of white coordinates, below which they count as stuck."""

TAIL, FLAT = 0.05, 0.7
"""Share of draws beyond the quantiles that skewness is read from, and the most of it that is taken out."""


def leading(layout: Layout) -> np.ndarray:
    """Which of the linear coordinates lead (`Law.leads`), bool of shape (linear,)."""
    names = layout.names
    lead = [name in layout.law.leads for name in layout.law.parameter_names]
    lead += [names[parameter] in layout.law.leads for parameter in layout.coefficients]
    for parameter, free in layout.blocks:
        lead += [names[parameter] in layout.law.leads] * free
    return np.array(lead + [False] * sum(layout.misfit))


def _clusters(layout: Layout) -> tuple[int, int]:
    return len(layout.clusters), len(layout.clusters[0]) if layout.clusters else 0


def order(layout: Layout) -> np.ndarray:
    """The linear coordinates in the order in which they are eliminated: clusters' own, what follows, what leads.

    Given the later ones, the earlier ones' part of a Cholesky root is conditional.
    """
    rank = leading(layout).astype(int)
    local = np.array(layout.clusters, int).ravel()
    rank[local] = -1
    return np.concatenate([local, np.argsort(rank, kind="stable")[len(local) :]])


def mixed(whitening: Whitening, z: np.ndarray, layout: Layout, data: Data) -> Whitening:
    """The same, with what draws of the posterior still have of scales and correlations taken up.

    The Gaussian is not all: where a ridge is long and curved, draws spread further along it than the likelihood's
    average information says.

    Parameters
    ----------
    whitening : dict
        As `whitening_at` gives it, without a mix yet.
    z : ndarray, shape (draws, size)
    """
    x = np.stack([whiten_one(one, layout, data, whitening) for one in z])
    shape = _skewness(x[:, layout.linear :])
    x = np.asarray(_straight(x, whitening | shape))
    weight = len(x) / PER_DRAW
    # Correlations of as many dimensions as draws are mostly noise; scales are not.
    share, found = weight / (weight + layout.size), np.cov(x.T)
    # A chain that has not moved has no scales: small ones let it begin to.
    covariance = share * found + (1 - share) * np.diag(np.maximum(np.diag(found), LEAST))
    return whitening | shape | {"mix": np.linalg.cholesky(covariance)}


def _skewness(x: np.ndarray) -> dict[str, np.ndarray]:
    """Of draws of spreads and noise, shape (draws, others): what makes them as long on one side as on the other.

    A spread that groups tell well from above and hardly from below, and the tails of the noise, lean to one side
    whatever scale they are on; steps that fit the short side are small for the long one.
    """
    low, middle, high = np.quantile(x, [TAIL, 0.5, 1 - TAIL], axis=0)
    far = float(ndtri(1 - TAIL))
    width = np.maximum((high - low) / (2 * far), LEAST)
    lean = (high + low - 2 * middle) / (2 * far * width)
    skew = np.clip(lean * far / (np.hypot(1, far) - 1), -FLAT, FLAT)
    return {"middle": middle, "width": width, "skew": skew}


def _leaning(x: Array, whitening: Whitening) -> tuple[Array, Array]:
    """Spreads and noise with their skewness: where they are, and the log of the volume that a unit takes there."""
    linear = x.shape[-1] - whitening["skew"].shape[0]
    t = (x[linear:] - whitening["middle"]) / whitening["width"]
    reach = jnp.sqrt(1 + t**2)
    leant = whitening["middle"] + whitening["width"] * (t + whitening["skew"] * (reach - 1))
    return jnp.concatenate([x[:linear], leant]), jnp.sum(jnp.log1p(whitening["skew"] * t / reach))


def _straight(x: Array, whitening: Whitening) -> Array:
    """The inverse of `_leaning`, of coordinates of shape (..., size)."""
    skew = whitening["skew"]
    linear = x.shape[-1] - skew.shape[0]
    # s + k = t + k sqrt(1 + t^2), solved for t.
    a = (x[..., linear:] - whitening["middle"]) / whitening["width"] + skew
    t = (a - skew * jnp.sqrt(a**2 + 1 - skew**2)) / (1 - skew**2)
    return jnp.concatenate([x[..., :linear], whitening["middle"] + whitening["width"] * t], axis=-1)


@partial(jax.jit, static_argnums=1)
def whiten_one(z: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    """`whiten`, compiled: one program for any number of calls."""
    return whiten(z, layout, data, whitening)


@partial(jax.jit, static_argnums=1)
def whitening_at(centre: Array, layout: Layout, data: Data) -> Whitening:
    """The Gaussian that the likelihood is close to about a point, shape (size,), in the middle of the posterior."""
    linear, at = layout.linear, order(layout)
    theta, noise = centre[:linear], centre[linear + len(layout.groups) :]

    def score(fitted: Array, noise: Array) -> Array:
        return jnp.sum(noise_density(fitted, natural_noise(noise, layout, data), data))

    known = natural_noise(noise, layout, data)
    fitted, slope = jnp.log(expected_loss(centre, layout, data)), _slope(theta, layout, data)
    every = jax.vmap(partial(linear_change, slope=slope, layout=layout, data=data), out_axes=1)(
        jnp.eye(linear)
    )
    weights, distance = _weights(known, fitted, data)
    information = every.T @ _weighed(weights, every, data)
    # A direction that the rows do not bend keeps its prior's width, which is one.
    curvature = jnp.maximum(jnp.diag(-jax.hessian(score, argnums=1)(fitted, noise)), 0)
    return {
        "information": arrow_of(information[jnp.ix_(at, at)], *_clusters(layout)),
        "pull": (information @ theta + every.T @ jax.grad(score)(fitted, noise))[at],
        "noise": {name: known[name] for name in ("sigma", "nu")},
        "scale": 1 / jnp.sqrt(1 + curvature),
        "centre": noise,
        "mix": jnp.eye(layout.size),
        "middle": jnp.zeros(layout.size - linear),
        "width": jnp.ones(layout.size - linear),
        "skew": jnp.zeros(layout.size - linear),
        "theta": theta,
        "fitted": fitted,
        "slope": slope,
        "weights": weights,
        "distance": distance,
    }


def _slope(theta: Array, layout: Layout, data: Data) -> Array:
    """Of every row's log expected loss in the parameters of its place on their link scale, (rows, parameters)."""
    at = linked(theta, layout, data)

    def along(parameter: Array) -> Array:
        # A row depends on its own place alone, so one push of all places is every row's slope.
        push = jnp.broadcast_to(parameter, at.shape)
        return jax.jvp(lambda x: jnp.log(law_loss(x, layout, data)), (at,), (push,))[1]

    return jax.vmap(along, out_axes=1)(jnp.eye(at.shape[1]))


def linear_change(change: Array, slope: Array, layout: Layout, data: Data) -> Array:
    """What rows' log losses change by, shape (rows,), as means, effects and misfit do by `change`, were the law linear.

    The product with the Jacobian, rows by linear coordinates, of which nearly all is zero: a row has one place and one
    deviation an axis.
    """
    pushed = (data["map"] @ change[: layout.mapped])[data["place"]]
    return jnp.sum(slope * pushed, axis=1) + misfit_of(change, layout, data)


def _weights(noise: dict[str, Array], fitted: Array, data: Data) -> tuple[dict[str, Array], Array]:
    """Information of rows about their log losses: of each ``own``, less ``row`` x ``row'`` x ``run`` in a run.

    Of one row a run the expected information of the Student-t noise: never negative in any direction, unlike the
    observed one. Several rows of a run say themselves how wide their noise is, and weigh by that (`_gain`).

    Returns
    -------
    weights : dict of Array
    distance : Array, shape (runs,)
        r' S^-1 r of each run's rows; of one row a run what is expected.
    """
    nu, rows = noise["nu"], data["rows"]
    scale = row_scale(noise, data["decades"], data["relative_se"])
    row = data["kept"] / scale**2
    if "sigma_run" not in noise:
        return {"own": (nu + 1) / (nu + 3) * row}, rows
    distance, inflation = distance_by_run(
        data["log_loss"] - fitted, scale, data["kept"], noise["sigma_run"], data["run"], rows
    )
    gain = _gain(nu, rows, distance)
    shared = noise["sigma_run"] ** 2 / inflation
    return {"own": gain[data["run"]] * row, "row": row, "run": gain * shared}, distance


def _gain(nu: Array, rows: Array, distance: Array) -> Array:
    """What the noise's scale weighs of a run so far off: as expected where r' S^-1 r is as many as its rows."""
    return (nu + rows) / (nu + distance + 2)


def _weighed(weights: dict[str, Array], residuals: Array, data: Data) -> Array:
    """W r, for residuals r of shape (rows, ...)."""
    shape = (-1,) + (1,) * (residuals.ndim - 1)
    out = weights["own"].reshape(shape) * residuals
    if "run" not in weights:
        return out
    row, run = weights["row"].reshape(shape), weights["run"].reshape(shape)
    together = jax.ops.segment_sum(row * residuals, data["run"], num_segments=run.shape[0])
    return out - row * (run * together)[data["run"]]


def gaussian(others: Array, layout: Layout, data: Data, whitening: Whitening) -> tuple[Array, Array]:
    """Mean of means and effects given spreads and noise (`others`), and a root R of their variance R R'."""
    spreads, noise = jnp.split(others, [len(layout.groups)])
    root, mean, _ = _given(spreads, noise, layout, data, whitening)
    back = np.argsort(order(layout))
    one = partial(solve_transposed, root)
    return mean[back], jax.vmap(one, in_axes=1, out_axes=1)(jnp.eye(layout.linear))[back]


def log_likelihood_lost(noise: dict[str, Array], fitted: Array, rows: Array, data: Data) -> Array:
    """Twice the log likelihood that rows lose on average where their fits have the variance R R', R = `rows`."""
    weights, _ = _weights(noise, fitted, data)
    return jnp.sum(rows * _weighed(weights, rows, data))


def colour(x: Array, layout: Layout, data: Data, whitening: Whitening) -> tuple[Array, Array]:
    """From white coordinates to z, with the log of the volume that a unit of x takes there."""
    linear, blocks = layout.linear, len(layout.groups)
    x, log_volume = _leaning(whitening["mix"] @ x, whitening)
    w, spreads = x[:linear], x[linear : linear + blocks]
    noise = whitening["centre"] + whitening["scale"] * x[linear + blocks :]
    root, mean, ratio = _given(spreads, noise, layout, data, whitening)
    theta = mean + solve_transposed(root, w)
    theta = theta + _bend(theta, root, mean, ratio, layout, data, whitening)
    # The mix takes the same volume everywhere, and the bend of what follows depends on what leads alone.
    z = jnp.concatenate([theta[np.argsort(order(layout))], spreads, noise])
    return z, log_volume - log_determinant(root)


def whiten(z: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    """From z to white coordinates."""
    linear, blocks = layout.linear, len(layout.groups)
    z = jnp.asarray(z)
    theta, spreads, noise = jnp.split(z, [linear, linear + blocks])
    theta = theta[order(layout)]
    root, mean, ratio = _given(spreads, noise, layout, data, whitening)
    theta = theta - _bend(theta, root, mean, ratio, layout, data, whitening)
    white = (noise - whitening["centre"]) / whitening["scale"]
    x = jnp.concatenate([times_transposed(root, theta - mean), spreads, white])
    return jax.scipy.linalg.solve_triangular(whitening["mix"], _straight(x, whitening), lower=True)


def _bend(
    theta: Array, root: Arrow, mean: Array, ratio: Array, layout: Layout, data: Data, whitening: Whitening
) -> Array:
    """How far what follows departs, at the given leading coordinates, from where it would be if the law were linear.

    The conditional mode of lambda given phi, by Newton's method with the slopes of the centre: with e the error of the
    linear law, lambda = m(phi) - Q^-1 r J' W e(phi, lambda).
    """
    lead = leading(layout)
    follow = int((~lead).sum())
    if not lead.any():
        return jnp.zeros_like(theta)
    back = np.argsort(order(layout))
    slope, own = whitening["slope"], root.leading(follow)
    phi = theta[follow:]
    # Where everything is at these leading coordinates, were the law linear.
    away = jnp.concatenate([jnp.zeros(follow), phi - mean[follow:]])
    start = mean[:follow] - solve_transposed(own, times_transposed(root, away)[:follow])
    along = partial(linear_change, slope=slope, layout=layout, data=data)
    pulled = jax.linear_transpose(along, mean)
    rest = jnp.zeros(layout.size - layout.linear)
    bend = jnp.zeros(follow)
    for _ in range(STEPS):
        here = jnp.concatenate([start + bend, phi])[back]
        found = jnp.log(expected_loss(jnp.concatenate([here, rest]), layout, data))
        error = found - whitening["fitted"] - along(here - whitening["theta"])
        (push,) = pulled(_weighed(whitening["weights"], error, data))
        push = push[order(layout)[:follow]]
        bend = -FAR * jnp.tanh(ratio * solve_transposed(own, solve(own, push)) / FAR)
    return jnp.concatenate([bend, jnp.zeros(len(theta) - follow)])


def _given(
    spreads: Array, noise: Array, layout: Layout, data: Data, whitening: Whitening
) -> tuple[Arrow, Array, Array]:
    """Cholesky root of the precision of theta, its mean, and how much the rows weigh, given spreads and noise."""
    ratio = _ratio(natural_noise(noise, layout, data), data, whitening)
    information = whitening["information"]
    local = information.local
    precision = linear_precision(log_spreads(spreads, data), layout)[order(layout)]
    each = precision[:local].reshape(information.blocks.shape[:2])
    matrix = Arrow(
        ratio * information.blocks + each[..., None] * jnp.eye(each.shape[1]),
        ratio * information.across,
        ratio * information.rest + jnp.diag(precision[local:]),
    )
    if layout.tied:
        # Effects are among what cells share, never in the blocks of one cell's own.
        shared = order(layout)[local:]
        added = off_diagonal(log_spreads(spreads, data), noise[layout.noises :], layout, data)[
            jnp.ix_(shared, shared)
        ]
        matrix = matrix._replace(rest=matrix.rest + added)
    root = cholesky(matrix)
    return root, solve_transposed(root, solve(root, ratio * whitening["pull"])), ratio


def _ratio(noise: dict[str, Array], data: Data, whitening: Whitening) -> Array:
    """How much more the rows weigh at this noise than at the centre's, on average."""
    se, rows, before = data["relative_se"] ** 2, data["rows"], whitening["noise"]
    ratio = jnp.mean(1 / (noise["sigma"] ** 2 + se)) / jnp.mean(1 / (before["sigma"] ** 2 + se))
    if "sigma_run" not in noise:
        return ratio
    # Runs whose rows say how wide their noise is weigh the same whatever sigma is.
    gain = jnp.sum(rows * _gain(noise["nu"], rows, ratio * whitening["distance"]))
    return ratio * gain / jnp.sum(rows * _gain(before["nu"], rows, whitening["distance"]))


def log_white_density(x: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    """Log posterior density of white coordinates, shape (size,), up to a constant."""
    z, log_volume = colour(x, layout, data, whitening)
    return log_density(z, layout, data) + log_volume
