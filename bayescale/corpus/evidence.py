"""What one route from the corpus to the data exponent says, and the prior that it makes of a law's default."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Array = np.ndarray

BACKGROUND = (0.1, 1.0)
"""90 % range of the data exponent before the corpus is seen: the default prior of the law of Hoffmann et al. 2022."""

MASS = 0.9
REACH = NormalDist().inv_cdf((1 + MASS) / 2)


@dataclass(frozen=True, eq=False)
class Evidence:
    """One route's estimate of the data exponent.

    Attributes
    ----------
    route, meaning : str
    draws : ndarray, shape (draws,)
        Of the exponent, from the uncertainty of the measurement.
    model_error : float
        Standard deviation of the log of what the route itself may be wrong by.
    """

    route: str
    meaning: str
    draws: Array
    model_error: float

    @property
    def log_normal(self) -> tuple[float, float]:
        """Mean and standard deviation of the log of the exponent, the route's own error included."""
        log = np.log(self.draws)
        return float(log.mean()), float(np.hypot(log.std(), self.model_error))

    def prior(self, background: tuple[float, float] = BACKGROUND) -> tuple[float, float]:
        """The 90 % range of a prior: the background updated by this evidence."""
        return updated(background, *self.log_normal)


def updated(background: tuple[float, float], mean: float, sd: float) -> tuple[float, float]:
    """The 90 % range of a log-normal of the 90 % range `background`, updated by a measurement of the log."""
    low, high = np.log(background)
    before = ((low + high) / 2, (high - low) / (2 * REACH))
    weights = [1 / each**2 for each in (before[1], sd)]
    middle = (weights[0] * before[0] + weights[1] * mean) / sum(weights)
    reach = REACH / np.sqrt(sum(weights))
    return float(np.exp(middle - reach)), float(np.exp(middle + reach))
