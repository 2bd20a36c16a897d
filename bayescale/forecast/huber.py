"""The usual practice's fit: Chinchilla's form by a Huber loss of log L, many tables at once, with shared parameters.

    log L = log(E + A N^-alpha + B D^-beta),   minimise sum of Huber_0.001(log measured - log L)

over log E, log A, log B, log alpha and log beta, each group's own or all groups' alike. The minimum is found by
iteratively reweighted least squares with Levenberg's damping instead of L-BFGS: the same objective, and hundreds of
resamples in seconds.
Reference: Hoffmann et al. 2022, arXiv:2203.15556, eq. 3; Besiroglu et al. 2024, arXiv:2404.10102, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

Array = np.ndarray

NAMES = ("E", "A", "B", "alpha", "beta")
DELTA = 1e-3
LEAST, MOST = np.log([1e-4, 1e-6, 1e-6, 1e-3, 1e-3]), np.log([1e2, 1e3, 1e3, 5.0, 5.0])
"""Bounds, of A and B as terms at the middle of the table: a resample may leave a parameter free."""
STEPS, FIRST = 300, 60
"""Steps of a fit, and those after which the starts are compared."""
SETTLED = 1e-9
"""Relative improvement of the objective, per step, below which a fit stops."""


@dataclass(frozen=True, eq=False)
class Runs:
    """What the fit needs of a table, rows sorted by group.

    Attributes
    ----------
    x, y, z : ndarray, shape (rows,)
        Logs of params and tokens less their means, and of the loss.
    group : ndarray of int, shape (rows,)
    groups : int
    """

    x: Array
    y: Array
    z: Array
    group: Array
    groups: int


def layout(groups: int, shared: frozenset[str]) -> Array:
    """Which free parameter is which group's parameter, shape (groups, 5)."""
    out = np.empty((groups, len(NAMES)), dtype=int)
    free = 0
    for i, name in enumerate(NAMES):
        if name in shared:
            out[:, i], free = free, free + 1
        else:
            out[:, i], free = np.arange(free, free + groups), free + groups
    return out


def log_loss(theta: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """The law's log loss, and its gradient in theta, for parameters of shape (..., rows, 5)."""
    floor, size, data, alpha, beta = np.moveaxis(np.exp(theta), -1, 0)
    size, data = size * np.exp(-alpha * x), data * np.exp(-beta * y)
    total = floor + size + data
    parts = np.stack([floor, size, data, -alpha * x * size, -beta * y * data], axis=-1)
    return np.log(total), parts / total[..., None]


def fit(
    runs: Runs, shared: frozenset[str], weights: Array | None = None, start: Array | None = None
) -> Array:
    """Least Huber loss for each table.

    Parameters
    ----------
    runs : Runs
    shared : set of str
        Parameters that all groups have in common.
    weights : ndarray, shape (tables, rows), optional
        How often each row counts, as in a bootstrap.
    start : ndarray, shape (groups, 5), optional
        Searched from several places where absent.

    Returns
    -------
    ndarray, shape (tables, groups, 5)
        Logs of E, of A and B as terms at the middle of the table, and of both exponents.
    """
    which = layout(runs.groups, shared)
    weights = np.ones((1, len(runs.z))) if weights is None else weights
    if start is None:
        starts = np.array([_flat(place, which) for place in _starts(runs)])
        found, cost = _descend(runs, which, np.repeat(weights[:1], len(starts), axis=0), starts, FIRST)
        start = found[cost.argmin()][which]
    first = np.tile(_flat(start, which), (len(weights), 1))
    return _descend(runs, which, weights, first, STEPS)[0][:, which]


def _starts(runs: Runs) -> list[Array]:
    """Floors, splits of what is above them, and exponents; the level is each group's own."""
    lowest = np.array([np.exp(runs.z[runs.group == g].min()) for g in range(runs.groups)])
    middle = np.array([np.exp(np.median(runs.z[runs.group == g])) for g in range(runs.groups)])
    out = []
    for floor, size, alpha, beta in product((0.3, 0.7, 0.95), (0.3, 0.7), (0.2, 0.5), (0.2, 0.5)):
        above = middle - floor * lowest
        terms = [floor * lowest, size * above, (1 - size) * above, alpha + 0 * above, beta + 0 * above]
        out.append(np.log(np.stack(terms, axis=1)))
    return out


def _flat(theta: Array, which: Array) -> Array:
    """Free parameters from the groups' own, shape (groups, 5): the mean over groups where they share one."""
    total = np.bincount(which.ravel(), weights=theta.ravel())
    return np.asarray(total / np.bincount(which.ravel()))


def _descend(runs: Runs, which: Array, weights: Array, theta: Array, steps: int) -> tuple[Array, Array]:
    """Damped, reweighted least squares from each start, shape (tables, free); and the objective there."""
    tables, free = theta.shape
    low, high = (_flat(np.tile(bound, (runs.groups, 1)), which) for bound in (LEAST, MOST))
    theta = np.clip(theta, low, high)
    rows = which[runs.group]
    order = np.argsort(runs.group, kind="stable")
    edges = np.searchsorted(runs.group[order], np.arange(runs.groups))
    into = which[:, :, None] * free + which[:, None, :]

    def evaluate(theta: Array, weights: Array) -> tuple[Array, Array, Array]:
        expected, gradient = log_loss(theta[:, rows], runs.x, runs.y)
        residual = runs.z - expected
        size = np.abs(residual)
        cost = np.where(size < DELTA, 0.5 * residual**2, DELTA * (size - 0.5 * DELTA))
        return (weights * cost).sum(axis=1), residual, gradient

    cost, residual, gradient = evaluate(theta, weights)
    damping = np.full(tables, 1e-3)
    going = np.arange(tables)
    still = np.zeros(tables, dtype=int)
    for _ in range(steps):
        if not len(going):
            break
        g, r, n = gradient[going], residual[going], len(going)
        w = weights[going] * np.minimum(1, DELTA / np.maximum(np.abs(r), 1e-12))
        weighted = w[..., None] * g
        slope = np.zeros((n, free))
        hessian = np.zeros((n, free * free))
        of_group = np.add.reduceat((weighted * r[..., None])[:, order], edges, axis=1)
        products = np.stack(
            [
                (weighted[:, order[a:b]].transpose(0, 2, 1) @ g[:, order[a:b]])
                for a, b in zip(edges, [*edges[1:], len(order)], strict=True)
            ],
            axis=1,
        )
        for k in range(runs.groups):
            slope[:, which[k]] += of_group[:, k]
            hessian[:, into[k].ravel()] += products[:, k].reshape(n, -1)
        hessian = hessian.reshape(n, free, free)
        scale = np.einsum("tii->ti", hessian)
        # A parameter that the runs say nothing about, such as a floor at nothing, stays where it is.
        ridge = damping[going, None] * scale + 1e-9 * scale.max(axis=1, keepdims=True) + 1e-300
        hessian[:, range(free), range(free)] += ridge
        step = np.clip(np.linalg.solve(hessian, slope[..., None])[..., 0], -0.5, 0.5)
        trial = np.clip(theta[going] + step, low, high)
        after, residual_, gradient_ = evaluate(trial, weights[going])
        better = after <= cost[going]
        at = going[better]
        gained = (cost[going] - after) > SETTLED * cost[going]
        theta[at], residual[at], gradient[at] = trial[better], residual_[better], gradient_[better]
        cost[at] = after[better]
        damping[going] = np.clip(np.where(better, damping[going] / 3, damping[going] * 4), 1e-10, 1e6)
        still[going] = np.where(gained, 0, still[going] + 1)
        going = going[still[going] < 12]
    return theta, cost
