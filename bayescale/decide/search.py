"""The best size of every draw, of the law times its discrepancy, searched about the law's own optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

WINDOW, OFFSETS = 6.0, 25
"""E-folds of size about the law's own optimum that are searched, and sizes tried first: half an e-fold apart, in which
neither the law nor its discrepancy bends much."""

FINER, ROUNDS = 7, 7
"""Sizes tried between the neighbours of the best, and how often: a relative 2e-4 of size, at which a loss is exact."""


def best_sizes(
    loss: Callable[[np.ndarray], np.ndarray],
    middle: np.ndarray,
    low: np.ndarray | float,
    high: np.ndarray | float,
    kinks: Sequence[float] = (),
) -> np.ndarray:
    """Return the log sizes of least loss.

    Parameters
    ----------
    loss : callable
        Of log sizes of the shape of `middle`.
    middle : ndarray
        Log sizes to look about, such as the law's own optima.
    low, high : ndarray or float
        Ends of the log sizes allowed.
    kinks : sequence of float
        Log sizes where a drift begins: the loss has a kink there, and often its minimum.

    Returns
    -------
    ndarray
        Of the shape of `middle`.
    """
    middle = np.clip(middle, low, high)
    step = 2 * WINDOW / (OFFSETS - 1)
    best, least = middle, loss(middle)
    tries = [middle + offset for offset in np.linspace(-WINDOW, WINDOW, OFFSETS)]
    tries += [np.full_like(middle, kink) for kink in kinks]
    for _ in range(ROUNDS + 1):
        for one in tries:
            here = np.clip(one, low, high)
            there = loss(here)
            better = there < least
            best, least = np.where(better, here, best), np.where(better, there, least)
        tries = [best + offset for offset in np.linspace(-step, step, FINER)]
        step *= 2 / (FINER - 1)
    return best
