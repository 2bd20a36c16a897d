"""The scale of the noise at points: that of their groups, where the noise differs by group."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.forecast.expected import Predictor
from bayescale.posterior import PosteriorData


def noise_scale(
    posterior: PosteriorData, points: pd.DataFrame, relative_se: float | np.ndarray
) -> np.ndarray:
    """Scale of each point's own noise of log loss, shape (draws, points).

    A new group's is drawn from the population of groups, and of a point without a label it is that of the known group
    whose parameters the point has in the same draw.
    """
    return posterior.noise_scale(points, relative_se, Predictor(posterior).noise_factor(points))
