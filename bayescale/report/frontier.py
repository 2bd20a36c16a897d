"""The compute-optimal frontier of a group: what the best run of each budget is, draw by draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.decide.curves import curves
from bayescale.decide.errors import AllocationError
from bayescale.posterior import PosteriorData

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Frontier:
    """Quantiles of the expected loss, and of the best size and tokens, at each budget.

    Attributes
    ----------
    flops : ndarray, shape (budgets,)
    loss : ndarray, shape (5, budgets)
        At `LEVELS`.
    params, tokens, ratio : ndarray or None
        The same, of N*, D* and D*/N*; None for a law of compute alone.
    """

    flops: np.ndarray
    loss: np.ndarray
    params: np.ndarray | None = None
    tokens: np.ndarray | None = None
    ratio: np.ndarray | None = None


def frontier(
    posterior: PosteriorData, groups: pd.DataFrame, flops: Sequence[float] | np.ndarray
) -> list[Frontier]:
    """Return a frontier for each group; none at all where the law has no compute-optimal run.

    Parameters
    ----------
    posterior : PosteriorData
    groups : DataFrame
        Labels of the grouping columns, a row a group.
    flops : sequence of float
        Budgets.

    Returns
    -------
    list of Frontier
    """
    budgets = np.asarray(flops, dtype=float)
    try:
        every = curves(posterior, groups if len(groups) else pd.DataFrame(index=[0]))
        optima = [curve.best(budgets) for curve in every]
    except AllocationError:
        return []
    found = []
    for best in optima:
        if best.plan is None:
            found.append(Frontier(budgets, _levels(best.loss)))
            continue
        params, tokens = best.plan
        found.append(
            Frontier(budgets, _levels(best.loss), _levels(params), _levels(tokens), _levels(tokens / params))
        )
    return found


def _levels(draws: np.ndarray) -> np.ndarray:
    return np.quantile(draws, LEVELS, axis=0)
