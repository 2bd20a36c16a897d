"""The law's misfit inside the runs: a smooth deviation that vanishes where the runs end.

Every law is a little wrong, and small runs are where it is most: too small for the schedule, the batch or the
asymptote. Fitted as if it were exact, it bends to them, and forecasts of larger runs inherit the bend, with bands that
are far too sure. So the log of the expected loss is the law's plus, for each axis (compute, size, data), an integrated
random walk that starts at the top of the runs and goes down,

    misfit(d) ~ Gaussian process,   cov(d, d') = s^2 min^2 (3 max - min) / (2 ln(10)^3),

min and max those of d and d', the distances below the largest fitted value in e-folds, and s the standard deviation one
decade below. Value and slope are zero at the top: there the law itself is what the runs say, and cheap runs say less
about it the further they are. s is learned. Each cell has its own deviation in compute, since recipes go wrong in
their own ways, and all share one in size, which is the law's. Where runs give their losses on the way they share one
in data too: a law is of runs that were trained to their end, and what all curves have early on, a new model's will
have.

The process is taken at a few knots and interpolated as Gaussian processes are, which gives a short linear basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Array = np.ndarray

KNOTS = {"flops": 4, "params": 3, "tokens": 4}
"""An integrated random walk is so smooth that more add nothing that runs could show."""

OWN = frozenset({"flops"})
"""Axes in which every cell has its own deviation."""


@dataclass(frozen=True, eq=False)
class MisfitAxis:
    """The misfit along one axis of a design.

    Attributes
    ----------
    axis : str
        ``flops``, ``params`` or ``tokens``.
    reach : float
        Distance from the top of the runs to their bottom, in e-folds.
    cells : int
        How many deviations there are: one a cell, or one.
    """

    axis: str
    reach: float
    cells: int

    @property
    def knots(self) -> int:
        return KNOTS[self.axis]

    @property
    def free(self) -> int:
        """How many coordinates it has, each standard normal for s = 1."""
        return self.cells * self.knots

    def basis(self, distance: Array) -> Array:
        """What the coordinates of one deviation come to at distances below the top, shape (points, knots)."""
        return np.asarray(_covariance(np.clip(distance, 0.0, self.reach), self.places) @ self.loading)

    @property
    def places(self) -> Array:
        """Distances of the knots below the top, shape (knots,)."""
        return np.linspace(0.0, self.reach, self.knots + 1)[1:]

    @property
    def loading(self) -> Array:
        """What each coordinate adds to the weight of each knot's covariance, shape (knots, coordinates)."""
        values, vectors = np.linalg.eigh(_covariance(self.places, self.places))
        # A fixed sign makes the basis, and so the draws of a seed, the same on every machine.
        vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), range(self.knots)])
        return np.asarray(vectors / np.sqrt(values))

    def deviation(self, coordinates: Array, distance: Array) -> Array:
        """Return deviations at distances of their own.

        Parameters
        ----------
        coordinates : ndarray, shape (draws, knots)
        distance : ndarray, shape (draws, points) or (1, points)
            Below the top; nothing deviates above it.

        Returns
        -------
        ndarray, shape (draws, points)
        """
        weights = coordinates @ self.loading.T
        distance = np.clip(distance, 0.0, self.reach)
        total = np.zeros(np.broadcast_shapes(distance.shape, (len(weights), 1)))
        for place, weight in zip(self.places, weights.T, strict=True):
            total += weight[:, None] * _covariance_of(distance, place)
        return total


def _covariance(a: Array, b: Array) -> Array:
    return _covariance_of(np.asarray(a)[:, None], np.asarray(b)[None, :])


def _covariance_of(a: Array, b: Array | float) -> Array:
    """Of places that broadcast."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.asarray(low**2 * (3 * high - low) / (2 * np.log(10) ** 3))
