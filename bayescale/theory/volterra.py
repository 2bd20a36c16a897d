"""The Volterra equation of one-pass SGD, step by step."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter


def solve_volterra(forcing: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Solve P(r) = F(r) + sum_{s<r} K(r-1-s) P(s) (Paquette et al. 2024, arXiv:2405.15074, eq. 7).

    Parameters
    ----------
    forcing, kernel : ndarray, shape (steps,)
        F and K at r = 0 .. steps - 1.

    Returns
    -------
    ndarray, shape (steps,)
        P; costs steps^2. A recursive filter is what the equation is.
    """
    return np.asarray(lfilter([1.0], np.concatenate([[1.0], -np.asarray(kernel)[:-1]]), forcing))
