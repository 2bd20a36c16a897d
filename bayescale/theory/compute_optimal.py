"""Compute-optimal curves: the best size for a budget, and the exponents that a finite window of budgets shows.

flops f = r d B. A window's exponents are least-squares slopes of log d* and log P* in log f, as people fit them. They
approach the asymptotic ones slowly: where d* is between a hundred and a few thousand they can be off by 40 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.theory.equivalent import risk
from bayescale.theory.errors import EdgeError, TheoryError
from bayescale.theory.phases import Exponents, exponents
from bayescale.theory.problem import SHARE, check_complexity, dimension, power_sum

LEAST_STEPS, SMALLEST = 17, 4.0
"""Iterations and features that an optimum has at least."""
COARSE, NARROW, ROUNDS = 24, 8, 2


@dataclass(frozen=True, eq=False)
class Window:
    """The exponents that a window of budgets shows, beside the asymptotic ones.

    Attributes
    ----------
    low, high : float
        Budgets.
    xi, eta : float
        Least-squares slopes over the window.
    asymptotic : Exponents
    """

    low: float
    high: float
    xi: float
    eta: float
    asymptotic: Exponents

    @property
    def off(self) -> tuple[float, float]:
        """How far xi and eta are from the asymptotic ones, relative."""
        return self.xi / self.asymptotic.xi - 1, self.eta / self.asymptotic.eta - 1

    def __str__(self) -> str:
        xi, eta = (f"{100 * x:+.0f} %".replace("-", "−") for x in self.off)
        return (
            f"budgets {self.low:.2g} to {self.high:.2g}: d* ~ f^{self.xi:.3f} (asymptotic "
            f"{self.asymptotic.xi:.3f}, {xi}), P* ~ f^-{self.eta:.3f} ({self.asymptotic.eta:.3f}, {eta})"
        )


def frontier(
    alpha: float,
    beta: float,
    flops: Any,
    ratio: float | None = None,
    share: float = SHARE,
    batch: int = 1,
    largest: float = 1e6,
) -> pd.DataFrame:
    """The compute-optimal size for each budget, by the deterministic equivalent at a real d.

    Parameters
    ----------
    alpha, beta : float
    flops : array_like, shape (budgets,)
        f = r d B, ascending.
    ratio : float, optional
        v / d; absent, infinite where 2 alpha > 1 and `RATIO` otherwise.
    share : float
        gamma times the trace.
    batch : int
    largest : float
        Sizes are looked for up to this.

    Returns
    -------
    DataFrame
        ``flops``, ``d``, ``r``, ``loss``, and the local exponents ``xi`` and ``eta`` between neighbouring budgets.

    Raises
    ------
    EdgeError
        An optimum lies at the edge of the sizes that were looked at.
    """
    flops = np.atleast_1d(np.asarray(flops, float))
    log_d, value, edge = _optima(alpha, beta, flops, ratio, share, batch, largest)
    if edge.any():
        raise EdgeError(
            f"the best size for {flops[edge][0]:.3g} FLOPs is at the edge of those that were looked at "
            f"({SMALLEST:g} to {largest:g} features, {LEAST_STEPS} steps or more)"
        )
    d = np.exp(log_d)
    table = pd.DataFrame({"flops": flops, "d": d, "r": flops / (d * batch), "loss": np.exp(value)})
    if len(flops) > 1:
        table["xi"] = np.gradient(log_d, np.log(flops))
        table["eta"] = -np.gradient(value, np.log(flops))
    return table


def _optima(
    alpha: float,
    beta: float,
    flops: np.ndarray,
    ratio: float | None,
    share: float,
    batch: int,
    largest: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """log d*, log P* and whether the size is at the edge, shape (budgets,) each: ever finer grids, then a parabola."""
    low = np.full(len(flops), np.log(SMALLEST))
    high = np.minimum(np.log(flops / (LEAST_STEPS * batch)), np.log(largest))
    if (high <= low).any():
        raise TheoryError(f"budgets start at {SMALLEST * LEAST_STEPS * batch:g} FLOPs: got {flops.min():g}")
    first, last = low, high
    rows = np.arange(len(flops))
    for points in (COARSE, *(NARROW,) * ROUNDS):
        grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, points)
        losses = np.log(at_budget(alpha, beta, np.exp(grid), flops[:, None], ratio, share, batch))
        best = losses.argmin(axis=1)
        low, high = grid[rows, np.maximum(best - 1, 0)], grid[rows, np.minimum(best + 1, points - 1)]
    inside = np.clip(best, 1, points - 2)
    left, middle, right = (losses[rows, inside + i] for i in (-1, 0, 1))
    step, bend = grid[:, 1] - grid[:, 0], left - 2 * middle + right
    shift = np.clip(0.5 * (left - right) / np.where(bend > 0, bend, 1.0), -1, 1)
    log_d = grid[rows, inside] + shift * step
    edge = (best == 0) & (grid[:, 0] <= first + 1e-9) | (best == points - 1) & (grid[:, -1] >= last - 1e-9)
    return log_d, middle - 0.25 * (left - right) * shift, edge


def at_budget(
    alpha: Any,
    beta: Any,
    d: Any,
    flops: Any,
    ratio: float | None = None,
    share: float = SHARE,
    batch: int = 1,
) -> np.ndarray:
    """P after flops / (d B) steps; broadcasts."""
    check_complexity(alpha, beta)
    d = np.asarray(d, float)
    v = dimension(alpha, d) if ratio is None else ratio * d
    step = share / power_sum(2 * np.asarray(alpha, float), v)
    return risk(alpha, beta, d, np.asarray(flops, float) / (d * batch), v, step, batch)


def window(table: pd.DataFrame, alpha: float, beta: float) -> Window:
    """The exponents of a frontier's whole range, by least squares."""
    log_flops = np.log(table["flops"].to_numpy())
    xi, eta = (np.polyfit(log_flops, np.log(table[name].to_numpy()), 1)[0] for name in ("d", "loss"))
    low, high = table["flops"].iloc[[0, -1]]
    return Window(float(low), float(high), float(xi), float(-eta), exponents(alpha, beta))


def budgets_for(
    alpha: float,
    beta: float,
    sizes: tuple[float, float],
    points: int = 9,
    ratio: float | None = None,
    share: float = SHARE,
    batch: int = 1,
) -> np.ndarray:
    """Budgets, even in their logs, at which the best size goes from the first to the last of `sizes`."""
    flops = np.geomspace(1e3, 1e13, 41)
    log_d, _, edge = _optima(alpha, beta, flops, ratio, share, batch, 30 * max(sizes))
    found, log_flops = np.maximum.accumulate(log_d[~edge]), np.log(flops[~edge])
    if not len(found) or not (found[0] <= np.log(sizes[0]) < np.log(sizes[1]) <= found[-1]):
        raise TheoryError(f"no budgets from 1e3 to 1e13 have optimal sizes from {sizes[0]:g} to {sizes[1]:g}")
    low, high = np.interp(np.log(sizes), found, log_flops)
    return np.exp(np.linspace(low, high, points))


def envelope(
    alpha: float,
    beta: float,
    sizes: Any,
    flops: Any,
    ratio: float | None = None,
    share: float = SHARE,
    batch: int = 1,
) -> np.ndarray:
    """The loss of each size at each budget, shape (sizes, budgets); not a number under `LEAST_STEPS` steps."""
    d, flops = np.asarray(sizes, float)[:, None], np.asarray(flops, float)[None, :]
    out = np.full(np.broadcast_shapes(d.shape, flops.shape), np.nan)
    fits = flops / (d * batch) >= LEAST_STEPS
    full_d, full_f = np.broadcast_arrays(d, flops)
    out[fits] = at_budget(alpha, beta, full_d[fits], full_f[fits], ratio, share, batch)
    return out
