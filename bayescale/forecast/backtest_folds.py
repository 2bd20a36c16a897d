"""What a backtest fits and what it forecasts: by a column, above a compute, or budget after budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.flops import dense_flops
from bayescale.models import Model

ALIKE = 0.01
"""Decades of compute within which runs are of one budget."""

PER_BUDGET = 3
"""Runs a budget, on average, from which on a table counts as one of budgets."""

LOWER = 0.5
"""Part of the runs, by compute, that lie below the first band where a table has no budgets."""


class BacktestError(UserError):
    """A table that cannot be backtested as asked; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class TestFold:
    """Runs to fit, and dearer ones to forecast."""

    __test__ = False

    name: str
    fitted: pd.DataFrame
    held: pd.DataFrame

    def beyond(self, axis: str) -> np.ndarray:
        """Decades beyond the largest fitted value, shape (held,): NaN where not known, zero inside."""
        if axis == "flops":
            known, asked = compute_of(self.fitted), compute_of(self.held)
        elif axis in self.fitted and axis in self.held:
            known, asked = self.fitted[axis].to_numpy(float), self.held[axis].to_numpy(float)
        else:
            return np.full(len(self.held), np.nan)
        return np.maximum(0.0, np.log10(asked / np.nanmax(known)))

    def record(self) -> dict[str, Any]:
        """Sizes and the furthest distances."""
        reach = {f"{axis}_beyond": float(np.max(self.beyond(axis))) for axis in ("flops", "params")}
        return {"fold": self.name, "fitted": len(self.fitted), "held_out": len(self.held), **reach}


def compute_of(runs: pd.DataFrame) -> np.ndarray:
    """Compute of every row; 6 N D where it is not given, NaN where neither is known."""
    known = pd.Series(np.nan, index=runs.index)
    if {"params", "tokens"} <= set(runs):
        known = dense_flops(runs["params"].astype(float), runs["tokens"].astype(float))
    return (runs["flops"].astype(float).fillna(known) if "flops" in runs else known).to_numpy(float)


def make_folds(
    runs: pd.DataFrame, split: str = "split", above: float | None = None, rolling: int | None = None
) -> list[TestFold]:
    """Folds of a runs table.

    Parameters
    ----------
    runs : DataFrame
    split : str
        A column that says ``fit`` or ``holdout``.
    above : float, optional
        In its stead: fit what cost at most so many FLOPs, forecast what cost more.
    rolling : int, optional
        In its stead: so many of the table's last budgets, each forecast from what cost less. A table without budgets
        is cut into as many bands, equally wide on a log scale, above its median compute.

    Raises
    ------
    BacktestError
        No such column, nothing to fit, nothing held out, compute that is not known, or fewer budgets than asked for.
    """
    if above is not None and rolling is not None:
        raise BacktestError("runs are held out above a compute or budget after budget: give one of the two")
    if above is None and rolling is None:
        if split not in runs:
            raise BacktestError(
                f"there is no column {split!r} that says which rows to fit and which to hold out: name one, or hold "
                "out what is dear, with --above FLOPS or --rolling K"
            )
        says = runs[split].astype(str)
        return [
            _fold(
                "split" if split == "split" else f"split by {split}",
                runs,
                says == "fit",
                says == "holdout",
                f"column {split}",
            )
        ]
    flops = compute_of(runs)
    if not np.isfinite(flops).all():
        row = int(np.flatnonzero(~np.isfinite(flops))[0])
        raise BacktestError(
            f"row {row + 1}: its compute is not known, so that the dear runs cannot be held out; add a column flops"
        )
    if above is not None:
        if not above > 0:
            raise BacktestError(f"--above takes a number of FLOPs: got {above:g}")
        return [_fold(f"above {above:.3g} FLOPs", runs, flops <= above, flops > above, f"--above {above:g}")]
    assert rolling is not None
    if rolling < 1:
        raise BacktestError(f"--rolling takes at least one budget: got {rolling}")
    found = []
    for low, high in _bands(flops, rolling):
        held = (flops > low) & (flops <= high)
        name = f"{flops[held].max():.3g} FLOPs" if held.any() else f"{low:.3g} to {high:.3g} FLOPs"
        found.append(_fold(name, runs, flops <= low, held, f"--rolling {rolling}"))
    return found


def _bands(flops: np.ndarray, number: int) -> list[tuple[float, float]]:
    """Lower and upper edge of what each fold forecasts."""
    log = np.log10(flops)
    order = np.sort(log)
    tops = [*order[:-1][np.diff(order) > ALIKE], order[-1]]
    if len(flops) >= PER_BUDGET * len(tops):
        if len(tops) <= number:
            raise BacktestError(
                f"--rolling {number}: the table has {len(tops)} budgets, and the first is there to be fitted; "
                f"ask for at most {len(tops) - 1}"
            )
        edges = np.array(tops[-number - 1 :])
    else:
        edges = np.linspace(np.quantile(log, LOWER), log.max(), number + 1)
    # Rounding must not move a run over its edge.
    edges = 10 ** (edges + 1e-9)
    return list(pairwise(edges))


def _fold(name: str, runs: pd.DataFrame, fitted: Any, held: Any, asked: str) -> TestFold:
    if not np.any(fitted):
        raise BacktestError(f"{asked}: no run is left to fit")
    if not np.any(held):
        raise BacktestError(f"{asked}: no run is held out for {name}, so there is nothing to forecast")
    return TestFold(name, runs[np.asarray(fitted)], runs[np.asarray(held)])


def check_fold(fold: TestFold, models: Sequence[Model]) -> None:
    """Refuse a fold before anything is sampled.

    Raises
    ------
    BacktestError
        A loss is missing, or there are fewer runs to fit than some law has parameters.
    """
    for what, table in (("to fit", fold.fitted), ("held out", fold.held)):
        if "loss" not in table:
            raise BacktestError("the table has no column 'loss': there is nothing to compare a forecast with")
        loss = pd.to_numeric(table["loss"], errors="coerce").to_numpy(float)
        bad = ~(np.isfinite(loss) & (loss > 0))
        if bad.any():
            raise BacktestError(
                f"{fold.name}: {bad.sum()} of {len(table)} rows {what} have no loss (first: row "
                f"{table.index[bad.argmax()] + 1}); leave them out with --where 'loss > 0'"
            )
    for model in models:
        least = len(model.definition.parameters) + 1
        if len(fold.fitted) < least:
            raise BacktestError(
                f"{fold.name}: {len(fold.fitted)} rows to fit are too few for {model.name}, whose law has "
                f"{least - 1} parameters; hold out fewer runs or budgets"
            )
