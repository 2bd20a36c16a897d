"""Distribution of the loss that a run may measure given the law: its noise is integrated out, and never simulated.

A run's noise of log loss is Student-t (`bayescale.models.noise`). So its loss is L = max(c exp(s T) + a, floor), where
T ~ t_nu and c, s, nu and a are those of one draw of the posterior. The probability of reaching a loss is Student's
distribution function, and the expectation of a piecewise-linear worth follows from integrals of that function:
E[w(L)] = w(l_K) - sum_k (w_{k+1} - w_k) mean of P(L <= l) over l_k < l < l_{k+1}. An average over simulated runs in its
place would go into the maximum over actions with its noise, and bias regret and the value of information upward.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

LARGEST = 50.0
"""Log of the largest factor that noise changes a loss by, as in `bayescale.inference.quantities.measured_loss`."""

FLOOR = 1e-9
"""Lowest loss: an effect that is added may not take it below."""

NODES = 20
"""Gauss-Legendre nodes in asinh(T) on each side of the median. Errors are below 1e-4 of the noise's scale."""


@dataclass(frozen=True, eq=False)
class RunLosses:
    """Losses of runs, each entry of one draw and one action: shapes (draws, actions).

    Attributes
    ----------
    centre : ndarray
        Median c of the loss before anything is added, in the runs' units.
    scale, freedom : ndarray
        Scale s and degrees of freedom of the noise of log loss; a scale of zero is no noise.
    shift : ndarray
        What is added, a.
    """

    centre: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray
    shift: np.ndarray

    def p_at_most(self, loss: float | np.ndarray) -> np.ndarray:
        """Return P(L <= loss), shape (draws, actions).

        Parameters
        ----------
        loss : float or ndarray, shape (actions,)
        """
        z = self._standardised(np.asarray(loss, float))
        return np.where(np.asarray(loss) < FLOOR, 0.0, stdtr(self.freedom, z))

    def at(self, probability: np.ndarray) -> np.ndarray:
        """Return the losses that runs stay below with some probability, the same for all actions.

        Parameters
        ----------
        probability : ndarray, shape (draws, runs)

        Returns
        -------
        ndarray, shape (draws, runs, actions)
        """
        t = stdtrit(self.freedom[:, None], probability[:, :, None])
        noise = np.clip(self.scale[:, None] * t, -LARGEST, LARGEST)
        return np.asarray(np.maximum(self.centre[:, None] * np.exp(noise) + self.shift[:, None], FLOOR))

    def expectation(self, losses: np.ndarray, worth: np.ndarray) -> np.ndarray:
        """Return E[w(L)] for straight lines between points, constant beyond the ends: shape (draws, actions).

        Parameters
        ----------
        losses, worth : ndarray, shape (points,) or (points, actions)
            Losses in increasing order.
        """
        total = np.zeros(self.centre.shape) + worth[-1]
        for k in range(len(losses) - 1):
            step = worth[k + 1] - worth[k]
            total -= step * self._area(losses[k], losses[k + 1]) / (losses[k + 1] - losses[k])
        return total

    def _area(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Integral of P(L <= l) over low < l < high, shape (draws, actions)."""
        low, high = np.maximum(low, FLOOR), np.maximum(high, FLOOR)
        median = np.clip(self.centre + self.shift, low, high)
        left, right = self._standardised(low), self._standardised(high)
        below = self._tail(np.minimum(left, 0.0), np.minimum(right, 0.0), -1)
        above = self._tail(np.maximum(left, 0.0), np.maximum(right, 0.0), 1)
        return np.asarray(np.clip(below + (high - median) - above, 0.0, high - low))

    def _tail(self, left: np.ndarray, right: np.ndarray, side: int) -> np.ndarray:
        """Integral over l of the probability beyond it, for standardised noise between two ends on one side."""
        finite = LARGEST / np.maximum(self.scale, FLOOR)
        a, b = (np.arcsinh(np.clip(end, -finite, finite)) for end in (left, right))
        nodes, weights = np.polynomial.legendre.leggauss(NODES)
        total = np.zeros(self.centre.shape)
        for x, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            t = np.sinh(a + x * (b - a))
            density = self.scale * np.exp(self.scale * t) * np.sqrt(1 + t**2)
            total += weight * density * stdtr(self.freedom, -side * t)
        return np.asarray((b - a) * self.centre * total)

    def _standardised(self, loss: np.ndarray) -> np.ndarray:
        """The noise T that leads to a loss; infinite where none does, and where there is no noise."""
        ratio = (loss - self.shift) / self.centre
        log = np.log(np.maximum(ratio, np.exp(-2 * LARGEST)))
        certain = np.where(self.centre + self.shift <= loss, np.inf, -np.inf)
        beyond = np.where(log < -LARGEST, -np.inf, np.where(log > LARGEST, np.inf, log))
        return np.where(self.scale > FLOOR, beyond / np.maximum(self.scale, FLOOR), certain)
