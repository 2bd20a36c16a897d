"""Forecasts of runs that are known: the fit repeated without the dearest, or the largest, of its own runs.

A fold leaves out what lies in the top part of the range of one axis, on a log scale. Its data keep their shape (rows
that do not count say nothing), and its chains start from the fit of all runs: a fold compiles nothing and searches for
nothing, so that it costs a fraction of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bayescale.inference.nuts import Draws, Progress, Settings, refit
from bayescale.inference.quantities import fitted_loss
from bayescale.models.arrays import data_of
from bayescale.models.density import noise_of_draws
from bayescale.models.design import Design
from bayescale.models.noise import row_scale

LEFT_OUT = (0.15, 0.3)
"""Top parts of an axis that folds leave out, in shares of its range."""

LEAST = 0.3
"""Share of the rows that a fold must have left to be fitted to."""

CHAINS, DRAWS = 2, 400
"""Of a fold: a forecast's mean and covariance need fewer than the fit itself."""

SETTLED = 1.05
"""R-hat of the forecasts below which a fold counts."""

LONGER = 3
"""How many times as long a fold is drawn again that did not settle: what did not count would not have widened bands."""


@dataclass(frozen=True, eq=False)
class Fold:
    """A forecast of runs that are known.

    Attributes
    ----------
    axis : str
        What was cut: ``flops``, ``params`` or ``tokens``.
    share : float
        Part of its range that was left out.
    kept : ndarray of bool, shape (rows,)
    residual : ndarray, shape (left,)
        Log of the measured loss over the median forecast, of the rows that were left out.
    covariance : ndarray, shape (left, left)
        Of the forecast of their expected log loss.
    noise : ndarray, shape (left,)
        Variance of each row's own noise.
    between : float
        Variance of what the rows of one run share.
    beyond : dict of ndarray, shape (left,)
        Distance beyond the rows that were kept, by axis, in e-folds.
    r_hat : float
        Worst over the forecasts.
    """

    axis: str
    share: float
    kept: np.ndarray
    residual: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray
    between: float
    beyond: dict[str, np.ndarray]
    r_hat: float

    def record(self) -> dict[str, Any]:
        """What the fold came to, in plain values: distances in decades, misses of log loss."""
        sd = np.sqrt(np.diag(self.covariance) + self.noise + self.between)
        return {
            "axis": self.axis,
            "share": self.share,
            "fitted": int(self.kept.sum()),
            "forecast": len(self.residual),
            "decades": {name: float(x.max() / np.log(10)) for name, x in self.beyond.items()},
            "median_miss": float(np.median(self.residual)),
            "mean_abs_miss": float(np.abs(self.residual).mean()),
            "inside90": float((np.abs(self.residual) <= 1.645 * sd).mean()),
            "r_hat": self.r_hat,
        }

    @property
    def settled(self) -> bool:
        return self.r_hat < SETTLED


Cut = tuple[str, float, np.ndarray]
"""Axis, share of its range that is left out, and the rows that are kept."""


def choose_folds(design: Design) -> list[Cut]:
    """Every fold that leaves enough to fit, and something to forecast."""
    least = max(2 * len(design.law.parameters), LEAST * len(design.loss))
    found: list[Cut] = []
    for axis, x in design.axes.items():
        for share in LEFT_OUT:
            kept = x <= x.max() - share * np.ptp(x)
            new = not any(np.array_equal(kept, other) for _, _, other in found)
            if kept.sum() >= least and np.ptp(x[kept]) > 0 and new:
                found.append((axis, share, kept))
    return found


def run_folds(
    design: Design,
    known: Draws,
    seed: int,
    settings: Settings,
    progress: Progress | None = None,
) -> list[Fold]:
    """Fit and forecast every fold.

    Parameters
    ----------
    known : Draws
        Of the posterior given all rows.
    progress : callable, optional
        Told of every chain's iterations, over all folds.
    """
    chosen = choose_folds(design)
    quick = replace(settings, chains=min(settings.chains, CHAINS), draws=min(settings.draws, DRAWS))

    def told(fold: int) -> Progress | None:
        def tell(chain: int, done: int, total: int, divergences: int) -> None:
            if progress is not None:
                progress(chain, fold * total + done, len(chosen) * total, divergences)

        return progress and tell

    found = [_fold(design, known, seed + 1 + i, quick, cut, told(i)) for i, cut in enumerate(chosen)]
    longer = replace(quick, warmup=LONGER * quick.warmup, draws=LONGER * quick.draws)
    return [
        fold if fold.settled else _fold(design, known, seed + 1 + i, longer, chosen[i], None)
        for i, fold in enumerate(found)
    ]


def _fold(
    design: Design, known: Draws, seed: int, settings: Settings, cut: Cut, progress: Progress | None
) -> Fold:
    axis, share, kept = cut
    layout, data = known.layout, data_of(design, kept)
    drawn = refit(data, known, seed, settings, progress).z
    flat = drawn.reshape(-1, drawn.shape[-1])
    left = ~kept
    expected = np.log(fitted_loss(design, flat, kept)[:, left])
    noise = noise_of_draws(flat, layout, data)
    scale = np.median(row_scale(noise, design.decades, design.loss_se / design.loss)[:, left], axis=0)
    # A Student-t of few degrees of freedom has no variance; such noise counts as if it had five.
    nu = max(float(np.median(noise["nu"])), 5.0)
    stretch = nu / (nu - 2)
    return Fold(
        axis,
        share,
        kept,
        np.log(design.loss[left]) - np.median(expected, axis=0),
        np.atleast_2d(np.cov(expected.T)),
        stretch * scale**2,
        stretch * float(np.median(noise["sigma_run"])) ** 2 if "sigma_run" in noise else 0.0,
        {name: np.maximum(0.0, x[left] - x[kept].max()) for name, x in design.input_logs.items()},
        _worst_r_hat(expected.reshape(*drawn.shape[:2], -1)),
    )


def _worst_r_hat(values: np.ndarray) -> float:
    from arviz_stats.base import array_stats

    found: Any = array_stats.rhat(np.moveaxis(values, 2, 0), chain_axis=1, draw_axis=2)
    return float(np.max(found))
