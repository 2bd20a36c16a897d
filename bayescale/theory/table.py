"""Runs tables from a world whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayescale.theory.compute_optimal import LEAST_STEPS
from bayescale.theory.equivalent import risk
from bayescale.theory.errors import TheoryError
from bayescale.theory.problem import RATIO, SHARE, Problem, power_sum

MOST = 3e10
"""Features times steps times seeds that one simulated run may have."""


def runs_table(
    alpha: float,
    beta: float,
    sizes: Sequence[float],
    flops: Sequence[float],
    seeds: int = 0,
    ratio: float = RATIO,
    share: float = SHARE,
    batch: int = 1,
    seed: int = 0,
    average: int = 1,
    held_out: int = 0,
    scale: float = 1.0,
) -> pd.DataFrame:
    """IsoFLOP runs of power-law random features as a runs table.

    Parameters
    ----------
    alpha, beta : float
        Data and target complexity.
    sizes, flops : sequence of float
        Every size at every budget f = r d B, where that leaves it `LEAST_STEPS` steps.
    seeds : int
        0: the expected risk, by the deterministic equivalent. Otherwise so many rows a point, each the risk of SGD's
        own last iterate, with random features of its own.
    ratio : float
        v / d.
    share : float
        gamma times the trace.
    batch : int
    seed : int
        Of the simulations.
    average : int
        Each row is the mean over so many runs of SGD on the same features, and has its ``loss_se``.
    held_out : int
        So many of the largest budgets have ``split`` holdout, the others fit.
    scale : float
        Every loss is multiplied by it: laws of language have priors for losses of a few nats.

    Returns
    -------
    DataFrame
        ``params`` (d), ``tokens`` (samples, r B), ``flops`` (r d B), ``loss`` (P), ``steps``, ``learning_rate``
        (gamma), ``batch_tokens`` (B), ``split``, and with seeds ``seed``; what the numbers mean is in its attrs.
    """
    points = [
        (float(d), max(round(f / (d * batch)), 1))
        for f in sorted(flops)
        for d in sorted(sizes)
        if f / (d * batch) >= LEAST_STEPS
    ]
    budgets = [f for f in sorted(flops) for d in sizes if f / (d * batch) >= LEAST_STEPS]
    if not points:
        raise TheoryError(f"no size has {LEAST_STEPS} steps at any budget: larger budgets or smaller sizes")
    if held_out >= len(set(flops)):
        raise TheoryError(f"{held_out} of {len(set(flops))} budgets held out leave nothing to fit")
    d, r = (np.array(x, float) for x in zip(*points, strict=True))
    v = np.ceil(ratio * d)
    step = share / power_sum(2 * alpha, v)
    rows = {"params": d, "tokens": r * batch, "flops": r * d * batch}
    rows |= {"steps": r.astype(int), "learning_rate": step, "batch_tokens": np.full(len(d), float(batch))}
    table = pd.DataFrame(rows)
    late = sorted(set(flops))[len(set(flops)) - held_out :]
    table["split"] = np.where(np.isin(budgets, late), "holdout", "fit")
    if seeds == 0:
        table["loss"] = risk(alpha, beta, d, r, v, step, batch)
    else:
        table = _simulated(table, alpha, beta, v, seeds, average, seed)
    for name in ("loss", "loss_se"):
        if name in table:
            table[name] *= scale
    how = "expected risk, deterministic equivalent" if seeds == 0 else "risk of SGD's last iterate"
    table.attrs["conventions"] = {
        "params": "random features d",
        "flops": "r d B",
        "loss": "squared error of a linear target",
        "source": f"bayescale theory runs, alpha {alpha:g}, beta {beta:g}, v/d {ratio:g}, gamma tr {share:g}: {how}"
        + (f", times {scale:g}" if scale != 1 else ""),
    }
    table.attrs["theory"] = {
        "alpha": alpha,
        "beta": beta,
        "ratio": ratio,
        "share": share,
        "batch": batch,
        "scale": scale,
    }
    return table


def _simulated(
    table: pd.DataFrame, alpha: float, beta: float, v: np.ndarray, seeds: int, average: int, seed: int
) -> pd.DataFrame:
    from bayescale.theory.features import Features
    from bayescale.theory.sgd import simulate

    cost = float((table["params"] * table["steps"]).max()) * average
    if cost > MOST:
        raise TheoryError(
            f"a simulated run takes {cost:.2g} features times steps, more than {MOST:.0e}: smaller budgets, or no noise"
        )
    parts = []
    for own in range(seeds):
        rows = []
        for i, row in enumerate(table.itertuples()):
            size = Problem(alpha, beta, row.params, v[i], row.learning_rate, int(row.batch_tokens))
            features = Features.draw(size, _seed(seed, own, i, 0))
            found = simulate(features, [row.steps], average, seed=_seed(seed, own, i, 1))[:, 0]
            spread = found.std(ddof=1) / np.sqrt(average) if average > 1 else np.nan
            rows.append((found.mean(), spread))
        loss, error = np.array(rows).T
        part = table.assign(loss=loss, seed=own)
        parts.append(part.assign(loss_se=error) if average > 1 else part)
    return pd.concat(parts).sort_values(["flops", "params", "seed"]).reset_index(drop=True)


def _seed(*what: int) -> int:
    return int(np.random.default_rng(what).integers(2**31))
