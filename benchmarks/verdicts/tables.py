"""The tables that are fitted, by kind: few runs of one group over two decades of compute."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.verdicts.truth import FLOPS_PER_PARAM_TOKEN, Truth, draw_truth

LOW, HIGH = 1e17, 1e19
"""Compute of the runs, FLOPs."""

RATIO = 20.0
"""Tokens per param of the middle of a sweep."""

KINDS = ("clean", "contaminated", "one budget", "one ratio", "correlated")

CONTAMINATED = (1, 4)
"""Fewest and most runs of a contaminated table that are worse than the law."""

WORSE = (0.05, 0.2)
"""By how much of the loss."""


def sweep(kind: str) -> pd.DataFrame:
    """Return the runs of a kind of table without their losses: 16 rows, or 24 of 12 runs where rows are correlated."""
    if kind == "one budget":
        flops, ratio = np.full(16, HIGH), np.geomspace(2, 200, 16)
    elif kind == "one ratio":
        flops, ratio = np.geomspace(LOW, HIGH, 16), np.full(16, RATIO)
    elif kind == "correlated":
        flops, ratio = _crossed(4, 3)
    else:
        flops, ratio = _crossed(4, 4)
    params = np.sqrt(flops / FLOPS_PER_PARAM_TOKEN / ratio)
    runs = pd.DataFrame({"params": params, "tokens": flops / FLOPS_PER_PARAM_TOKEN / params})
    if kind == "correlated":
        runs["run_id"] = [f"run-{i:02d}" for i in range(len(runs))]
        half = runs.assign(tokens=runs["tokens"] / 2)
        runs = pd.concat([half, runs], ignore_index=True)
    return runs.assign(flops=FLOPS_PER_PARAM_TOKEN * runs["params"] * runs["tokens"])


def draw_table(kind: str, rng: np.random.Generator) -> tuple[Truth, pd.DataFrame]:
    """Draw a truth and the losses that the runs of a kind of table measured."""
    runs = sweep(kind)
    drawn = draw_truth(rng, correlated=kind == "correlated")
    truth = replace(drawn, flops_end=runs["flops"].max(), params_end=runs["params"].max())
    of_run = runs["run_id"].factorize()[0] if "run_id" in runs else np.arange(len(runs))
    loss = truth.measured(runs["params"].to_numpy(), runs["tokens"].to_numpy(), of_run, rng)
    if kind == "contaminated":
        many = rng.integers(CONTAMINATED[0], CONTAMINATED[1] + 1)
        worse = rng.choice(len(runs), size=many, replace=False)
        loss[worse] *= 1 + rng.uniform(*WORSE, size=many)
    return truth, runs.assign(loss=loss)


def _crossed(budgets: int, sizes: int) -> tuple[np.ndarray, np.ndarray]:
    """IsoFLOP curves: so many budgets, each at so many tokens per param about the middle."""
    flops = np.repeat(np.geomspace(LOW, HIGH, budgets), sizes)
    return flops, np.tile(RATIO * np.geomspace(0.25, 4, sizes), budgets)
