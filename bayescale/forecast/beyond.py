"""How far points lie beyond the fitted runs, and how far the law may have drifted there (see `inference.drift`)."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from bayescale.inference.drift import COMMON
from bayescale.models.design import label_text
from bayescale.posterior import PosteriorData


def beyond(posterior: PosteriorData, points: pd.DataFrame) -> dict[str, np.ndarray]:
    """Distance beyond the largest fitted value of each axis, in e-folds, shape (points,): zero where not known."""
    design = posterior.design
    found = {}
    for axis, fitted in design.axes.items():
        if axis == "flops":
            x = np.log(posterior.flops_of(points) / design.typical_flops)
        elif axis in points:
            x = np.log(pd.to_numeric(points[axis], errors="coerce").to_numpy(float))
        else:
            continue
        found[axis] = np.maximum(0.0, np.nan_to_num(x - fitted.max(), nan=0.0))
    return found


def drift(posterior: PosteriorData, points: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Draws of the drift of log loss at points, shape (draws, points).

    A cell has the same drift in every call of one seed, so that differences between points mean something.
    """
    columns = [c for c in posterior.design.cells.columns if c in points]
    keys = list(points[columns].itertuples(index=False, name=None)) if columns else [()] * len(points)
    labels = ["\0".join("any" if pd.isna(x) else label_text(x) for x in key) for key in keys]
    draws = len(posterior.z)
    out = np.zeros((draws, len(points)))
    for axis, distance in beyond(posterior, points).items():
        if not distance.any():
            continue
        common = _normal(seed, axis, "", draws)
        for label in dict.fromkeys(labels):
            at = np.array([other == label for other in labels]) & (distance > 0)
            if at.any():
                u = np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * _normal(
                    seed, axis, "cell\0" + label, draws
                )
                out[:, at] += (posterior.draws(f"drift_{axis}") * u)[:, None] * distance[at]
    return out


def _normal(seed: int, axis: str, label: str, draws: int) -> np.ndarray:
    digest = hashlib.sha256(f"drift\0{axis}\0{label}".encode()).digest()
    return np.random.default_rng([seed, *digest[:8]]).normal(size=draws)
