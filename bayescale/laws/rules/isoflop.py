"""Hoffmann et al. 2022, approaches 1 and 2: the frontier read off runs by least squares, without a law of the loss.

A law-free check of any frontier that a posterior claims. Approach 1 takes the lower envelope of training curves,
approach 2 the vertex of a parabola through each budget's losses against log params. The vertex is biased where the
exponents of size and data differ, the more so the wider the sizes: .3 % for sizes within a factor of 2 of the optimum
and 4.1 % within 16, for Hoffmann's exponents. A cubic removes most of that, at the price of more noise.

Reference: Hoffmann et al. 2022, Training Compute-Optimal Large Language Models, arXiv:2203.15556, sections 3.1 and 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.flops import dense_flops

RESAMPLES = 200
INTERVAL = (0.1, 0.9)
"""The paper's bootstrap intervals run from the 10th to the 90th percentile."""
SAME_BUDGET = 0.05
"""Runs whose FLOPs lie within five per cent of the next are of one budget."""


class FrontierError(UserError):
    """Runs from which no frontier can be read; the message says why."""


@dataclass(frozen=True)
class PowerLaw:
    """y = coefficient C^exponent, with the bootstrap interval of the exponent (None where it was not asked for)."""

    coefficient: float
    exponent: float
    interval: tuple[float, float] | None

    def __call__(self, flops: float) -> float:
        return float(self.coefficient * flops**self.exponent)

    def __str__(self) -> str:
        ends = f" ({self.interval[0]:.3f} to {self.interval[1]:.3f})" if self.interval else ""
        return f"{self.coefficient:.4g} C^{self.exponent:.3f}{ends}"


@dataclass(frozen=True, eq=False)
class Frontier:
    """Compute-optimal sizes read off runs, and the power laws through them.

    Attributes
    ----------
    table : DataFrame
        A row a budget: flops, params, tokens, loss, runs and status, which is ``ok`` or why the budget was left out.
    params, tokens : PowerLaw
        N*(C) and D*(C).
    method : str
    """

    table: pd.DataFrame
    params: PowerLaw
    tokens: PowerLaw
    method: str

    def __str__(self) -> str:
        used = int((self.table["status"] == "ok").sum())
        lines = [
            f"{self.method}, {used} of {len(self.table)} budgets",
            f"  N* = {self.params}",
            f"  D* = {self.tokens}",
        ]
        for row in self.table[self.table["status"] != "ok"].to_dict("records"):
            lines.append(f"  left out: {row['flops']:.3g} FLOPs, {row['status']}")
        return "\n".join(lines)


def budgets(flops: Sequence[float] | np.ndarray, tolerance: float = SAME_BUDGET) -> np.ndarray:
    """Return the number of each run's budget: sorted FLOPs are cut wherever the next is more than `tolerance` away."""
    log_flops = np.log(np.asarray(flops, dtype=float))
    order = np.argsort(log_flops, kind="stable")
    number = np.empty(len(order), dtype=int)
    number[order] = np.concatenate([[0], np.cumsum(np.diff(log_flops[order]) > np.log1p(tolerance))])
    return number


def vertex(log_params: np.ndarray, loss: np.ndarray, degree: int = 2) -> tuple[float, float, str]:
    """Return where a polynomial in log params is least, its value there, and ``ok`` or why it has no such place.

    Parameters
    ----------
    log_params, loss : ndarray
        Of one budget.
    degree : {2, 3}
        A parabola, or the cubic that follows the asymmetry of the two sides.
    """
    if len(np.unique(log_params)) < degree + 1:
        return np.nan, np.nan, f"fewer than {degree + 1} sizes"
    centre = log_params.mean()
    x = log_params - centre
    polynomial = np.polynomial.Polynomial.fit(x, loss, degree).convert()
    # 0 = constant + linear x + quadratic x^2; the root with the upward bend, free of cancellation as quadratic -> 0.
    constant, linear, quadratic = np.pad(polynomial.deriv().coef, (0, 3))[:3]
    square = linear**2 - 4 * quadratic * constant
    bend = np.sqrt(max(square, 0.0))
    if square <= 0 or (linear <= 0 and quadratic == 0):
        return np.nan, np.nan, "no minimum: the losses do not bend upwards"
    best = float(-2 * constant / (linear + bend) if linear > 0 else (bend - linear) / (2 * quadratic))
    if not x.min() <= best <= x.max():
        return np.nan, np.nan, "the minimum lies outside the sizes tried"
    return best + centre, float(polynomial(best)), "ok"


def isoflop(
    runs: pd.DataFrame,
    degree: int = 2,
    resamples: int = RESAMPLES,
    seed: int = 0,
    tolerance: float = SAME_BUDGET,
) -> Frontier:
    """Approach 2: the minimum over sizes at each budget, then power laws through the minima.

    Parameters
    ----------
    runs : DataFrame
        ``params``, ``tokens``, ``loss``, and ``flops`` (6 N D where absent), several sizes at each of several budgets.
    degree : {2, 3}
        Of the polynomial in log params: the paper's parabola, or a cubic, which is far less biased.
    resamples : int
        Bootstrap samples of the runs of each budget; 0 for no intervals.
    seed : int
    tolerance : float
        FLOPs this close, relatively, are one budget.

    Returns
    -------
    Frontier

    Raises
    ------
    FrontierError
        A column is missing, or fewer than two budgets have a minimum among their sizes.
    """
    if degree not in (2, 3):
        raise FrontierError(f"the polynomial is of degree 2 or 3: got {degree}")
    columns = _columns(runs, ("params", "tokens", "loss"))
    params, tokens, loss = (columns[name] for name in ("params", "tokens", "loss"))
    flops = _flops(runs, params, tokens)
    log_params = np.log(params)
    number = budgets(flops, tolerance)
    groups = [np.flatnonzero(number == i) for i in range(number.max() + 1)]

    def minima(rows_of: Sequence[np.ndarray]) -> pd.DataFrame:
        out = []
        for rows in rows_of:
            where, least, status = vertex(log_params[rows], loss[rows], degree)
            budget = np.exp(np.log(flops[rows]).mean())
            # C / (N D) of the runs themselves, 6 by the usual count.
            cost = np.exp(np.log(flops[rows] / (params[rows] * tokens[rows])).mean())
            size = np.exp(where)
            out.append((budget, size, budget / cost / size, least, len(rows), status))
        return pd.DataFrame(out, columns=["flops", "params", "tokens", "loss", "runs", "status"])

    rng = np.random.default_rng(seed)

    def resample() -> pd.DataFrame:
        return minima([rng.choice(rows, len(rows)) for rows in groups])

    method = f"approach 2, IsoFLOP {'parabolas' if degree == 2 else 'cubics'}"
    return _frontier(minima(groups), resample, resamples, method)


def envelope(runs: pd.DataFrame, points: int = 1500, resamples: int = RESAMPLES, seed: int = 0) -> Frontier:
    """Approach 1: at each of many budgets the run whose training curve is lowest there, then power laws through them.

    Parameters
    ----------
    runs : DataFrame
        Training curves: ``params``, ``tokens``, ``loss``, and ``flops`` (6 N D where absent), a row an evaluation.
        Rows of one run share ``run_id``; without that column, ``params``. The learning rate should be decayed at
        each point, which a curve read off one run is not: the paper trains four horizons for each size.
    points : int
        Budgets, even in log FLOPs.
    resamples : int
        Bootstrap samples of the runs; 0 for no intervals.
    seed : int

    Returns
    -------
    Frontier

    Raises
    ------
    FrontierError
        A column is missing, fewer than two runs have two points, or the curves leave no frontier.
    """
    columns = _columns(runs, ("params", "tokens", "loss"))
    flops = _flops(runs, columns["params"], columns["tokens"])
    key = "run_id" if "run_id" in runs else "params"
    curves = []
    for _, rows in pd.Series(np.arange(len(runs))).groupby(runs[key].to_numpy()):
        index = rows.to_numpy()[np.argsort(flops[rows.to_numpy()])]
        if len(index) > 1:
            size = float(columns["params"][index[0]])
            cost = float(np.exp(np.log(flops[index] / columns["tokens"][index]).mean()))
            curves.append((size, cost, np.log(flops[index]), np.log(columns["loss"][index])))
    if len(curves) < 2:
        raise FrontierError(
            f"an envelope needs at least two runs with two or more points each: got {len(curves)}, by column {key!r}"
        )
    sizes, costs = np.array([c[0] for c in curves]), np.array([c[1] for c in curves])
    low, high = min(c[2][0] for c in curves), max(c[2][-1] for c in curves)
    grid = np.linspace(low, high, points)
    log_loss = np.stack([np.interp(grid, x, y, left=np.inf, right=np.inf) for _, _, x, y in curves])

    def lowest(chosen: np.ndarray) -> pd.DataFrame:
        among = log_loss[chosen]
        best = chosen[among.argmin(axis=0)]
        least = among.min(axis=0)
        # Where the smallest or the largest run wins, or a curve starts or stops, the envelope is the grid's, not N*'s.
        inner = (sizes[best] > sizes[chosen].min()) & (sizes[best] < sizes[chosen].max())
        status = np.where(~np.isfinite(least), "no run", np.where(inner, "ok", "at the edge of the sizes"))
        return pd.DataFrame(
            {
                "flops": np.exp(grid),
                "params": sizes[best],
                "tokens": np.exp(grid) / costs[best],
                "loss": np.exp(least),
                "runs": np.isfinite(among).sum(axis=0),
                "status": status,
            }
        )

    rng = np.random.default_rng(seed)

    def resample() -> pd.DataFrame:
        return lowest(np.unique(rng.choice(len(curves), len(curves))))

    return _frontier(
        lowest(np.arange(len(curves))), resample, resamples, "approach 1, envelope of training curves"
    )


def _columns(runs: pd.DataFrame, names: Sequence[str]) -> dict[str, np.ndarray]:
    columns = {}
    for name in names:
        if name not in runs:
            raise FrontierError(
                f"a frontier needs the column {name!r}; the table has {', '.join(map(str, runs))}"
            )
        values = runs[name].to_numpy(float)
        if not (np.isfinite(values) & (values > 0)).all():
            raise FrontierError(f"column {name}: every value must be positive and finite")
        columns[name] = values
    if not len(runs):
        raise FrontierError("the table has no rows")
    return columns


def _flops(runs: pd.DataFrame, params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return _columns(runs, ("flops",))["flops"] if "flops" in runs else dense_flops(params, tokens)


def _fit(table: pd.DataFrame) -> np.ndarray | None:
    """Slope and intercept of log params and of log tokens, shape (2, 2); None where there is nothing to fit."""
    used = table[table["status"] == "ok"]
    if used["flops"].nunique() < 2 or used["params"].nunique() < 2:
        return None
    log_flops = np.log(used["flops"].to_numpy())
    return np.array(
        [np.polyfit(log_flops, np.log(used[name].to_numpy()), 1) for name in ("params", "tokens")]
    )


def _frontier(
    table: pd.DataFrame, resample: Callable[[], pd.DataFrame], resamples: int, method: str
) -> Frontier:
    fit = _fit(table)
    if fit is None:
        reasons = "; ".join(table.loc[table["status"] != "ok", "status"].drop_duplicates())
        raise FrontierError(
            f"{method}: fewer than two budgets have a minimum among their sizes ({reasons or 'ok'})"
        )
    again = [f for f in (_fit(resample()) for _ in range(resamples)) if f is not None]
    laws = []
    for i in range(2):
        ends = None
        if again:
            low, high = np.quantile([f[i, 0] for f in again], INTERVAL)
            ends = (float(low), float(high))
        laws.append(PowerLaw(float(np.exp(fit[i, 1])), float(fit[i, 0]), ends))
    return Frontier(table, laws[0], laws[1], method)
