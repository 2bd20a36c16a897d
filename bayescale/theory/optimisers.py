"""Which phases move with the optimiser: compute-optimal exponents by simulation, step sizes tuned for each size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayescale.theory.compute_optimal import LEAST_STEPS
from bayescale.theory.errors import TheoryError
from bayescale.theory.features import Features
from bayescale.theory.problem import RATIO, Problem
from bayescale.theory.sgd import Optimiser, simulate

SHARES = {
    "sgd": (0.15, 0.3, 0.6),
    "momentum": (0.15, 0.3, 0.6),
    "adam": (0.02, 0.06, 0.2),
    "sign": (0.02, 0.06, 0.2),
}
"""Step sizes to choose among: times the inverse trace (over 1 - momentum for the heavy ball), or in units of theta."""
RULES = {
    "sgd": Optimiser("sgd"),
    "momentum": Optimiser("momentum", momentum=0.9),
    "adam": Optimiser("adam", second=0.99, decay=0.5),
    "sign": Optimiser("sign", decay=0.5),
}
"""The optimisers as they are compared; Adam's and sign descent's steps shrink as 1 / sqrt(t), or they stall."""
MARKS = 24


def tuned_envelope(
    alpha: float,
    beta: float,
    name: str,
    sizes: Sequence[int] = (12, 24, 48, 96, 192),
    budgets: tuple[float, float] = (4e3, 2e5),
    seeds: int = 12,
    batch: int = 1,
    points: int = 9,
    seed: int = 0,
) -> pd.DataFrame:
    """The best mean risk over sizes and step sizes at each budget.

    Parameters
    ----------
    alpha, beta : float
    name : str
        Of `RULES`.
    sizes : sequence of int
        Features d, one draw of them each.
    budgets : tuple of float
        The least and largest f = r d B.
    seeds : int
        Runs that are averaged.
    batch, points, seed : int

    Returns
    -------
    DataFrame
        ``flops``, ``loss``, ``d``, ``step`` of the best, a row a budget.
    """
    if name not in RULES:
        raise TheoryError(f"no optimiser {name!r}: there are {', '.join(RULES)}")
    flops = np.geomspace(*budgets, points)
    rows = []
    for d in sizes:
        features = Features.draw(Problem(alpha, beta, d, RATIO * d, batch=batch), seed=seed)
        last = math.ceil(budgets[1] / (d * batch))
        if last < LEAST_STEPS:
            continue
        marks = np.unique(np.round(np.geomspace(min(LEAST_STEPS, last), last, MARKS)).astype(int))
        for share in SHARES[name]:
            step = share
            if name in ("sgd", "momentum"):
                step = (
                    share / features.problem.trace * (1 - RULES[name].momentum if name == "momentum" else 1)
                )
            risk = simulate(features, marks, seeds, RULES[name], seed, step).mean(axis=0)
            at = flops / (d * batch)
            fits = (at >= marks[0]) & (at <= marks[-1]) & np.isfinite(risk).all()
            # One that diverged is no candidate.
            losses = np.exp(np.interp(np.log(at), np.log(marks), np.log(np.maximum(risk, 1e-300))))
            rows += [(f, x, d, step) for f, x, ok in zip(flops, losses, fits, strict=True) if ok]
    table = pd.DataFrame(rows, columns=["flops", "loss", "d", "step"])
    best = table.loc[table.groupby("flops")["loss"].idxmin()]
    return best.sort_values("flops").reset_index(drop=True)


def slope(table: pd.DataFrame) -> tuple[float, float]:
    """eta and xi of such an envelope, by least squares."""
    log_flops = np.log(table["flops"])
    eta, xi = (np.polyfit(log_flops, np.log(table[name]), 1)[0] for name in ("loss", "d"))
    return float(-eta), float(xi)
