"""Check held-out losses against their joint forecast: one discrepancy for all runs together, and its p value.

Runs of one forecast miss together, since they share parameters, drift, groups and runs. Counting misses one by one
therefore says little. The discrepancy is a Mahalanobis distance with Student-t rows. With y the log losses, m and L L'
the mean and covariance of the forecast of their expected log losses, and t the noise of one run's rows,

    T(y) = min over u of  |u|^2 - 2 sum over runs of log t(y - m - L u) + constant,

the squared length of the shared deviation that explains y best and what is left to noise. With Gaussian noise it is
exactly the squared Mahalanobis distance of y, of expectation the number of rows. Student-t rows keep one odd run of a
replicate from hiding what a deviation shared by all runs costs.

Among many rows a distance hides an error that all of them share: four standard deviations add 16 to a sum of a hundred
that is uncertain by 14. So the shared error counts by itself too: how far T falls where a common error of all log
losses is free. The p value is that of the smaller of the two p values, over replicates of the posterior predictive
distribution (Gelman, Meng & Stern 1996). Replicates are joint draws. They are none of the draws that m and L are made
from, so that the rate of false alarms is nominal under the model whatever the number of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.forecast.known_runs import Given

COPIES, CELLS = 4, 400_000
"""Replicates for each posterior draw, so that a p value of .0001 is resolved; one where replicates times rows would
pass `CELLS`, since many rows seldom leave a p value that is hard to tell from zero."""

DIRECTIONS = 30
"""Most directions in which the forecast may be off as a whole."""

SMALL = 0.01
"""Variance, in units of a row's noise, below which a direction is left to the noise."""

FREE = 10.0
"""Standard deviation of a common error of log loss that counts as free: e^10 is more than any loss is off."""

ROUNDS = 12
"""Iterations of re-weighted least squares: enough for four digits of T on tables of one to a hundred rows."""

PART = 4000
"""Replicates that are held in memory together."""


@dataclass(frozen=True)
class Discrepancy:
    """One discrepancy with what it is under the forecast itself.

    Attributes
    ----------
    value : float
    median, high : float
        Median and 95th percentile under the forecast itself.
    """

    value: float
    median: float
    high: float


@dataclass(frozen=True)
class JointCheck:
    """Discrepancies of held-out losses from their joint forecast.

    Attributes
    ----------
    joint : Discrepancy
        T of all rows together, about the number of rows where the forecast is right.
    shared : Discrepancy
        How much of it one error that all rows share explains, about one where the forecast is right.
    p_value : float
        Probability of discrepancies at least as rare under the forecast itself.
    """

    joint: Discrepancy
    shared: Discrepancy
    p_value: float


def joint_check(expected: np.ndarray, given: Given, measured: np.ndarray, seed: int = 1) -> JointCheck:
    """Compare measured losses with replicates of their joint posterior predictive distribution.

    Parameters
    ----------
    expected : ndarray, shape (draws, rows)
        Log of the expected loss, the draws of all rows joint.
    given : Given
        Noise of log loss at the rows.
    measured : ndarray, shape (rows,)
        Log of the measured losses.
    seed : int
        Of the replicates' noise.
    """
    return Reference.of(expected, given, seed).check(measured)


@dataclass(frozen=True, eq=False)
class Reference:
    """Replicates that any measured losses of the same rows can be compared with.

    Attributes
    ----------
    shapes : tuple of _Shape
        Of either half of the draws.
    made : tuple of ndarray, shape (replicates, 2)
        Joint and shared discrepancies of replicates of the other half.
    """

    shapes: tuple[_Shape, ...]
    made: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, expected: np.ndarray, given: Given, seed: int = 1) -> Reference:
        """Make the replicates; see `joint_check`."""
        rng = np.random.default_rng([seed, 3])
        draws, rows = expected.shape
        copies = COPIES if draws * COPIES * rows <= CELLS else 1
        # Every other draw: where chains are in different modes, either half has them all.
        halves = [np.arange(draws)[first::2] for first in (0, 1)]
        shapes, made = [], []
        for basis, other in (halves, halves[::-1]):
            again = np.tile(other, copies)
            shapes.append(_Shape.of(expected[basis], given, basis))
            made.append(shapes[-1].discrepancies(expected[again] + given.simulated(rng, again)))
        return cls(tuple(shapes), tuple(made))

    def check(self, measured: np.ndarray) -> JointCheck:
        """Compare log losses, shape (rows,), with the replicates."""
        found = np.stack([shape.discrepancies(measured[None])[0] for shape in self.shapes])
        as_rare = total = 0
        for one, made in zip(found, self.made, strict=True):
            # The measured losses are one more set among the replicates, so that no p value is zero.
            tails = np.stack([_upper_tail(column) for column in np.vstack([one, made]).T])
            rarest = tails.min(axis=0)
            as_rare, total = as_rare + int((rarest[1:] <= rarest[0]).sum()), total + len(made)
        figures = [
            Discrepancy(float(value), *(float(q) for q in np.quantile(column, (0.5, 0.95))))
            for value, column in zip(found.mean(axis=0), np.concatenate(self.made).T, strict=True)
        ]
        return JointCheck(figures[0], figures[1], (1 + as_rare) / (1 + total))


def _upper_tail(values: np.ndarray) -> np.ndarray:
    """Return how many of the values are at least as large as each, itself included."""
    return np.asarray(len(values) - np.searchsorted(np.sort(values), values, side="left"))


@dataclass(frozen=True, eq=False)
class _Shape:
    """Fixed quantities of T; rows are sorted by run.

    Attributes
    ----------
    order : ndarray of int, shape (rows,)
    starts, size : ndarray of int, shape (runs,)
        First row of each run, and number of its rows.
    centre : ndarray, shape (rows,)
        m, with what is known of fitted runs.
    directions : ndarray, shape (rows, k)
        L.
    own, shared : ndarray, shape (rows,)
        Scales of the noise.
    freedom : ndarray, shape (runs,)
    """

    order: np.ndarray
    starts: np.ndarray
    size: np.ndarray
    centre: np.ndarray
    directions: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    freedom: np.ndarray

    @classmethod
    def of(cls, expected: np.ndarray, given: Given, draws: np.ndarray) -> _Shape:
        order = np.argsort(given.run, kind="stable")
        _, starts, size = np.unique(given.run[order], return_index=True, return_counts=True)
        middle = expected + given.centre[draws]
        own, shared, freedom = (
            np.median(x[draws], axis=0)[order] for x in (given.own, given.shared, given.freedom)
        )
        return cls(
            order,
            starts,
            size,
            np.median(middle, axis=0)[order],
            _directions(middle[:, order], np.hypot(own, shared)),
            own,
            shared,
            freedom[starts],
        )

    def discrepancies(self, y: np.ndarray) -> np.ndarray:
        """Return T and the share of a common error in it, shape (sets, 2), for log losses y of shape (sets, rows)."""
        off = y[:, self.order] - self.centre
        common = np.full((len(self.centre), 1), FREE)
        freed = np.hstack([self.directions, common])
        parts = [off[i : i + PART] for i in range(0, len(off), PART)]
        joint, left = (
            np.concatenate([self._discrepancy(part, directions) for part in parts])
            for directions in (self.directions, freed)
        )
        return np.stack([joint, joint - left], axis=1)

    def _discrepancy(self, off: np.ndarray, directions: np.ndarray) -> np.ndarray:
        k = directions.shape[1]
        solved = self._solve(directions.T)
        # L_r' S_r^-1 L_r of each run, shape (runs, k, k).
        curvature = np.add.reduceat(solved.T[:, :, None] * directions[:, None, :], self.starts, axis=0)
        weight = np.ones((len(off), len(self.size)))
        u = np.zeros((len(off), k))
        left = off
        for _ in range(ROUNDS if k else 0):
            each = np.repeat(weight, self.size, axis=1)
            precision = np.eye(k) + np.tensordot(weight, curvature, axes=1)
            u = np.linalg.solve(precision, ((each * off) @ solved.T)[:, :, None])[:, :, 0]
            left = off - u @ directions.T
            weight = (self.freedom + self.size) / (self.freedom + self._distance(left))
        noise = (self.freedom + self.size) * np.log1p(self._distance(left) / self.freedom)
        return np.asarray((u**2).sum(axis=1) + noise.sum(axis=1))

    def _distance(self, left: np.ndarray) -> np.ndarray:
        """Return e' S^-1 e of each run, shape (sets, runs)."""
        return self._by_run(left * self._solve(left))

    def _by_run(self, x: np.ndarray) -> np.ndarray:
        """Return sums over each run's rows, shape (sets, runs), for x of shape (sets, rows)."""
        return x if len(self.starts) == x.shape[1] else np.asarray(np.add.reduceat(x, self.starts, axis=1))

    def _solve(self, e: np.ndarray) -> np.ndarray:
        """Return S^-1 e by run, for e of shape (any, rows): a diagonal and one outer product."""
        if len(self.starts) == e.shape[1]:
            return np.asarray(e / (self.own**2 + self.shared**2))
        weight = 1 / self.own**2
        pull = self._by_run(e * (weight * self.shared))
        inflation = 1 + self._by_run((weight * self.shared**2)[None])[0]
        taken = np.repeat(pull / inflation, self.size, axis=1)
        return np.asarray(weight * (e - self.shared * taken))


def _directions(middle: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return the directions in which expected log losses are uncertain together, one standard deviation each."""
    whitened = (middle - middle.mean(axis=0)) / scale
    # Of many rows the singular vectors of the draws are found sooner than the covariance's.
    _, size, across = np.linalg.svd(whitened / np.sqrt(len(middle)), full_matrices=False)
    kept = np.flatnonzero(size**2 > SMALL)[:DIRECTIONS]
    return np.asarray(scale[:, None] * across[kept].T * size[kept])
