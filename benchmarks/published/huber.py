"""Besiroglu et al.'s estimator: least Huber loss (delta 1e-3) of log L under Hoffmann's law, many tables at once.

Fitted by iteratively reweighted least squares with Levenberg's damping, in the logs of floor, term sizes and
exponents: five parameters, a few hundred rows, hundreds of resamples in seconds.
Reference: Besiroglu et al. 2024, Chinchilla Scaling: A replication attempt, arXiv:2404.10102, section 3.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

NAMES = ("E", "A", "B", "alpha", "beta")
DELTA = 1e-3
START = np.log([1.8, 0.6, 0.3, 0.35, 0.37])
"""Floor, both terms at the table's middle, both exponents."""


def _logs(runs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.log(runs[["params", "tokens", "loss"]].to_numpy(float)).T


def log_loss(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the law's log loss, shape (tables, rows), and its gradient in theta, (tables, rows, 5)."""
    floor, size, data, alpha, beta = np.exp(theta).T[..., None]
    size, data = size * np.exp(-alpha * x), data * np.exp(-beta * y)
    total = floor + size + data
    parts = [floor + 0 * total, size, data, -alpha * x * size, -beta * y * data]
    return np.log(total), np.stack(parts, axis=-1) / total[..., None]


def huber_fit(
    runs: pd.DataFrame,
    weights: np.ndarray | None = None,
    log_losses: np.ndarray | None = None,
    steps: int = 400,
) -> np.ndarray:
    """Return E, A, B, alpha, beta for each table, shape (tables, 5).

    Parameters
    ----------
    runs : DataFrame
    weights : ndarray, shape (tables, rows), optional
        How often each row counts, as in a bootstrap.
    log_losses : ndarray, shape (tables, rows), optional
        In place of the runs' own, as in a simulation.
    steps : int
    """
    log_n, log_d, own = _logs(runs)
    x, y = log_n - log_n.mean(), log_d - log_d.mean()
    measured = own[None] if log_losses is None else log_losses
    weights = np.ones((1, len(runs))) if weights is None else weights
    tables = max(len(weights), len(measured))
    theta, damping = np.tile(START, (tables, 1)), np.full(tables, 1e-3)

    def evaluate(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        expected, gradient = log_loss(theta, x, y)
        residual = measured - expected
        size = np.abs(residual)
        cost = np.where(size < DELTA, 0.5 * residual**2, DELTA * (size - 0.5 * DELTA))
        return (weights * cost).sum(axis=1), residual, gradient

    cost, residual, gradient = evaluate(theta)
    for _ in range(steps):
        w = weights * np.minimum(1, DELTA / np.maximum(np.abs(residual), 1e-12))
        hessian = np.einsum("tn,tni,tnj->tij", w, gradient, gradient)
        slope = np.einsum("tn,tni,tn->ti", w, gradient, residual)
        hessian += damping[:, None, None] * hessian * np.eye(5)
        trial = theta + np.clip(np.linalg.solve(hessian, slope[..., None])[..., 0], -0.5, 0.5)
        after, residual_, gradient_ = evaluate(trial)
        better = after <= cost
        theta, cost = np.where(better[:, None], trial, theta), np.where(better, after, cost)
        residual = np.where(better[:, None], residual_, residual)
        gradient = np.where(better[:, None, None], gradient_, gradient)
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-10, 1e6)
    floor, size, data, alpha, beta = np.exp(theta).T
    size, data = size * np.exp(alpha * log_n.mean()), data * np.exp(beta * log_d.mean())
    return np.stack([floor, size, data, alpha, beta], axis=1)


def bootstrap_weights(rows: int, resamples: int, seed: int = 0) -> np.ndarray:
    """Return how often each row is drawn in each resample, shape (resamples, rows)."""
    return (
        np.random.default_rng(seed).multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(float)
    )
