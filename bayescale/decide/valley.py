"""The floor of the valley: sizes that are nearly as good as the best one, which is what people really choose from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayescale.decide.planning import Problem

WITHIN = (0.005, 0.01)
"""Shares of the loss."""

SURE = 0.9
"""Probability with which a size of the safe range is inside."""


def valley(problem: Problem, within: Sequence[float] = WITHIN) -> pd.DataFrame:
    """Sizes whose loss is within a share of the optimum's, every other limit kept.

    Parameters
    ----------
    problem : Problem
    within : sequence of float
        Shares of the loss.

    Returns
    -------
    DataFrame
        A row a share: the median of the lower and of the upper end (``params_low``, ``params_high``) with their 90 %
        intervals, the tokens that go with the two, and the range of sizes that are inside with a probability of 90 %
        (``safe_low``, ``safe_high``; empty where no size is). Ends are of the interval about the optimum; a menu's are
        sizes of the menu.
    """
    log_nodes, profile = np.log(problem.nodes), problem.profile
    best = problem.best
    rows = []
    for share in within:
        limit = best.loss * (1 + share)
        if len(problem.limits.menu):
            low, high = _of_menu(problem, limit)
        else:
            low, high = (np.exp(_end(log_nodes, profile, np.log(best.params), limit, way)) for way in (-1, 1))
        row: dict[str, float] = {"within": share}
        for name, ends in (("params_low", low), ("params_high", high)):
            row[name], row[f"{name}_q0.05"], row[f"{name}_q0.95"] = np.quantile(ends, (0.5, 0.05, 0.95))
        sizes = np.array([row["params_low"], row["params_high"]])
        tokens = problem.limits.tokens(sizes)
        if problem.datastore is not None:
            bought = problem.split_for_all(sizes)
            tokens = bought.tokens
            row["datastore_tokens_low"], row["datastore_tokens_high"] = map(float, bought.datastore)
        row["tokens_low"], row["tokens_high"] = map(float, tokens)
        inside = (profile <= limit[:, None]).mean(axis=0) >= SURE
        row["safe_low"], row["safe_high"] = (
            (float(problem.nodes[inside].min()), float(problem.nodes[inside].max()))
            if inside.any()
            else (np.nan, np.nan)
        )
        rows.append(row)
    return pd.DataFrame(rows)


def _of_menu(problem: Problem, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    inside = problem.profile <= limit[:, None]
    last = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1)
    return problem.nodes[np.argmax(inside, axis=1)], problem.nodes[last]


def _end(x: np.ndarray, profile: np.ndarray, best: np.ndarray, limit: np.ndarray, way: int) -> np.ndarray:
    """Where the profile first exceeds the limit, going from the optimum up (+1) or down (-1), between two nodes."""
    beyond = (way * (x[None, :] - best[:, None]) > 0) & (profile > limit[:, None])
    any_ = beyond.any(axis=1)
    order = beyond if way > 0 else beyond[:, ::-1]
    first = np.argmax(order, axis=1)
    outer = first if way > 0 else len(x) - 1 - first
    at = np.arange(len(profile))
    inner = np.clip(outer - way, 0, len(x) - 1)
    # Between the optimum and the first node there may be no node inside: then the optimum is.
    passed = way * (x[inner] - best) < 0
    start = np.where(passed, best, x[inner])
    low = np.where(passed, limit, profile[at, inner])
    step = np.where(passed, 1.0, (limit - low) / np.maximum(profile[at, outer] - low, 1e-300))
    # A parabola's side is convex: near the optimum the chord says too little, by less than the node's spacing.
    end = start + np.clip(step, 0, 1) * (x[outer] - start)
    return np.asarray(np.where(any_, end, x[-1] if way > 0 else x[0]))
