"""Runs that the posterior finds odd: mis-tuned, diverged, not decayed to their horizon.

The noise is a Student-t, so that such runs pull little; they are not dropped, they are named. A run is odd where its
log loss is off what the law and its group expect by more than `ODD` times the scale of its noise, which Gaussian noise
would be once in sixteen thousand runs; the probability that it is, over the posterior, is what is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.expected import expected_loss
from bayescale.forecast.noise import noise_scale
from bayescale.posterior import PosteriorData

ODD = 4.0
"""Scales of the noise beyond which a run is odd."""

NAMED = 0.5
"""Probability from which on a run is named."""


def odd_runs(
    posterior: PosteriorData, runs: pd.DataFrame | None = None, least: float = NAMED
) -> pd.DataFrame:
    """The odd ones among the fitted runs, or among other measured runs.

    Parameters
    ----------
    posterior : PosteriorData
    runs : DataFrame, optional
        Measured runs, with a ``loss``; the fitted ones where absent.
    least : float
        Smallest probability of being odd that is listed.

    Returns
    -------
    DataFrame
        ``row`` (1 is the first), ``run_id`` where there is one, the grouping columns, ``loss``, ``expected`` (posterior
        median, nats per token), ``off`` (measured over expected, less one), ``scales`` (the same in scales of the
        noise, median) and ``p_odd``; the surest first.
    """
    fitted = runs is None
    table = (posterior.runs if runs is None else runs).reset_index(drop=True)
    if "loss" not in table:
        raise ValueError("odd runs are found by their loss: the table has no column 'loss'")
    design = posterior.design
    expected, _ = expected_loss(posterior, table)
    se = design.loss_se / design.loss if fitted else np.median(design.loss_se / design.loss)
    scale = noise_scale(posterior, table, se)
    if design.several:
        scale = np.hypot(scale, posterior.draws("sigma_run")[:, None])
    off = np.log(table["loss"].to_numpy(float)) - np.log(expected)
    probability = np.mean(np.abs(off) > ODD * scale, axis=0)
    middle = np.median(expected, axis=0)
    keep = [c for c in ("run_id", *design.cells.columns) if c in table]
    found = table[keep].assign(
        loss=table["loss"],
        expected=middle,
        off=table["loss"] / middle - 1,
        scales=np.median(off / scale, axis=0),
        p_odd=probability,
    )
    found.insert(0, "row", np.arange(1, len(table) + 1))
    listed = found[found["p_odd"] >= least]
    return listed.sort_values("p_odd", ascending=False, kind="stable").reset_index(drop=True)


def odd_line(row: Mapping[str, Any]) -> str:
    """One row of `odd_runs` in words."""
    who = f"run {row['run_id']}" if isinstance(row.get("run_id"), str) else f"row {row['row']}"
    return (
        f"{who}: loss {row['loss']:.4g}, expected {row['expected']:.4g} ({100 * row['off']:+.1f} %, "
        f"{row['scales']:+.1f} scales of the noise), P(odd) {row['p_odd']:.2f}"
    )
