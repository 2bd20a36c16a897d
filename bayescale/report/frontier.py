"""The compute-optimal frontier of a group: what the best run of each budget is, draw by draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.decide.allocation import AllocationError, optimum
from bayescale.forecast.expected import Predictor
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
    groups = groups if len(groups) else pd.DataFrame(index=[0])
    predictor = Predictor(posterior)
    cells = predictor.parameters(groups)
    law, k = cells.law, posterior.flops_per_param_token
    found = []
    for i in range(len(cells.groups)):
        # Budgets down, draws across: one call a group, also where the optimum is searched for.
        values = {name: x[None, :, i] for name, x in cells.values.items()}
        if set(law.inputs) == {"flops"}:
            loss = np.asarray(law.loss(values, {"flops": budgets[:, None]}))
            drifted = loss * _drift(predictor, groups.iloc[i], budgets)
            found.append(Frontier(budgets, _levels(drifted)))
            continue
        try:
            params, tokens = optimum(law, values, budgets[:, None], k)
        except AllocationError:
            return []
        loss = np.asarray(law.loss(values, {"params": params, "tokens": tokens}))
        loss = loss * _drift(predictor, groups.iloc[i], budgets, params)
        found.append(
            Frontier(budgets, _levels(loss), _levels(params), _levels(tokens), _levels(tokens / params))
        )
    return found


def _drift(
    predictor: Predictor, labels: pd.Series, budgets: np.ndarray, params: np.ndarray | None = None
) -> np.ndarray:
    """Factors that the loss may have drifted by, shape (budgets, draws): as far out as a budget's median size is."""
    points = pd.DataFrame({**labels.to_dict(), "flops": budgets})
    if params is not None:
        points["params"] = np.median(params, axis=1)
    return np.exp(predictor.drift(points).T)


def _levels(draws: np.ndarray) -> np.ndarray:
    return np.quantile(draws, LEVELS, axis=1)
