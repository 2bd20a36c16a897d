"""From single races to what the page says: means over worlds, paired differences, a reliability curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom

from benchmarks.design.race import ALL, SHARES

OURS = "ours"
BINS = 10


def table_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A row a world, policy and share, seeds averaged; scores of a world in units of what everything reaches there."""
    found = pd.DataFrame(rows)
    found = found.groupby(["world", "policy", "share"], as_index=False)[
        ["crps", "error", "inside90", "regret", "stake", "ess", "runs"]
    ].mean()
    best = found[found["policy"] == ALL].set_index("world")["crps"]
    found["relative"] = found["crps"] / found["world"].map(best)
    found["lost"] = found["regret"] / found["stake"]
    return found


def by_policy(found: pd.DataFrame, share: float, column: str) -> pd.Series:
    """Mean over worlds of one figure at one share, by policy; on a log scale where it is a ratio."""
    there = found[found["share"] == share].pivot_table(index="world", columns="policy", values=column)
    return np.exp(np.log(there).mean()) if column == "relative" else there.mean()


def against_best(found: pd.DataFrame, share: float, column: str) -> dict[str, Any]:
    """Ours less the best other policy's (by its mean) over worlds, with the standard error of the paired difference."""
    there = (
        found[found["share"] == share].pivot_table(index="world", columns="policy", values=column).dropna()
    )
    if column == "relative":
        there = np.log(there)
    others = [name for name in there if name not in (OURS, ALL)]
    best = there[others].mean().idxmin()
    difference = there[OURS] - there[best]
    return {
        "share": share,
        "best": best,
        "difference": float(difference.mean()),
        "error": float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else np.nan,
        "worlds": len(difference),
    }


def reliability(worlds: list[dict[str, Any]]) -> pd.DataFrame:
    """Stated probabilities in ten bins against how often the target was reached, with a binomial 95 % range.

    One action a world, drawn by the world's number, so that what is counted is independent.
    """
    rng = np.random.default_rng(41)
    picked = [int(rng.integers(len(one["p"]))) for one in worlds]
    p = np.array([one["p"][i] for one, i in zip(worlds, picked, strict=True)])
    reached = np.array([one["reached"][i] for one, i in zip(worlds, picked, strict=True)])
    at = np.minimum((p * BINS).astype(int), BINS - 1)
    rows = []
    for i in range(BINS):
        mine = at == i
        if not mine.any():
            continue
        count, mean = int(mine.sum()), float(p[mine].mean())
        low, high = binom.ppf((0.025, 0.975), count, mean) / count
        rows.append(
            {
                "stated": mean,
                "worlds": count,
                "reached": float(reached[mine].mean()),
                "low": float(low),
                "high": float(high),
            }
        )
    found = pd.DataFrame(rows)
    return found.assign(within=(found["reached"] >= found["low"]) & (found["reached"] <= found["high"]))


def choices(worlds: list[dict[str, Any]]) -> dict[str, float]:
    """Mean realised utility of our choice and of the usual rule's, and the paired difference with its error."""
    ours, usual, best = (np.array([one[name] for one in worlds]) for name in ("ours", "usual", "best"))
    gain = ours - usual
    return {
        "worlds": len(worlds),
        "ours": float((best - ours).mean()),
        "usual": float((best - usual).mean()),
        "gain": float(gain.mean()),
        "error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
        "stated": float(np.mean([one["stated"] for one in worlds])),
        "realised": float(ours.mean()),
        "realised_error": float(ours.std(ddof=1) / np.sqrt(len(ours))),
        "apart": float(np.mean([one["chosen"] != one["chosen_by_usual"] for one in worlds])),
        "ess": float(np.median([one["ess"] for one in worlds])),
        "poor": float(np.mean([one["ess"] < 200 for one in worlds])),
    }


__all__ = ["ALL", "OURS", "SHARES", "against_best", "by_policy", "choices", "reliability", "table_of"]
