"""What is minimised before sampling, and what a minimiser is told where it is not finite.

One program of the whole vector serves every search, whatever it holds still: each more would take seconds to compile.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np

from bayescale.models.arrays import Data
from bayescale.models.density import log_density
from bayescale.models.layout import Layout

NOWHERE = 1e10
"""Stands for an objective that is not finite."""


def finite(value: Any, slope: Any) -> tuple[float, np.ndarray]:
    """Objective and slope as SciPy takes them: a wild trial step of a line search must turn it back, not end it."""
    found, slope = float(value), np.asarray(slope, float)
    return (
        (found, slope) if np.isfinite(found) and np.isfinite(slope).all() else (NOWHERE, np.zeros_like(slope))
    )


def value_and_slope(z: np.ndarray, layout: Layout, data: Data) -> tuple[float, np.ndarray]:
    """Less the log density of a vector z, shape (size,), and its slope, as SciPy takes them."""
    return finite(*_value_and_slope(z, layout, data))


@partial(jax.jit, static_argnums=1)
def curvature(z: Any, layout: Layout, data: Data) -> Any:
    """Its second derivatives, shape (size, size)."""
    return jax.hessian(_objective)(z, layout, data)


@partial(jax.jit, static_argnums=1)
def _value_and_slope(z: Any, layout: Layout, data: Data) -> tuple[Any, Any]:
    return jax.value_and_grad(_objective)(z, layout, data)


def _objective(z: Any, layout: Layout, data: Data) -> Any:
    return -log_density(z, layout, data)
