"""Two kinds of runs: some that lie together, far off what the others agree on."""

from __future__ import annotations

import numpy as np

from bayescale.inference.quantities import fitted_loss
from bayescale.inference.trimmed import TrimmedFit
from bayescale.models.arrays import data_of
from bayescale.models.density import noise_of_draws
from bayescale.models.design import Design
from bayescale.models.layout import layout_of
from bayescale.models.noise import row_scale

FAR = 4.0
"""Scales of the noise beyond which a run is off."""

LEAST, SHARE = 4, 0.05
"""Runs, and share of all runs, that make a kind."""

TOGETHER = 0.3
"""Interquartile range of a kind's distances, over their median, at most. Of the draws of a Student-t of 2.5 degrees of
freedom that are beyond four scales it is .5."""

DRAWS, NAMED = 200, 6
"""Draws that a run's distance is taken over, and rows that are named."""


def two_kinds(design: Design, z: np.ndarray, majority: TrimmedFit | None = None) -> str:
    """Say that a part of the runs is of another kind, or nothing.

    Parameters
    ----------
    design : Design
    z : ndarray, shape (chains, draws, size)
        Of one mode, which says what is expected of every run.
    majority : TrimmedFit, optional
        What the better half of the runs says, which counts if the draws find no kinds: in a broad mode no run is off.

    Returns
    -------
    str
        "18 of 48 runs are 12 % worse than the others, ...: two kinds of runs?", or empty.
    """
    flat = z.reshape(-1, z.shape[-1])
    flat = flat[:: max(1, len(flat) // DRAWS)]
    noise = noise_of_draws(flat, layout_of(design), data_of(design))
    scale = np.median(row_scale(noise, design.decades, design.loss_se / design.loss), axis=0)
    if "sigma_run" in noise:
        scale = np.hypot(scale, np.median(noise["sigma_run"]))
    log_loss = np.log(design.loss)
    found = _kinds(design, log_loss - np.median(np.log(fitted_loss(design, flat)), axis=0), scale)
    if found or majority is None:
        return found
    return _kinds(design, log_loss - majority.fitted, np.full(len(log_loss), majority.scale))


def _kinds(design: Design, off: np.ndarray, scale: np.ndarray) -> str:
    """The same, of the rows' log measured over expected losses and the scale of their noise, shape (rows,)."""
    count = np.bincount(design.run)
    off, scale = (np.bincount(design.run, x) / count for x in (off, np.broadcast_to(scale, off.shape)))
    for side, word in ((1, "worse"), (-1, "better")):
        runs = np.flatnonzero(side * off > FAR * scale)
        if not max(LEAST, SHARE * len(count)) <= len(runs) < len(count):
            continue
        low, middle, high = np.quantile(np.abs(off[runs]), (0.25, 0.5, 0.75))
        if high - low < TOGETHER * middle:
            noise = np.median(np.delete(scale, runs))
            return (
                f"{len(runs)} of {len(count)} runs are {_percent(abs(np.expm1(side * middle)))} {word} than the "
                f"others, whose noise is {_percent(noise)} ({_rows(design, runs)}): two kinds of runs?"
            )
    return ""


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _rows(design: Design, runs: np.ndarray) -> str:
    """The first rows of some runs; 1 is the first of the table."""
    rows = [int(np.flatnonzero(design.run == run)[0]) + 1 for run in runs]
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return f"rows {', '.join(map(str, rows[:NAMED]))}{more}"
