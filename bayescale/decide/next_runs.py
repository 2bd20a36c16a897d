"""Which runs would teach most about a quantity, for what they cost.

A candidate's worth is how much of the quantity's variance it would remove: the squared correlation, over posterior
draws, of the quantity with the log loss that the candidate would measure, noise included. That is the exact answer
when the two are jointly normal, and needs no refit.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.decide.decision import DecisionError
from bayescale.forecast import loss_draws
from bayescale.forecast.predict import typical_se
from bayescale.posterior import PosteriorData
from bayescale.runs import conventions_of

SIZES = 7
BUDGETS = 5


def next_runs(
    posterior: PosteriorData,
    target: pd.DataFrame,
    candidates: pd.DataFrame | None = None,
    budget: float | None = None,
) -> pd.DataFrame:
    """Rank candidate runs by what they would teach about the expected loss at `target`, per FLOP.

    Parameters
    ----------
    posterior : PosteriorData
    target : DataFrame, one row
        The run whose loss is to be known better.
    candidates : DataFrame, optional
        Runs to choose from; generated up to `budget`, in the groups of the target, where absent.
    budget : float, optional
        FLOPs that one candidate may cost at most; a tenth of the target's where absent.

    Returns
    -------
    DataFrame
        The candidates with ``flops``, ``variance_removed`` (share), ``sd_now`` and ``sd_after`` of the log of the
        target's expected loss, best first: those that remove at least half of what the best one removes, by variance
        removed per FLOP.
    """
    if len(target) != 1:
        raise DecisionError(f"one target at a time: got {len(target)} rows")
    if not {"params", "tokens"} <= set(target):
        raise DecisionError("what a run costs is told by its params and tokens; give the target both columns")
    k = posterior.flops_per_param_token
    cost = float(k * target["params"].iloc[0] * target["tokens"].iloc[0])
    budget = 0.1 * cost if budget is None else budget
    if candidates is None:
        candidates = generate_candidates(posterior, target, budget)
    candidates = candidates.reset_index(drop=True)
    # FLOPs that reading filled in as 6ND are not the table's own: the same k has to cost candidates and target.
    counted = "flops" in candidates and not conventions_of(candidates).flops_filled
    flops = (
        candidates["flops"].to_numpy(float)
        if counted
        else (k * candidates["params"] * candidates["tokens"]).to_numpy(float)
    )
    kept = flops <= budget * (1 + 1e-9)
    if not kept.any():
        raise DecisionError(
            f"no candidate costs {budget:.3g} FLOPs or less; the cheapest costs {flops.min():.3g}"
        )
    candidates, flops = candidates[kept].reset_index(drop=True), flops[kept]
    wanted = np.log(loss_draws(posterior, target, "mean")[0][:, 0])
    there = np.log(loss_draws(posterior, candidates, "mean")[0])
    centred, sd = wanted - wanted.mean(), wanted.std()
    covariance = centred @ (there - there.mean(axis=0)) / len(wanted)
    share = covariance**2 / (sd**2 * (there.var(axis=0) + _noise_variance(posterior, candidates)))
    out = candidates.assign(flops=flops, variance_removed=share, sd_now=sd, sd_after=sd * np.sqrt(1 - share))
    # Per FLOP alone the cheapest run always wins, however little it teaches.
    order = np.lexsort((-share / flops, share < 0.5 * share.max()))
    return out.iloc[order].reset_index(drop=True)


def _noise_variance(posterior: PosteriorData, runs: pd.DataFrame) -> np.ndarray:
    """Variance of the log loss that each run measures about its expected one, shape (runs,)."""
    # A Student-t of two degrees of freedom or fewer has no variance; such draws count as three.
    nu = np.maximum(posterior.draws("nu")[:, None], 3.0)
    own = posterior.noise_scale(runs, 0.0) ** 2
    if posterior.design.several:
        own = own + posterior.draws("sigma_run")[:, None] ** 2
    return np.asarray(np.mean(own * nu / (nu - 2), axis=0) + typical_se(posterior) ** 2)


def generate_candidates(posterior: PosteriorData, target: pd.DataFrame, budget: float) -> pd.DataFrame:
    """Runs in the target's groups: budgets down to a thirtieth, tokens per parameter as the fitted runs have them."""
    k = posterior.flops_per_param_token
    runs = posterior.runs
    low, high = (float(np.quantile(runs["tokens"] / runs["params"], p)) for p in (0.05, 0.95))
    others = [c for c in posterior.model.definition.inputs if c not in ("params", "tokens", "flops")]
    labels = {c: target[c].iloc[0] for c in (*posterior.design.cells.columns, *others) if c in target}
    rows = []
    for flops in budget * np.geomspace(1 / 30, 1, BUDGETS):
        sizes = np.sqrt(flops / k / np.geomspace(low, high, SIZES))
        rows += [{**labels, "params": n, "tokens": flops / k / n} for n in sizes]
    return pd.DataFrame(rows)
