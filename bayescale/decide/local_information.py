"""How much runs would tell about the losses of others: the law linearised at posterior draws, one after another.

A posterior of few runs is no Gaussian: what a run tells depends on where in it the truth lies, and one covariance of
all draws mixes the answers. So at every draw the log losses of fitted runs, candidates and targets are linearised in
what is linear in the hierarchy (means, effects, misfit), the spreads and the noise as the draw has them. The fitted
runs leave a covariance there, a batch of candidates reduces it, and the information on a target is -1/2 log of the
share of its variance that is left, averaged over draws (Bayesian local design, Chaloner & Verdinelli 1995, as
`bayescale.decide.first_information` does before there are data).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayescale.decide.decision import DecisionError
from bayescale.decide.measurements import Measurements, together
from bayescale.forecast.beyond import axis_values, beyond
from bayescale.forecast.expected import Predictor, inputs_of
from bayescale.inference.drift import COMMON
from bayescale.models.arrays import Data, data_of, linear_map
from bayescale.models.density import (
    expected_loss,
    linear_precision,
    log_spreads,
    noise_of,
    off_diagonal,
)
from bayescale.models.layout import Layout, layout_of, split
from bayescale.models.noise import row_scale
from bayescale.posterior import PosteriorData

DRAWS = 64
"""Posterior draws at which the law is linearised."""


class LocalKnowledge:
    """What batches of candidates would tell about the expected losses of targets."""

    def __init__(
        self, measurements: Measurements, targets: pd.DataFrame, kept: np.ndarray | None = None
    ) -> None:
        """Linearise.

        Parameters
        ----------
        measurements : Measurements
        targets : DataFrame
            Runs whose expected losses are to be known; they and the candidates are of groups that were fitted
            (`within`).
        kept : ndarray of bool, shape (rows,), optional
            Fitted rows that count; all of them where absent.
        """
        posterior = measurements.posterior
        self._count = len(measurements.runs)
        located = [Predictor(posterior).located(table) for table in (measurements.runs, targets)]
        points = pd.concat(located, ignore_index=True)
        draws = len(posterior.z)
        at = np.unique(np.linspace(0, draws - 1, min(DRAWS, draws)).round().astype(int))
        layout, data = layout_of(posterior.design), data_of(posterior.design, kept)
        root = np.asarray(_roots(posterior.z[at], layout, data, _data_at(posterior, points, data)))
        good = np.isfinite(root).all(axis=(1, 2))
        if not good.any():
            raise DecisionError("no posterior draw has a finite slope at these runs: see health()")
        self._root, at = root[good], at[good]
        self._drifts = _drifts(posterior, points, at)
        # A t's information on its centre is that of a normal with this variance.
        self._measurements, given = measurements, measurements.given
        larger = (given.freedom[at] + 3) / (given.freedom[at] + 1)
        self._noise = given.scale[at] ** 2 * larger
        self._shared = given.shared[at] * np.sqrt(larger)
        self._own = (self._root**2).sum(axis=2) + sum(k * np.diag(shape) for k, shape in self._drifts)
        targeted = range(self._count, len(points))
        self._cross = np.stack([self._row(i)[:, : self._count] for i in targeted], axis=2)

    def gain(self, batch: tuple[int, ...]) -> float:
        """Expected information of a batch on each of the targets, summed, nats."""
        own, _ = self._after(batch)
        n = self._count
        return float(-0.5 * np.log(own[:, n:] / self._own[:, n:]).mean(axis=0).sum())

    def each(self, batch: tuple[int, ...] = ()) -> np.ndarray:
        """Gain that every candidate would add to a batch, shape (candidates,)."""
        own, cross = self._after(batch)
        n = self._count
        share = cross**2 / (own[:, :n] + self._noise)[:, :, None] / own[:, None, n:]
        return np.asarray(-0.5 * np.log1p(-np.minimum(share, 1 - 1e-9)).mean(axis=0).sum(axis=1))

    def variance(self) -> np.ndarray:
        """Of every candidate's and then every target's log expected loss as it is now, shape (draws, points)."""
        return np.asarray(self._own)

    def _row(self, i: int) -> np.ndarray:
        """Covariance of one point with all, shape (draws, points)."""
        drifts = sum((k * shape[i] for k, shape in self._drifts), np.zeros(1))
        return np.asarray(np.einsum("dpl,dl->dp", self._root, self._root[:, i]) + drifts)

    def _after(self, batch: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Variances of all points, and covariances of candidates with targets, that a batch leaves at every draw."""
        n, own, cross = self._count, self._own, self._cross
        if not batch:
            return own, cross
        at, run = list(batch), self._measurements.run_of(batch)
        # A candidate stands for its next copy: rows of one run share noise with it as with each other.
        following = [self._measurements.run_of((*batch, i))[-1] for i in range(n)]
        rows = np.stack([self._row(i) for i in batch], axis=1)
        measured = rows[:, :, at] + self._noise_of(at, at, np.equal.outer(run, run))
        diagonal = np.arange(len(at))
        measured[:, diagonal, diagonal] = rows[:, diagonal, at] + self._noise[:, at]
        rows[:, :, :n] += self._noise_of(at, list(range(n)), np.equal.outer(run, following))
        told = np.linalg.solve(np.linalg.cholesky(measured), rows)
        own = own - (told**2).sum(axis=1)
        return own, cross - np.einsum("dbc,dbt->dct", told[:, :, :n], told[:, :, n:])

    def _noise_of(self, these: list[int], those: list[int], same: np.ndarray) -> np.ndarray:
        """Covariance of the noise of candidates, where they are rows of the same run, shape (draws, these, those)."""
        return np.asarray(self._shared[:, these, None] * self._shared[:, None, those] * same)


def within(posterior: PosteriorData, points: pd.DataFrame) -> bool:
    """Whether every point is of a group that was fitted."""
    return -1 not in posterior.design.cells_of(points)


def _data_at(posterior: PosteriorData, points: pd.DataFrame, data: Data) -> Data:
    """The arrays that the expected loss of points takes, in the fit's own coordinates."""
    design = posterior.design
    cell = design.cells_of(points)
    places = design.cells.iloc[cell].reset_index(drop=True)
    places = places.assign(**{name: points[name] for name in {s.covariate.column for s in design.covariates}})
    known = axis_values(posterior, points, design.misfit_axes)
    misfit = []
    for axis in design.misfit:
        top = design.misfit_axes[axis.axis].max()
        # A point that does not say where it lies is taken to be at the top, as one beyond it is.
        place = np.nan_to_num(known.get(axis.axis, np.full(len(points), np.nan)), nan=top)
        distance = np.maximum(0.0, top - place)
        own = cell if axis.cells > 1 else np.zeros_like(cell)
        misfit.append({"basis": jnp.asarray(axis.basis(distance)), "own": jnp.asarray(own)})
    table = points
    if "flops" in design.law.inputs:
        table = points.assign(flops=posterior.flops_of(points))
    prepared = design.law.prepared(inputs_of(design.law, table))
    return {
        "inputs": {name: jnp.asarray(x) for name, x in prepared.items()},
        "place": jnp.arange(len(points)),
        "reference": data["reference"],
        **linear_map(design, places),
        "misfit": misfit,
    }


@partial(jax.jit, static_argnums=1)
def _roots(z: Any, layout: Layout, data: Data, there: Data) -> Any:
    """At every draw R, whose R R' is the covariance of the points' log losses by the law: (draws, points, linear)."""
    linear = layout.linear

    def slopes(one: Any, arrays: Data) -> Any:
        return jax.jacfwd(
            lambda x: jnp.log(expected_loss(jnp.concatenate([x, one[linear:]]), layout, arrays))
        )(one[:linear])

    def at(one: Any) -> Any:
        parts, noise = split(one, layout), noise_of(one, layout, data)
        log_tau = log_spreads(parts.spreads, data)
        precision = jnp.diag(linear_precision(log_tau, layout))
        if layout.tied:
            precision = precision + off_diagonal(log_tau, parts.correlations, layout, data)
        seen, wanted = slopes(one, data), slopes(one, there)
        weight = data["kept"] / row_scale(noise, data["decades"], data["relative_se"]) ** 2
        weighed = weight[:, None] * seen
        told = seen.T @ weighed
        if "sigma_run" in noise:
            # The rows of a run are off together: what they say of their sum counts once.
            runs = data["rows"].shape[0]
            sums = jax.ops.segment_sum(weighed, data["run"], runs)
            total = jax.ops.segment_sum(weight, data["run"], runs)
            told = told - sums.T @ (sums / (noise["sigma_run"] ** -2 + total)[:, None])
        precision = precision + told * (noise["nu"] + 1) / (noise["nu"] + 3)
        return jax.scipy.linalg.solve_triangular(jnp.linalg.cholesky(precision), wanted.T, lower=True).T

    return jax.lax.map(at, z)


def _drifts(
    posterior: PosteriorData, points: pd.DataFrame, at: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the drift beyond the fitted runs adds to those covariances, as refits have it (`Measurements.expected`).

    Of each axis: how much at each draw, shape (draws, 1), times a covariance of points, shape (points, points).
    """
    cell = posterior.design.cells_of(points)
    alike = np.where(np.equal.outer(cell, cell), 1.0, COMMON)
    found = []
    for axis, distance in beyond(posterior, points).items():
        out = np.flatnonzero(distance > 0)
        if len(out):
            d = distance[out]
            shape = np.zeros((len(points), len(points)))
            shape[np.ix_(out, out)] = np.outer(d, d) * together(d, d) * alike[np.ix_(out, out)]
            found.append((posterior.draws(f"drift_{axis}")[at, None] ** 2, shape))
    return found
