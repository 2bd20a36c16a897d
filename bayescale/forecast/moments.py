"""Mean and standard deviation of forecast losses, where they exist."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bayescale.forecast.weighted import weighted_quantiles

BULK = (0.005, 0.995)
"""Central 99 % of the draws. A mean outside it, or a standard deviation above half its width, is made by fewer than one
draw in a hundred: no variable within an interval has a standard deviation above half its width (Popoviciu 1935)."""


def moments(
    loss: np.ndarray, of: Literal["run", "mean"], weight: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return ``loss_mean`` and ``loss_sd`` of forecast losses, NaN where there are none.

    Parameters
    ----------
    loss : ndarray, shape (draws, points)
    of : {"run", "mean"}
        What the draws are of. A new run's loss has no moments: its noise is Student-t on the log, and the exponential
        of a Student-t has no mean at any number of degrees of freedom.
    weight : ndarray, shape (draws,), optional
        What each draw counts; they sum to one. Equal where absent.

    Returns
    -------
    dict of ndarray, shape (points,)
        Of the expected loss also NaN where a few draws alone would make the figure (`BULK`).
    """
    nothing = np.full(loss.shape[1], np.nan)
    if of == "run" or not loss.size:
        return {"loss_mean": nothing, "loss_sd": nothing}
    finite = np.isfinite(loss).all(axis=0)
    # In units of the largest draw, so that no sum or square overflows.
    known = np.where(finite, loss, 1.0)
    unit = np.maximum(np.abs(known).max(axis=0), 1e-300)
    scaled = known / unit
    share = np.full(len(loss), 1 / len(loss)) if weight is None else weight
    mean = share @ scaled
    sd = np.sqrt(share @ (scaled - mean) ** 2)
    low, high = np.stack([weighted_quantiles(x, share, BULK) for x in scaled.T], axis=1)
    there = finite & (low <= mean) & (mean <= high)
    return {
        "loss_mean": np.where(there, mean * unit, np.nan),
        "loss_sd": np.where(there & (sd <= (high - low) / 2), sd * unit, np.nan),
    }
