"""Runs that could be made: generated under a budget where nobody lists any, and what they cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.decide.decision import DecisionError
from bayescale.decide.spending import Spending
from bayescale.flops import FlopRule
from bayescale.posterior import PosteriorData
from bayescale.runs import conventions_of

SIZES = 7
BUDGETS = 5
THIRTIETH = 1 / 30
"""Share of the budget that the cheapest generated candidate costs."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Runs that could be made.

    Attributes
    ----------
    runs : DataFrame
        Their inputs and labels, a row each.
    flops : ndarray, shape (candidates,)
    cost : ndarray, shape (candidates,)
        In the utility's unit; FLOPs where there is none.
    """

    runs: pd.DataFrame
    flops: np.ndarray
    cost: np.ndarray


def make_candidates(
    posterior: PosteriorData,
    target: pd.DataFrame,
    budget: float,
    offered: pd.DataFrame | None = None,
    spending: Spending | None = None,
) -> Candidates:
    """Those that are offered, or generated, and cost `budget` FLOPs at most each.

    Raises
    ------
    DecisionError
        None is cheap enough; or the decision has a utility and says nothing of what candidates cost.
    """
    if offered is None:
        offered = generate_candidates(posterior, target, budget)
    offered = offered.reset_index(drop=True)
    if offered.empty:
        raise DecisionError(
            "the table of candidates has no rows; list runs, or leave it out to have some made"
        )
    flops = candidate_flops(posterior, offered)
    kept = flops <= budget * (1 + 1e-9)
    if not kept.any():
        raise DecisionError(
            f"no candidate costs {budget:.3g} FLOPs or less; the cheapest costs {flops.min():.3g}"
        )
    offered, flops = offered[kept].reset_index(drop=True), flops[kept]
    return Candidates(offered, flops, flops if spending is None else spending.of_candidates(offered, flops))


def candidate_flops(posterior: PosteriorData, runs: pd.DataFrame) -> np.ndarray:
    """Compute of candidates: as counted, or by the runs' rule."""
    # FLOPs that reading filled in as 6ND are not the table's own: the same rule has to cost candidates and target.
    if "flops" in runs and not conventions_of(runs).flops_filled:
        return runs["flops"].to_numpy(float)
    if not {"params", "tokens"} <= set(runs):
        raise DecisionError("what a run costs is told by its params and tokens; give candidates both columns")
    return np.asarray(posterior.flop_rule.flops(runs["params"], runs["tokens"]), dtype=float)


def generate_candidates(posterior: PosteriorData, target: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Runs in the target's groups: budgets down to a thirtieth, tokens per parameter as the fitted runs have them."""
    runs = posterior.runs
    low, high = (float(np.quantile(runs["tokens"] / runs["params"], p)) for p in (0.05, 0.95))
    others = [c for c in posterior.model.definition.inputs if c not in ("params", "tokens", "flops")]
    shape = [name for scaled in posterior.design.covariates for name in scaled.covariate.columns]
    columns = (*posterior.design.groups.columns, *others, *shape)
    labels = {c: target[c].iloc[0] for c in columns if c in target}
    return sweep_grid(budget, posterior.flop_rule, (low, high), labels)


FIRST_RATIO = (3.0, 100.0)
"""Tokens per parameter of a first sweep: on both sides of every published optimum, where both terms show."""


def first_sweep(budget: float) -> pd.DataFrame:
    """Candidates of a first sweep of so many FLOPs in all: runs of a quarter of it at most, down to a thousandth."""
    return sweep_grid(budget / 4, FlopRule(), FIRST_RATIO, lowest=1 / 250)


def per_cell(posterior: PosteriorData, budget: float) -> pd.DataFrame:
    """Candidates in every cell of the fit, or those of a prior itself."""
    if posterior.provenance.get("prior"):
        return posterior.runs.drop(columns="loss")
    cells = posterior.design.groups
    targets = [cells.iloc[[i]].reset_index(drop=True) for i in range(len(cells))]
    return pd.concat([generate_candidates(posterior, one, budget) for one in targets], ignore_index=True)


def sweep_grid(
    budget: float,
    rule: FlopRule,
    ratio: tuple[float, float],
    labels: dict[str, object] | None = None,
    lowest: float = THIRTIETH,
) -> pd.DataFrame:
    """An IsoFLOP grid: budgets from a share `lowest` of the largest up, sizes over a range of tokens per parameter."""
    rows = []
    for flops in budget * np.geomspace(lowest, 1, BUDGETS):
        sizes = rule.size_at(np.geomspace(*ratio, SIZES), flops)
        rows += [{**(labels or {}), "params": n, "tokens": float(rule.tokens(n, flops))} for n in sizes]
    return pd.DataFrame(rows)
