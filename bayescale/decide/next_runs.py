"""Which runs would teach most about a quantity, for what they cost: a ranking, run by run.

A candidate's worth is how much of the quantity's variance it would remove: the squared correlation, over posterior
draws, of the quantity with the log loss that the candidate would measure, noise included. That is the exact answer
when the two are jointly normal, and needs no refit. What a decision would gain, and batches of runs chosen together,
are `bayescale.decide.plan`'s.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.decide.candidates import make_candidates
from bayescale.decide.decision import DecisionError
from bayescale.decide.information import single
from bayescale.decide.measurements import Measurements, reach_of
from bayescale.forecast import loss_draws
from bayescale.posterior import PosteriorData


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
    if not {"params", "tokens"} <= set(single(target)):
        raise DecisionError("what a run costs is told by its params and tokens; give the target both columns")
    cost = float(posterior.flop_rule.flops(target["params"].iloc[0], target["tokens"].iloc[0]))
    offered = make_candidates(posterior, target, 0.1 * cost if budget is None else budget, candidates)
    measurements = Measurements(posterior, offered.runs, reach=reach_of(posterior, target))
    wanted = np.log(loss_draws(posterior, target, "mean")[0][:, 0])
    there = measurements.expected
    centred, sd = wanted - wanted.mean(), wanted.std()
    covariance = centred @ (there - there.mean(axis=0)) / len(wanted)
    share = covariance**2 / (sd**2 * (there.var(axis=0) + measurements.noise_variance))
    out = offered.runs.assign(
        flops=offered.flops, variance_removed=share, sd_now=sd, sd_after=sd * np.sqrt(1 - share)
    )
    # Per FLOP alone the cheapest run always wins, however little it teaches.
    order = np.lexsort((-share / offered.flops, share < 0.5 * share.max()))
    return out.iloc[order].reset_index(drop=True)
