"""What candidate runs may measure: simulated from the posterior, the same numbers for every use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.forecast import loss_draws
from bayescale.forecast.beyond import beyond
from bayescale.forecast.expected import Predictor
from bayescale.forecast.known_runs import given_runs
from bayescale.forecast.predict import typical_se
from bayescale.posterior import PosteriorData

COPIES = 4
"""How often one candidate may be in a batch: as runs of different seeds."""

TAIL = 4.0
"""Noise beyond so many scales is brought back to it where a linear summary is made: the posterior of a heavy-tailed
likelihood sets such runs aside, a linear summary cannot."""


def reach_of(posterior: PosteriorData, points: pd.DataFrame) -> dict[str, float]:
    """How far beyond the fitted runs the furthest of some points lies, in e-folds by axis."""
    return {axis: float(d.max()) for axis, d in beyond(posterior, points).items()}


def together(d: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Correlation of drifts at two distances, as refits have it, shape (d, r)."""
    ratio = np.minimum.outer(d, r) / np.maximum.outer(d, r)
    return np.asarray(np.sqrt(1 - (1 - ratio) ** 2))


@dataclass(frozen=True, eq=False)
class Measurements:
    """Candidate runs with what they may measure.

    Attributes
    ----------
    posterior : PosteriorData
    runs : DataFrame
        The candidates, a row each.
    seed : int
        Of the noise.
    reach : dict of float
        How far beyond the fitted runs what is to be learned lies, in e-folds by axis (`reach_of`); see `expected`.
    """

    posterior: PosteriorData
    runs: pd.DataFrame
    seed: int = 0
    reach: dict[str, float] = field(default_factory=dict)

    @cached_property
    def expected(self) -> np.ndarray:
        """Log of the expected loss, shape (draws, candidates).

        The drift of a forecast is a straight line in the distance, and a run just beyond the others would give all of
        it away. A refit does not take it so: it starts the drift anew where the runs then end, which leaves
        (1 - d/r)^2 of its variance at a distance r after a run at d. So the drift of candidates goes with that of what
        is to be learned by the correlation that this amounts to, sqrt(1 - (1 - d/r)^2), and with each other likewise.
        """
        log_loss = np.log(loss_draws(self.posterior, self.runs, "mean")[0])
        return np.asarray(log_loss + self._roughened())

    def _roughened(self) -> np.ndarray | float:
        """What the drift of candidates has to change by."""
        distances = beyond(self.posterior, self.runs)
        far = [axis for axis, d in distances.items() if d.any() and self.reach.get(axis, 0.0) > 0]
        total: np.ndarray | float = 0.0
        for axis in far:
            d, r = distances[axis], self.reach[axis]
            out = d > 0
            size = self.posterior.draws(f"drift_{axis}")[:, None] * d[out]
            to_target = together(d[out], np.array([r]))[:, 0]
            left = together(d[out], d[out]) - np.outer(to_target, to_target)
            values, vectors = np.linalg.eigh(left)
            root = vectors * np.sqrt(np.maximum(values, 0.0))
            rng = np.random.default_rng([self.seed, 9, *axis.encode()])
            own = rng.normal(size=(len(size), len(root))) @ root.T
            change = np.zeros((len(size), len(d)))
            change[:, out] = (to_target - 1) * self._drift_along(axis)[:, out] + size * own
            total = total + change
        return total

    def _drift_along(self, axis: str) -> np.ndarray:
        """The drift that the forecast of candidates has along one axis, shape (draws, candidates)."""
        predictor = Predictor(self.posterior)
        every = predictor.drift(self.runs)
        if len(self.posterior.design.axes) < 2:
            return every
        # Of one FLOP, a point drifts in size alone.
        in_size = predictor.drift(self.runs.assign(flops=1.0))
        return in_size if axis == "params" else every - in_size

    @cached_property
    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and degrees of freedom of a new run's noise of log loss, shape (draws, candidates)."""
        points = self.runs.drop(columns=[c for c in ("run_id",) if c in self.runs])
        given = given_runs(self.posterior, points, typical_se(self.posterior))
        return given.scale, np.asarray(given.freedom)

    @cached_property
    def _normals(self) -> np.ndarray:
        """Standardised noise, shape (draws, candidates, copies)."""
        rng = np.random.default_rng([self.seed, 7])
        freedom = np.broadcast_to(self.noise[1][:, :, None], (*self.expected.shape, COPIES))
        return np.asarray(rng.standard_t(freedom))

    def simulated(self, batch: tuple[int, ...], tame: bool = False) -> np.ndarray:
        """Log losses that a batch may measure, shape (draws, batch); a candidate named twice is run twice."""
        seen: dict[int, int] = {}
        columns = []
        for i in batch:
            copy = seen.get(i, 0)
            seen[i] = copy + 1
            noise = self._normals[:, i, copy]
            noise = np.clip(noise, -TAIL, TAIL) if tame else noise
            columns.append(self.expected[:, i] + self.noise[0][:, i] * noise)
        return np.stack(columns, axis=1)

    def log_density(self, batch: tuple[int, ...], measured: np.ndarray) -> np.ndarray:
        """Log density of measured log losses, shape (sets, batch), under every draw: shape (sets, draws)."""
        from scipy.special import gammaln

        total = np.zeros((len(measured), len(self.expected)))
        for j, i in enumerate(batch):
            scale, nu = self.noise[0][:, i], self.noise[1][:, i]
            standard = (measured[:, j][:, None] - self.expected[:, i]) / scale
            constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * np.log(nu) - np.log(scale)
            total += constant - (nu + 1) / 2 * np.log1p(standard**2 / nu)
        return total

    @cached_property
    def noise_variance(self) -> np.ndarray:
        """Variance of log loss that noise adds, shape (candidates,)."""
        # A Student-t of two degrees of freedom or fewer has no variance; such draws count as three.
        scale, nu = self.noise[0], np.maximum(self.noise[1], 3.0)
        return np.asarray(np.mean(scale**2 * nu / (nu - 2), axis=0))
