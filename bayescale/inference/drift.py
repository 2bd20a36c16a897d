"""How fast losses leave the law beyond the runs it was fitted to: learned from forecasts of runs that are known.

A law is wrong a little, and beyond the runs nothing holds it back. So the log of the expected loss is the law's plus a
drift that starts where the runs end,

    drift(x) = sum over axes a of k_a d_a(x) u_a,   u_a ~ Normal(0, 1),

d_a the distance in e-folds beyond the largest fitted value of the axis (compute, and size), k_a the drift's standard
deviation per e-fold, and u_a half common to all cells and half each cell's own. It says nothing inside the runs.

k has a prior (`bayescale.models.Drift`), and learns from folds (`bayescale.inference.folds`): given k, what a fold
missed is a multivariate Student-t, whose covariance is that of the forecast, of the drift and of the noise. Folds of
one axis leave out nearly the same runs, so together they count as one. Where forecasts of known runs were as good as
their bands said, k shrinks, and the bands with it; where they were not, it grows.
"""

from __future__ import annotations

from collections.abc import Sequence
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

FREEDOM = 5.0
"""Degrees of freedom of what a fold missed: one odd run must not make a drift."""


def drift_draws(
    design: Design, folds: Sequence[Fold], draws: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws of k for every axis of the design, shape (draws,): of the prior where there is no fold that settled."""
    normals = {axis: getattr(design.model.drift, axis).normal("positive") for axis in design.axes}
    if not normals:
        return {}
    steps = np.linspace(-REACH, REACH, NODES)
    grid = np.array(list(product(steps, repeat=len(normals))))
    k = np.exp([[m + s * t for t, (m, s) in zip(point, normals.values(), strict=True)] for point in grid])
    log_weight = -0.5 * (grid**2).sum(axis=1) + evidence(design, folds, list(normals), k)
    weight = np.exp(log_weight - log_weight.max())
    picked = rng.choice(len(grid), size=draws, p=weight / weight.sum())
    width = steps[1] - steps[0]
    where = grid[picked] + width * (rng.random((draws, len(normals))) - 0.5)
    return {axis: np.exp(m + s * where[:, i]) for i, (axis, (m, s)) in enumerate(normals.items())}


def evidence(design: Design, folds: Sequence[Fold], axes: Sequence[str], k: np.ndarray) -> np.ndarray:
    """Log likelihood of each row of k, shape (points, axes): what the folds missed, those of one axis as one."""
    settled = [fold for fold in folds if fold.settled]
    total = np.zeros(len(k))
    for axis in dict.fromkeys(fold.axis for fold in settled):
        same = [fold for fold in settled if fold.axis == axis]
        total += np.mean([_of_fold(design, fold, axes, k) for fold in same], axis=0)
    return total


def _of_fold(design: Design, fold: Fold, axes: Sequence[str], k: np.ndarray) -> np.ndarray:
    left = ~fold.kept
    cell, run = design.cell[left], design.run[left]
    alike = np.where(cell[:, None] == cell[None, :], 1.0, COMMON)
    base = fold.covariance + np.diag(fold.noise) + fold.between * (run[:, None] == run[None, :])
    shapes = [alike * np.outer(fold.beyond[axis], fold.beyond[axis]) for axis in axes]
    size = len(fold.residual)
    constant = gammaln((FREEDOM + size) / 2) - gammaln(FREEDOM / 2) - size / 2 * np.log(FREEDOM * np.pi)
    out = np.empty(len(k))
    for i, each in enumerate(k):
        root = np.linalg.cholesky(base + sum(s * x for s, x in zip(each**2, shapes, strict=True)))
        distance = (solve_triangular(root, fold.residual, lower=True) ** 2).sum()
        out[i] = constant - np.log(np.diag(root)).sum() - (FREEDOM + size) / 2 * np.log1p(distance / FREEDOM)
    return out
