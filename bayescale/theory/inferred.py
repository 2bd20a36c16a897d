"""From draws of alpha and beta to what they say about phases and exponents."""

from __future__ import annotations

from typing import Any

import numpy as np

from bayescale.laws.plrf import RATIO
from bayescale.theory.compute_optimal import frontier
from bayescale.theory.errors import EdgeError
from bayescale.theory.phases import NONE, PHASES, phase


def phase_probabilities(alpha: Any, beta: Any) -> dict[str, float]:
    """The share of draws in each phase, those without any left out.

    Parameters
    ----------
    alpha, beta : array_like
        Posterior draws, of the same shape.
    """
    found = np.asarray(phase(np.ravel(alpha), np.ravel(beta)))
    shares = {name: float((found == name).mean()) for name in (*PHASES, NONE)}
    return {name: share for name, share in shares.items() if share > 0}


def window_exponents(
    alpha: Any, beta: Any, stride: Any, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """xi and eta between two budgets, for each draw of the law `plrf`.

    Parameters
    ----------
    alpha, beta, stride : array_like, shape (draws,)
        Its parameters alpha, beta and g; a few hundred draws are enough for an interval.
    low, high : float
        Budgets f = r d.

    Returns
    -------
    xi, eta : ndarray, shape (draws,)
        NaN where a draw has no best size at a budget: its loss falls, or rises, up to the edge of all sizes.
    """
    found = []
    for a, b, g in zip(np.ravel(alpha), np.ravel(beta), np.ravel(stride), strict=True):
        try:
            ends = np.log(frontier(a, b, [low, high], RATIO, g * 2 / 3)[["d", "loss"]].to_numpy())
        except EdgeError:
            ends = np.full((2, 2), np.nan)
        found.append((ends[1] - ends[0]) / np.log(high / low))
    xi, slope = np.array(found).T
    return xi, -slope
