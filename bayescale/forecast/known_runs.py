"""Noise of the loss at points: rows of one run share it, and a run that was measured already says what it is.

The rows of one run share an effect and its heavy-tailed stretch (`bayescale.models.noise`). A multivariate Student-t
conditions to a Student-t in closed form, so the rest of a half-measured learning curve is forecast from the law *and*
from how far that very run has been off it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.forecast.expected import expected_loss
from bayescale.forecast.noise import noise_scale
from bayescale.models.labels import label_text
from bayescale.posterior import PosteriorData

SHARED = 0.5
"""Share of the noise variance that rows of one new run have in common where every fitted run gave one row. Such runs
cannot tell an effect of the run from noise of the row. Half is wrong by at most a factor of two in either variance."""


@dataclass(frozen=True, eq=False)
class Given:
    """Noise of log loss at points, given the measured rows of their runs: a multivariate Student-t for each run.

    Attributes
    ----------
    known : ndarray of bool, shape (points,)
        True where the point lies on a run that was fitted.
    run : ndarray of int, shape (points,)
        Number of the run that each point lies on; a point without ``run_id`` is a run by itself.
    centre : ndarray, shape (draws, points)
    own, shared : ndarray, shape (draws, points)
        Scale of each row's own noise, and of what the effect of its run adds to the row. The effect itself is one
        standard normal a run.
    freedom : ndarray, shape (draws, points)
        Degrees of freedom; the same for all rows of a run.
    """

    known: np.ndarray
    run: np.ndarray
    centre: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    freedom: np.ndarray

    @property
    def scale(self) -> np.ndarray:
        """Scale of each point's noise by itself, shape (draws, points)."""
        return np.hypot(self.own, self.shared)

    def simulated(self, rng: np.random.Generator, draws: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Draw the noise of all points together, shape (draws, points): rows of one run share effect and stretch."""
        _, first = np.unique(self.run, return_index=True)
        freedom = self.freedom[draws][:, first]
        stretch = np.sqrt(freedom / rng.chisquare(freedom))[:, self.run]
        effect = rng.normal(size=freedom.shape)[:, self.run]
        own, shared = self.own[draws], self.shared[draws]
        return np.asarray(self.centre[draws] + stretch * (shared * effect + own * rng.normal(size=own.shape)))


def given_runs(posterior: PosteriorData, points: pd.DataFrame, extra: float, fresh: bool = False) -> Given:
    """Return the noise at points: of a new run, or of one that the posterior was fitted to.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
        Where its ``run_id`` names a fitted run, and fitted runs give several rows, that run's rows are used. Points
        of one ``run_id`` share the run's effect.
    extra : float
        Relative standard error of the evaluation, added in quadrature.
    fresh : bool
        Take every run as a new one, also where its ``run_id`` is that of a fitted run.
    """
    draws, design = len(posterior.z), posterior.design
    nu = posterior.draws("nu")[:, None]
    shape = (draws, len(points))
    own = noise_scale(posterior, points, extra) ** 2
    known = np.zeros(len(points), dtype=bool)
    centre, freedom = np.zeros(shape), np.broadcast_to(nu, shape).copy()
    run, ids = runs_of_points(points)
    if not design.several:
        shared = SHARED * np.maximum(own - extra**2, 0.0)
        return Given(known, run, centre, np.sqrt(own - shared), np.sqrt(shared), freedom)
    between = posterior.draws("sigma_run")[:, None] ** 2
    shared = np.broadcast_to(between, shape).copy()
    fitted = posterior.runs["run_id"].map(label_text) if ids and not fresh else pd.Series([], dtype=object)
    for name, number in ids.items():
        rows = np.flatnonzero((fitted == name).to_numpy())
        if not len(rows):
            continue
        at = np.flatnonzero(run == number)
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
        own[:, at] *= stretch
        shared[:, at] = stretch * between / inflation
        freedom[:, at] = nu + len(rows)
    return Given(known, run, centre, np.sqrt(own), np.sqrt(shared), freedom)


def runs_of_points(points: pd.DataFrame) -> tuple[np.ndarray, dict[str, int]]:
    """Return the number of the run that each point lies on, shape (points,), and the numbers by ``run_id``."""
    named = points["run_id"] if "run_id" in points else pd.Series(None, points.index, dtype=object)
    ids: dict[str, int] = {}
    run = np.empty(len(points), dtype=int)
    alone = 0
    for i, label in enumerate(named):
        if pd.isna(label):
            run[i] = -1 - alone
            alone += 1
        else:
            run[i] = ids.setdefault(label_text(label), len(ids))
    run = np.where(run < 0, len(ids) - 1 - run, run)
    return run, ids
