"""Curves of loss against compute turned round: the compute that a loss takes, and how fast that grows as it falls.

Anagnostidis et al. (2023, arXiv:2311.03233) follow, at every loss, the shape whose curve needs the least further
compute for a further fall: the shape of the least |dC/dL|. What such a run costs is the sum of those slopes over loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEWEST = 3
"""Points of a curve that fall, below which it has no slope to speak of."""

LEAST = 1e-9
"""A fall of log loss from point to point below this is none: a curve on its floor."""

ENDS = (1e-9, 1e9)
"""Losses beyond these are taken to be there."""


@dataclass(frozen=True, eq=False)
class Descent:
    """Compute of several curves at falling losses, draw by draw.

    Attributes
    ----------
    levels : ndarray, shape (levels,)
        Losses, falling.
    compute : ndarray, shape (curves, draws, levels)
        FLOPs at which a curve first comes down to a loss; infinite where it does not.
    slope : ndarray, shape (curves, draws, levels - 1)
        |dC/dL| half-way between two losses; infinite where the curve does not come there.
    """

    levels: np.ndarray
    compute: np.ndarray
    slope: np.ndarray

    @property
    def steps(self) -> np.ndarray:
        """FLOPs from each loss to the next, shape (curves, draws, levels - 1)."""
        with np.errstate(invalid="ignore"):
            found = np.diff(self.compute, axis=2)
        return np.where(np.isnan(found), np.inf, found)

    @property
    def steepest(self) -> np.ndarray:
        """The curve of the least |dC/dL| at each step, shape (draws, levels - 1)."""
        # A curve that ends between two losses does not lead to the next.
        return np.asarray(np.argmin(np.where(np.isfinite(self.steps), self.slope, np.inf), axis=0))

    @property
    def first(self) -> np.ndarray:
        """The curve that comes down to the first loss with the least compute, shape (draws,)."""
        return np.asarray(np.argmin(self.compute[:, :, 0], axis=0))

    def followed(self, first: np.ndarray, path: np.ndarray) -> np.ndarray:
        """Compute at each loss of a run that changes curves, shape (draws, levels).

        Parameters
        ----------
        first : ndarray of int, shape (draws,) or ()
            The curve followed to the first loss.
        path : ndarray of int, shape (draws, levels - 1) or (levels - 1,)
            The curve followed at each step.
        """
        draws = self.compute.shape[1]
        path = np.broadcast_to(path, (draws, len(self.levels) - 1))
        start = self.compute[np.broadcast_to(first, draws), np.arange(draws), 0]
        steps = np.take_along_axis(self.steps, path[None], axis=0)[0]
        return np.asarray(
            start[:, None] + np.concatenate([np.zeros((draws, 1)), steps.cumsum(axis=1)], axis=1)
        )


def descend(flops: np.ndarray, loss: np.ndarray, levels: np.ndarray) -> Descent:
    """Turn curves round.

    Where a curve rises, what it has reached stands: only its new lowest points count.

    Parameters
    ----------
    flops : ndarray, shape (nodes,)
        Increasing.
    loss : ndarray, shape (curves, draws, nodes)
    levels : ndarray, shape (levels,)
        Falling.
    """
    curves, draws, _ = loss.shape
    # Far outside the runs a law may overflow, or fall below nothing.
    safe = np.clip(np.nan_to_num(loss, nan=ENDS[1], posinf=ENDS[1], neginf=ENDS[0]), *ENDS)
    lowest = np.minimum.accumulate(np.log(safe), axis=2)
    falls = np.concatenate([np.ones((curves, draws, 1), bool), np.diff(lowest, axis=2) < -LEAST], axis=2)
    between = np.sqrt(levels[1:] * levels[:-1])
    log_flops, depth = np.log(flops), -lowest
    at, half = -np.log(levels), -np.log(between)
    compute = np.empty((curves, draws, len(levels)))
    slope = np.empty((curves, draws, len(between)))
    for i in range(curves):
        for d in range(draws):
            kept = falls[i, d]
            x, y = depth[i, d, kept], log_flops[kept]
            if len(x) < FEWEST:
                compute[i, d], slope[i, d] = np.inf, np.inf
                continue
            # ln C against -ln L is nearly straight, and its own slope nearly flat: both are safe to interpolate.
            compute[i, d] = np.exp(np.interp(at, x, y, right=np.inf))
            log_slope = np.log(np.gradient(y, x)) + y + x
            slope[i, d] = np.exp(np.interp(half, x, log_slope, right=np.inf))
    return Descent(levels, compute, slope)
