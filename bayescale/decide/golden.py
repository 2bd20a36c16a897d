"""The least of many functions at once, each of one minimum between two places: by golden section (Kiefer 1953)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

INVERSE = (np.sqrt(5) - 1) / 2
"""What a step leaves of a bracket."""


def narrowed(
    loss: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray, steps: int
) -> np.ndarray:
    """The middle of what so many steps leave of the brackets, any shape; each step takes one evaluation of all."""
    left, right = high - INVERSE * (high - low), low + INVERSE * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(steps):
        lower = at_left < at_right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
        new = np.where(lower, high - INVERSE * (high - low), low + INVERSE * (high - low))
        there = loss(new)
        left, right = np.where(lower, new, right), np.where(lower, left, new)
        at_left, at_right = np.where(lower, there, at_right), np.where(lower, at_left, there)
    return np.asarray((low + high) / 2)
