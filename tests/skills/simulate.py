"""Tables of skills and scores from a known truth, by NumPy alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

SPREAD = 0.004


def counts(
    loss: np.ndarray,
    level: float,
    slope: float,
    reference: float,
    rng: np.random.Generator,
    chance: float = 0.25,
    items: int = 300,
    spread: float = SPREAD,
) -> np.ndarray:
    """Right items of runs with these losses: logistic in loss, beta-binomial about it."""
    p = chance + (1 - chance) / (1 + np.exp(-(level + slope * (reference - loss))))
    return rng.binomial(items, rng.beta(p * (1 / spread - 1), (1 - p) * (1 / spread - 1)))


def skills_of(
    runs: pd.DataFrame,
    levels: Sequence[float],
    slopes: Sequence[float],
    reference: dict[str, float],
    seed: int = 0,
    items: int = 300,
) -> pd.DataFrame:
    """Counts of several skills for the runs of a table; `reference` is a loss by task."""
    rng = np.random.default_rng(seed)
    rows = []
    for k, (level, slope) in enumerate(zip(levels, slopes, strict=True)):
        at = runs["task"].map(reference).to_numpy(float)
        right = counts(runs["loss"].to_numpy(float), level, slope, at, rng, items=items)
        rows.append(
            pd.DataFrame(
                {"run_id": runs["run_id"], "skill": f"s{k}", "items": items, "correct": right, "chance": 0.25}
            )
        )
    return pd.concat(rows, ignore_index=True)


def scores_table(
    seed: int = 0, families: int = 5, each: int = 6, items: int = 300
) -> tuple[pd.DataFrame, dict]:
    """Models of several families with one capability, four benchmarks, missing scores, and one intervention."""
    rng = np.random.default_rng(seed)
    start, efficiency = rng.normal(0, 0.8, families), 0.9 * np.exp(rng.normal(0, 0.2, families))
    loading, easiness = np.array([1.0, 0.5, 1.3, 0.8]), np.array([0.0, -0.6, -1.0, 0.5])
    rows = []
    for f in range(families):
        for i in range(each):
            log_flops, tuned = rng.uniform(21, 25), int(rng.random() < 0.4)
            capability = start[f] + efficiency[f] * (log_flops - 23) + 0.6 * tuned + rng.normal(0, 0.2)
            p = 0.25 + 0.75 / (1 + np.exp(-(easiness + loading * capability)))
            right = rng.binomial(items, rng.beta(p * (1 / SPREAD - 1), (1 - p) * (1 / SPREAD - 1)))
            share = np.where(rng.random(4) < 0.25, np.nan, right / items)
            rows.append(
                {"model": f"m{f}-{i}", "family": f"f{f}", "flops": 10**log_flops, "tuned": tuned}
                | {f"b{j}": share[j] for j in range(4)}
                | {f"b{j}_items": items for j in range(4)}
            )
    return pd.DataFrame(rows), {"efficiency": efficiency, "loading": loading, "tuned": 0.6}
