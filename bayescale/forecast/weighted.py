"""Quantiles of draws that count differently."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def weighted_quantiles(values: np.ndarray, weights: np.ndarray, levels: Sequence[float]) -> np.ndarray:
    """Quantiles of values that count differently, between them by straight lines."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    # Each value stands in the middle of its own weight.
    middle = np.cumsum(weights) - weights / 2
    return np.interp(levels, middle / weights.sum(), values)
