"""How far points lie beyond the fitted runs."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd

from bayescale.posterior import PosteriorData


def beyond(posterior: PosteriorData, points: pd.DataFrame) -> dict[str, np.ndarray]:
    """Distance beyond the largest fitted value of each axis, in e-folds, shape (points,): zero where not known."""
    top = {axis: x.max() for axis, x in posterior.design.axes.items()}
    return {
        axis: np.maximum(0.0, np.nan_to_num(x - top[axis], nan=0.0))
        for axis, x in axis_values(posterior, points).items()
    }


def axis_values(
    posterior: PosteriorData, points: pd.DataFrame, axes: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Where points lie along axes, shape (points,): `Design.axes` where none are named, and those that points have."""
    design = posterior.design
    found = {}
    for axis in design.axes if axes is None else axes:
        if axis == "flops":
            found[axis] = np.log(posterior.flops_of(points) / design.typical_flops)
        elif axis in points:
            found[axis] = np.log(pd.to_numeric(points[axis], errors="coerce").to_numpy(float))
    return found
