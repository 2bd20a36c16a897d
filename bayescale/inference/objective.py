"""What a minimiser is told where the density is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np

NOWHERE = 1e10
"""Stands for an objective that is not finite."""


def finite(value: Any, slope: Any) -> tuple[float, np.ndarray]:
    """Objective and slope as SciPy takes them: a wild trial step of a line search must turn it back, not end it."""
    found, slope = float(value), np.asarray(slope, float)
    return (
        (found, slope) if np.isfinite(found) and np.isfinite(slope).all() else (NOWHERE, np.zeros_like(slope))
    )
