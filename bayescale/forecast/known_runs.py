"""Points on a run that has been measured already: what its earlier rows say about the later ones.

The rows of one run share an effect (`bayescale.models.noise`). A multivariate Student-t conditions to a Student-t in
closed form, so the rest of a half-measured learning curve is forecast from the law *and* from how far that very run
has been off it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.forecast.expected import expected_loss
from bayescale.forecast.noise import noise_scale
from bayescale.models.labels import label_text
from bayescale.posterior import PosteriorData


@dataclass(frozen=True, eq=False)
class Given:
    """Noise of log loss at points, given the measured rows of their runs; Student-t, shapes (draws, points)."""

    known: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray


def given_runs(posterior: PosteriorData, points: pd.DataFrame, extra: float) -> Given:
    """The noise at points: of a new run, or of one that the posterior was fitted to.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
        Where its ``run_id`` names a fitted run, and fitted runs give several rows, that run's rows are used.
    extra : float
        Relative standard error of the evaluation, added in quadrature.
    """
    draws, design = len(posterior.z), posterior.design
    nu = posterior.draws("nu")[:, None]
    shape = (draws, len(points))
    own = noise_scale(posterior, points, extra) ** 2
    known = np.zeros(len(points), dtype=bool)
    centre, freedom = np.zeros(shape), np.broadcast_to(nu, shape).copy()
    if not design.several:
        return Given(known, centre, np.sqrt(own), freedom)
    between = posterior.draws("sigma_run")[:, None] ** 2
    spread = own + between
    if "run_id" not in points:
        return Given(known, centre, np.sqrt(spread), freedom)
    ids = posterior.runs["run_id"].map(label_text)
    for run in dict.fromkeys(points["run_id"].dropna().map(label_text)):
        rows = np.flatnonzero((ids == run).to_numpy())
        if not len(rows):
            continue
        at = np.flatnonzero((points["run_id"].map(label_text) == run).to_numpy())
        measured = posterior.runs.iloc[rows].reset_index(drop=True)
        there, _ = expected_loss(posterior, measured)
        residual = np.log(design.loss[rows]) - np.log(there)
        weight = 1 / noise_scale(posterior, measured, design.loss_se[rows] / design.loss[rows]) ** 2
        inflation = 1 + between * weight.sum(axis=1, keepdims=True)
        pull = (weight * residual).sum(axis=1, keepdims=True)
        distance = (weight * residual**2).sum(axis=1, keepdims=True) - between * pull**2 / inflation
        stretch = (nu + distance) / (nu + len(rows))
        known[at] = True
        centre[:, at] = between * pull / inflation
        spread[:, at] = stretch * (own[:, at] + between / inflation)
        freedom[:, at] = nu + len(rows)
    return Given(known, centre, np.sqrt(spread), freedom)
