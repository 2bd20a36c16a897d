"""What candidate runs may measure: simulated from the posterior, the same numbers for every use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.forecast import loss_draws
from bayescale.forecast.beyond import beyond
from bayescale.forecast.expected import Predictor
from bayescale.forecast.known_runs import Given, given_runs
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
    def given(self) -> Given:
        """Noise of new runs, also where a candidate has the ``run_id`` of a fitted one."""
        return given_runs(self.posterior, self.runs, typical_se(self.posterior), fresh=True)

    @property
    def noise(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and degrees of freedom of each candidate's noise of log loss, shape (draws, candidates)."""
        return self.given.scale, self.given.freedom

    @cached_property
    def _normals(self) -> np.ndarray:
        """Noise in units of its scale, shape (draws, candidates, copies); rows of one run are drawn together."""
        rng = np.random.default_rng([self.seed, 7])
        return np.stack([self.given.simulated(rng) / self.given.scale for _ in range(COPIES)], axis=2)

    def simulated(self, batch: tuple[int, ...], tame: bool = False) -> np.ndarray:
        """Log losses that a batch may measure, shape (draws, batch).

        A candidate named twice is run twice. Candidates of one ``run_id`` are rows of one run.
        """
        columns = []
        for i, copy in zip(batch, copies_of(batch), strict=True):
            noise = self._normals[:, i, copy]
            noise = np.clip(noise, -TAIL, TAIL) if tame else noise
            columns.append(self.expected[:, i] + self.noise[0][:, i] * noise)
        return np.stack(columns, axis=1)

    def run_of(self, batch: tuple[int, ...]) -> np.ndarray:
        """Number of the run that each member of a batch is a row of, shape (batch,): a second copy is a second run."""
        return self.given.run[list(batch)] * COPIES + copies_of(batch)

    def log_density(self, batch: tuple[int, ...], measured: np.ndarray) -> np.ndarray:
        """Log density of measured log losses, shape (sets, batch), under every draw: shape (sets, draws)."""
        from scipy.special import gammaln

        total = np.zeros((len(measured), len(self.expected)))
        at, run = np.array(batch), self.run_of(batch)
        for one in np.unique(run):
            mine = np.flatnonzero(run == one)
            own, shared = self.given.own[:, at[mine]], self.given.shared[:, at[mine]]
            nu, rows = self.given.freedom[:, at[mine[0]]], len(mine)
            off = measured[:, None, mine] - self.expected[:, at[mine]]
            # Sherman and Morrison, as in `bayescale.models.noise`.
            inflation = 1 + (shared**2 / own**2).sum(axis=1)
            pull = (off * (shared / own**2)).sum(axis=2)
            distance = (off**2 / own**2).sum(axis=2) - pull**2 / inflation
            constant = gammaln((nu + rows) / 2) - gammaln(nu / 2) - 0.5 * rows * np.log(nu * np.pi)
            constant = constant - np.log(own).sum(axis=1) - 0.5 * np.log(inflation)
            total += constant - (nu + rows) / 2 * np.log1p(distance / nu)
        return total

    def noise_covariance(self, batch: tuple[int, ...]) -> np.ndarray:
        """Covariance of log losses that noise adds to a batch, shape (batch, batch)."""
        at = np.array(batch)
        same = np.equal.outer(run := self.run_of(batch), run)
        shared = (self.given.shared * self._spread)[:, at]
        off_diagonal = np.einsum("di,dj->ij", shared, shared) / len(shared)
        return np.asarray(
            np.where(np.eye(len(at), dtype=bool), self.noise_variance[at], np.where(same, off_diagonal, 0.0))
        )

    @property
    def _spread(self) -> np.ndarray:
        """Standard deviation of a Student-t of scale one, shape (draws, candidates)."""
        # A Student-t of two degrees of freedom or fewer has no variance; such draws count as three.
        nu = np.maximum(self.noise[1], 3.0)
        return np.asarray(np.sqrt(nu / (nu - 2)))

    @cached_property
    def noise_variance(self) -> np.ndarray:
        """Variance of log loss that noise adds, shape (candidates,)."""
        return np.asarray(np.mean((self.noise[0] * self._spread) ** 2, axis=0))


def copies_of(batch: tuple[int, ...]) -> list[int]:
    """Return how often each member of a batch was named before it."""
    return [batch[:position].count(i) for position, i in enumerate(batch)]
