"""How fast losses leave the law beyond the runs it was fitted to: learned from forecasts of runs that are known.

A law is wrong a little, and beyond the runs nothing holds it back. So the log of the expected loss is the law's plus a
drift that starts where the runs end,

    drift(x) = sum over axes a of k_a d_a(x) u_a,   u_a ~ Normal(0, 1),

d_a the distance in e-folds beyond the largest fitted value of the axis (compute, and size, of which a table may have
one value only), k_a the drift's standard deviation per e-fold, and u_a half common to all cells and half each cell's
own. It says nothing inside the runs.

k has a prior (`bayescale.models.Drift`): either the law holds beyond the runs nearly as it does inside, and k is small
on every axis, or it does not, and k is what laws fitted to published tables were off by. k learns from folds
(`bayescale.inference.folds`): given k, what a fold missed is a multivariate Student-t, whose covariance is that of the
forecast, of the drift and of the noise. Of the folds of one axis each counts the runs that the one before still had, so
that no run counts twice. Where forecasts of known runs were as good as their bands said, k shrinks, and the bands with
it; where they were not, it grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import gammaln

from bayescale.inference.folds import Fold
from bayescale.models.design import Design

COMMON = 0.5
"""Correlation of the drifts of two cells: they share their law's misfit, and have their own."""

NODES, REACH = 15, 2.5
"""Grid of each k: nodes, and how many prior standard deviations it reaches to either side."""

HELD = 0.1
"""Where the law holds beyond the runs: the share of k that is left."""

FREEDOM = 5.0
"""Degrees of freedom of what a fold missed: one odd run must not make a drift."""


def drift_draws(
    design: Design, folds: Sequence[Fold], draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws of k for every axis of the design, and of whether the law ``holds`` (1 or 0), shape (draws,).

    Of the prior where there is no fold that settled.
    """
    normals = {axis: getattr(design.model.drift, axis).normal("positive") for axis in design.axes}
    if not normals:
        return {}
    steps = np.linspace(-REACH, REACH, NODES)
    grid = np.array(list(product(steps, repeat=len(normals))))
    mean, sd = np.array(list(normals.values())).T
    share = np.array([1.0, HELD])
    log_weight = np.array(
        [
            -0.5 * (grid**2).sum(axis=1)
            + evidence(design, folds, list(normals), left * np.exp(mean + sd * grid))
            for left in share
        ]
    )
    prior = np.array([1 - design.model.drift.holds, design.model.drift.holds])
    weight = prior[:, None] * np.exp(log_weight - log_weight.max())
    holds, at = np.divmod(rng.choice(weight.size, size=draws, p=weight.ravel() / weight.sum()), len(grid))
    where = grid[at] + (steps[1] - steps[0]) * (rng.random((draws, len(normals))) - 0.5)
    k = share[holds, None] * np.exp(mean + sd * where)
    return dict(zip(normals, k.T, strict=True)) | {"holds": holds.astype(float)}


def log_prior(design: Design, draws: Mapping[str, np.ndarray]) -> np.ndarray:
    """Log prior density of `drift_draws`, up to a constant, shape (draws,)."""
    if not draws:
        return np.zeros(1)
    holds = draws["holds"] == 1
    odds = design.model.drift.holds
    total = np.log(np.where(holds, odds, 1 - odds))
    for axis in design.axes:
        mean, sd = getattr(design.model.drift, axis).normal("positive")
        total += -0.5 * ((np.log(draws[axis] / np.where(holds, HELD, 1.0)) - mean) / sd) ** 2
    return np.asarray(total)


def evidence(design: Design, folds: Sequence[Fold], axes: Sequence[str], k: np.ndarray) -> np.ndarray:
    """Log likelihood of each row of k, shape (points, axes): what the folds missed, every run once an axis."""
    total = np.zeros(len(k))
    for axis in dict.fromkeys(fold.axis for fold in folds):
        counted = np.zeros(len(design.loss), dtype=bool)
        for fold in sorted((f for f in folds if f.axis == axis and f.settled), key=lambda f: f.share):
            new = ~fold.kept & ~counted
            if new.any():
                total += _of_fold(design, fold, axes, k, new[~fold.kept])
            counted |= new
    return total


def _of_fold(design: Design, fold: Fold, axes: Sequence[str], k: np.ndarray, rows: np.ndarray) -> np.ndarray:
    cell, run = design.cell[~fold.kept][rows], design.run[~fold.kept][rows]
    alike = np.where(cell[:, None] == cell[None, :], 1.0, COMMON)
    forecast = fold.covariance[np.ix_(rows, rows)]
    base = forecast + np.diag(fold.noise[rows]) + fold.between * (run[:, None] == run[None, :])
    shapes = [alike * np.outer(fold.beyond[axis][rows], fold.beyond[axis][rows]) for axis in axes]
    missed = fold.residual[rows]
    size = len(missed)
    constant = gammaln((FREEDOM + size) / 2) - gammaln(FREEDOM / 2) - size / 2 * np.log(FREEDOM * np.pi)
    out = np.empty(len(k))
    for i, each in enumerate(k):
        root = np.linalg.cholesky(base + sum(s * x for s, x in zip(each**2, shapes, strict=True)))
        distance = (solve_triangular(root, missed, lower=True) ** 2).sum()
        out[i] = constant - np.log(np.diag(root)).sum() - (FREEDOM + size) / 2 * np.log1p(distance / FREEDOM)
    return out
