"""How good a forecast was: figures of predictive quantiles against what was measured.

One definition for every comparison, ours and the usual practice's alike: all read the same quantiles, .01 to .99.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.predict import predict
from bayescale.posterior import PosteriorData

GRID = tuple(round(0.01 * i, 2) for i in range(1, 100))
"""Quantiles that scores are read from."""

COVERED = (0.5, 0.8, 0.9, 0.95)
"""Central bands whose coverage is counted."""

BINS = 10
"""Of the histogram of probability integral transforms."""

COARSE = tuple(range(4, 95, 5))
"""Where in the grid a density is read: .05, .10 ... .95. Steps of .01 would score the noise of the draws."""

_LEVELS = np.array(GRID)


def predicted_quantiles(posterior: PosteriorData, runs: pd.DataFrame, seed: int = 0) -> np.ndarray:
    """Quantiles of the loss that a new run would measure, shape (runs, 99)."""
    found = predict(posterior, runs, of="run", quantiles=GRID, seed=seed)
    return found[[f"q{p:g}" for p in GRID]].to_numpy(float)


def crps(quantiles: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score of each run's loss, in the unit of the loss; lower is better.

    Twice the mean pinball loss over the quantiles .01 to .99 (Laio & Tamea 2007, eq. 5). Not from draws themselves: the
    exponential of Student-t noise has no mean, so that their mean distance has none either.

    Parameters
    ----------
    quantiles : ndarray, shape (runs, 99)
    measured : ndarray, shape (runs,)
    """
    error = measured[:, None] - quantiles
    return np.asarray(2 * np.maximum(_LEVELS * error, (_LEVELS - 1) * error).mean(axis=1))


def at(quantiles: np.ndarray, level: float) -> np.ndarray:
    """One quantile of every run, between those of the grid by straight lines."""
    place = np.interp(level, _LEVELS, np.arange(len(GRID)))
    low = min(int(place), len(GRID) - 2)
    share = place - low
    return np.asarray((1 - share) * quantiles[:, low] + share * quantiles[:, low + 1])


def transforms(quantiles: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Probability integral transform of each loss, to a hundredth: the share of quantiles below it, 0 to .99."""
    below = (quantiles < measured[:, None]).sum(axis=1)
    same = (quantiles == measured[:, None]).sum(axis=1)
    return np.asarray((below + same // 2) / 100)


def log_density(quantiles: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Log predictive density of each loss, per unit of it; NaN where all the quantiles are one point.

    The density is even between neighbours of the quantiles .05, .10 ... .95, and beyond falls exponentially, from .05
    to .01 as the quantiles do.
    """
    edges, levels = quantiles[:, COARSE], _LEVELS[list(COARSE)]
    tail = levels[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = np.log(np.diff(levels) / np.diff(edges, axis=1))
        bins = np.clip((edges < measured[:, None]).sum(axis=1) - 1, 0, len(levels) - 2)
        out = inside[np.arange(len(measured)), bins]
        decay = np.log(tail / _LEVELS[0])
        for beyond, scale in (
            (edges[:, 0] - measured, (edges[:, 0] - quantiles[:, 0]) / decay),
            (measured - edges[:, -1], (quantiles[:, -1] - edges[:, -1]) / decay),
        ):
            out = np.where(beyond > 0, np.log(tail / scale) - beyond / scale, out)
    point = np.ptp(quantiles, axis=1) == 0
    return np.where(point, np.nan, out)


def score(quantiles: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    """Every figure over some runs.

    Parameters
    ----------
    quantiles : ndarray, shape (runs, 99)
        Predictive quantiles .01 to .99, which may not cross.
    measured : ndarray, shape (runs,)

    Returns
    -------
    dict
        ``n``; ``error``, mean absolute relative error of the median; ``bias``, mean of the median over the measured
        loss, less one; ``rmsle``, root mean square of the log of that ratio; ``inside50`` to ``inside95``, shares of
        losses inside the central bands; ``width90``, median width of the 90 % band over the loss; ``crps`` in the unit
        of the loss; ``log_score``, mean log density per unit of loss (higher is better; NaN for a point forecast);
        ``pit``, counts of the probability integral transform in ten bins.
    """
    ratio = at(quantiles, 0.5) / measured
    found: dict[str, Any] = {
        "n": len(measured),
        "error": float(np.abs(ratio - 1).mean()),
        "bias": float((ratio - 1).mean()),
        "rmsle": float(np.sqrt((np.log(ratio) ** 2).mean())),
    }
    for mass in COVERED:
        low, high = at(quantiles, (1 - mass) / 2), at(quantiles, (1 + mass) / 2)
        found[f"inside{100 * mass:.0f}"] = float(((low <= measured) & (measured <= high)).mean())
    found["width90"] = float(np.median((at(quantiles, 0.95) - at(quantiles, 0.05)) / measured))
    found["crps"] = float(crps(quantiles, measured).mean())
    found["log_score"] = float(log_density(quantiles, measured).mean())
    bins = (transforms(quantiles, measured) * BINS + 1e-9).astype(int)
    found["pit"] = np.bincount(bins, minlength=BINS).tolist()
    return found


def pool(scores: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Shares and means of several tables' scores, each run counting once: of coverage, bias, error and CRPS."""
    weights = np.array([one["n"] for one in scores], float)
    names = ["error", "bias", *(f"inside{100 * mass:.0f}" for mass in COVERED), "crps"]
    return {name: float(np.average([one[name] for one in scores], weights=weights)) for name in names}
