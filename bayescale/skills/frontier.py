"""Which run a budget would buy, for each cell of a loss posterior: as the runs were made, or compute-optimally."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.allocation import allocate
from bayescale.posterior import PosteriorData


def cells_of(posterior: PosteriorData) -> list[dict[str, Any]]:
    """Labels of every cell; one without labels where there are no groups."""
    cells = posterior.design.cells
    return [{str(k): v for k, v in row.items()} for row in cells.to_dict("records")] or [{}]


def dearest_of(posterior: PosteriorData, cell: Mapping[str, Any]) -> float:
    """Compute of a cell's dearest fitted run, in FLOPs."""
    return float(np.nanmax(posterior.flops_of(posterior.runs_of(cell))))


def points_along(
    posterior: PosteriorData, cell: Mapping[str, Any], flops: Sequence[float], optimal: bool = False
) -> pd.DataFrame:
    """Runs of a cell at budgets.

    Parameters
    ----------
    posterior : PosteriorData
    cell : mapping
        Labels.
    flops : sequence of float
    optimal : bool
        Split each budget compute-optimally (the median of the posterior's optimum); otherwise as the cell's runs were
        made: every input of the law follows its own power of compute.

    Returns
    -------
    DataFrame
        ``flops``, the law's inputs, and the cell's labels; a row a budget.
    """
    budgets = np.asarray(flops, dtype=float)
    runs = posterior.runs_of(cell)
    # Covariates stay where the cell's runs have them.
    typical = {s.covariate.column: s.typical(runs) for s in posterior.design.covariates}
    labels = {**cell, **typical}
    if optimal:
        table = allocate(posterior, budgets.tolist(), pd.DataFrame([labels])).table
        return table[[*labels, "flops", "params", "tokens"]].reset_index(drop=True)
    cost = np.log(posterior.flops_of(runs))
    points: dict[str, Any] = {"flops": budgets}
    for name in posterior.model.definition.inputs:
        if name == "flops":
            continue
        values = np.log(np.maximum(runs[name].to_numpy(float), 1e-12))
        if np.ptp(cost) == 0 or np.ptp(values) == 0:
            points[name] = np.full(len(budgets), float(np.exp(np.median(values))))
            continue
        slope, middle = np.polyfit(cost - cost.mean(), values, 1)
        points[name] = np.exp(middle + slope * (np.log(budgets) - cost.mean()))
    if {"params", "tokens"} <= set(points):
        # Rounding of the two powers aside, params x tokens has to cost the budget.
        points["tokens"] = posterior.flop_rule.tokens(points["params"], budgets)
    return pd.DataFrame(points).assign(**labels)
