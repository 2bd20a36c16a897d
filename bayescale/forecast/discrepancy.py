"""How far losses are off the law in one group, draw by draw, as a function of where a run lies.

`bayescale.forecast.expected.expected_loss` says it at points that are the same for all draws. A search for the best
size has a size a draw, and asks again and again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayescale.models.misfit import MisfitAxis


@dataclass(frozen=True, eq=False)
class MisfitAlong:
    """Misfit below the top of the runs along an axis: `coordinates` of shape (draws, knots)."""

    axis: MisfitAxis
    top: float
    coordinates: np.ndarray


@dataclass(frozen=True, eq=False)
class DriftAlong:
    """Drift beyond the top of the runs along an axis: `slope` of log loss per e-fold, shape (draws,)."""

    axis: str
    top: float
    slope: np.ndarray


@dataclass(frozen=True, eq=False)
class Discrepancy:
    """Misfit and drift of one group.

    Attributes
    ----------
    misfit : tuple of MisfitAlong
    drift : tuple of DriftAlong
    typical_flops : float
        The compute that the axis of compute counts from.
    """

    misfit: tuple[MisfitAlong, ...]
    drift: tuple[DriftAlong, ...]
    typical_flops: float

    def log_factor(self, run: Mapping[str, Any]) -> np.ndarray:
        """Return what the discrepancy adds to the log of the expected loss.

        Parameters
        ----------
        run : mapping of array_like
            ``flops`` and the law's inputs, each a number or of shape (draws,) or (draws, sizes). An axis that is absent
            adds nothing.

        Returns
        -------
        ndarray, shape (draws, 1) or (draws, sizes)
        """
        total: Any = 0.0
        for misfit in self.misfit:
            if misfit.axis.axis in run:
                distance = misfit.top - self._place(misfit.axis.axis, run[misfit.axis.axis])
                if (distance > 0).any():
                    total = total + misfit.axis.deviation(misfit.coordinates, distance)
        for drift in self.drift:
            if drift.axis in run:
                distance = self._place(drift.axis, run[drift.axis]) - drift.top
                if (distance > 0).any():
                    total = total + drift.slope[:, None] * np.maximum(distance, 0.0)
        return np.zeros((self.draws, 1)) + total

    @property
    def kinks(self) -> tuple[float, ...]:
        """Log sizes where a drift begins."""
        return tuple(drift.top for drift in self.drift if drift.axis == "params")

    @property
    def draws(self) -> int:
        """Number of draws; one where there is neither misfit nor drift."""
        each = [m.coordinates for m in self.misfit] + [d.slope for d in self.drift]
        return len(each[0]) if each else 1

    def _place(self, axis: str, values: Any) -> np.ndarray:
        """Places along an axis, shape (draws, sizes), or (1, sizes) where all draws have the same."""
        values = np.asarray(values, dtype=float)
        values = values[:, None] if values.ndim == 1 else np.atleast_2d(values)
        if (values == values[:1]).all():
            values = values[:1]
        return np.log(np.maximum(values, 1e-300)) - (np.log(self.typical_flops) if axis == "flops" else 0.0)


NOWHERE = Discrepancy((), (), 1.0)
"""Of a law that is exact."""
