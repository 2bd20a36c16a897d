"""What our forecasts are measured against: the last point, and the usual practice with more and less pooling.

The usual practice is Chinchilla's form fitted by a Huber loss, resampled: as many tables drawn from the runs with
replacement, each fitted, and to each forecast a residual drawn from those of the fit, so that the band is of a new run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.forecast.huber import NAMES, Runs, fit, log_loss
from bayescale.forecast.scores import GRID
from bayescale.models.labels import label_text

RESAMPLES, RESIDUALS = 100, 20
"""Resampled tables, and residuals drawn for each."""

FEWEST = 8
"""Runs that a group needs for a fit of its own."""

LAST = "last point"
USUAL = "Huber, no pooling"
EXPONENTS = "Huber, shared exponents"
COMPLETE = "Huber, complete pooling"
BASELINES = (LAST, USUAL, EXPONENTS, COMPLETE)
"""By what is printed. Skill is against `USUAL`."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """Predictive quantiles of one baseline.

    Attributes
    ----------
    name : str
        One of `BASELINES`.
    quantiles : ndarray, shape (runs, 99)
    notes : tuple of str
    """

    name: str
    quantiles: np.ndarray
    notes: tuple[str, ...] = ()


def baselines(fitted: pd.DataFrame, held: pd.DataFrame, grouping: list[str], seed: int = 0) -> list[Baseline]:
    """Every baseline that the columns allow.

    Parameters
    ----------
    fitted, held : DataFrame
        Runs with ``loss``, and ``flops`` or both ``params`` and ``tokens``.
    grouping : list of str
        Columns that make the groups. One with a label that only held-out runs have makes none.
    seed : int
        Of the resamples.
    """
    known = [c for c in grouping if set(held[c].map(label_text)) <= set(fitted[c].map(label_text))]
    unseen = [c for c in grouping if c not in known]
    notes = tuple(f"baselines: no groups by {c}, which has labels that were not fitted" for c in unseen)
    group, of_held, labels = _groups(fitted, held, known)
    found = []
    flops = [_flops(table) for table in (fitted, held)]
    if flops[0] is not None:
        found.append(Baseline(LAST, _last(fitted, flops[0], group, of_held), notes))
    if not {"params", "tokens"} <= set(fitted):
        return found
    rng = np.random.default_rng([seed, 11])
    everyone = np.zeros_like(group), np.zeros_like(of_held)
    complete = _usual(fitted, held, *everyone, frozenset(NAMES), rng)
    # A group that is too small, or has runs of one size only, takes the forecast of all runs.
    own = [g for g in range(len(labels)) if _enough(fitted[group == g])]
    lonely = [labels[g] for g in range(len(labels)) if g not in own and (of_held == g).any()]
    lonely += ["a combination that was not fitted"] if (of_held < 0).any() else []
    if lonely:
        notes += (f"baselines: too few runs for a fit of its own, so that of all: {', '.join(lonely)}",)
    alone, alike = complete.copy(), complete.copy()
    if len(labels) > 1:
        for g in own:
            mine, theirs = group == g, of_held == g
            if theirs.any():
                zeros = np.zeros(mine.sum(), int), np.zeros(theirs.sum(), int)
                alone[theirs] = _usual(fitted[mine], held[theirs], *zeros, frozenset(), rng)
        among, inside = np.isin(group, own), np.isin(of_held, own)
        if inside.any():
            again = np.searchsorted(own, group[among]), np.searchsorted(own, of_held[inside])
            pooled = frozenset({"alpha", "beta"})
            alike[inside] = _usual(fitted[among], held[inside], *again, pooled, rng)
    found += [Baseline(USUAL, alone, notes), Baseline(EXPONENTS, alike, notes), Baseline(COMPLETE, complete)]
    return found


def _groups(
    fitted: pd.DataFrame, held: pd.DataFrame, columns: list[str]
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Group of every fitted and held-out row, -1 where it was not fitted, and the groups' labels."""
    if not columns:
        return np.zeros(len(fitted), int), np.zeros(len(held), int), ["all"]
    keys = [
        [":".join(map(label_text, row)) for row in table[columns].itertuples(index=False, name=None)]
        for table in (fitted, held)
    ]
    labels = sorted(set(keys[0]))
    place = {label: i for i, label in enumerate(labels)}
    return np.array([place[k] for k in keys[0]]), np.array([place.get(k, -1) for k in keys[1]]), labels


def _enough(runs: pd.DataFrame) -> bool:
    return len(runs) >= FEWEST and runs["params"].nunique() > 2 and runs["tokens"].nunique() > 2


def _flops(runs: pd.DataFrame) -> np.ndarray | None:
    if "flops" in runs and runs["flops"].notna().all():
        return runs["flops"].to_numpy(float)
    if {"params", "tokens"} <= set(runs):
        return runs["params"].to_numpy(float) * runs["tokens"].to_numpy(float)
    return None


def _last(fitted: pd.DataFrame, flops: np.ndarray, group: np.ndarray, of_held: np.ndarray) -> np.ndarray:
    """The loss of each group's dearest run; of several at that compute, the lowest."""
    loss = fitted["loss"].to_numpy(float)

    def last(rows: np.ndarray) -> float:
        return float(loss[rows][flops[rows] >= 0.999 * flops[rows].max()].min())

    found = {g: last(group == g) if g >= 0 else last(group == group) for g in np.unique(of_held)}
    return np.repeat([[found[g]] for g in of_held], len(GRID), axis=1)


def _usual(
    fitted: pd.DataFrame,
    held: pd.DataFrame,
    group: np.ndarray,
    of_held: np.ndarray,
    shared: frozenset[str],
    rng: np.random.Generator,
) -> np.ndarray:
    """Quantiles of the resampled Huber fit, shape (held, 99)."""
    log_n, log_d, log_l = np.log(fitted[["params", "tokens", "loss"]].to_numpy(float)).T
    centre = log_n.mean(), log_d.mean()
    runs = Runs(log_n - centre[0], log_d - centre[1], log_l, group, int(group.max()) + 1)
    best = fit(runs, shared)[0]
    residual = log_l - log_loss(best[group], runs.x, runs.y)[0]
    # Resampled within groups, so that none runs empty.
    weights = np.zeros((RESAMPLES, len(fitted)))
    for g in range(runs.groups):
        mine = group == g
        weights[:, mine] = rng.multinomial(mine.sum(), np.full(mine.sum(), 1 / mine.sum()), size=RESAMPLES)
    resampled = fit(runs, shared, weights, best)
    x, y = np.log(held[["params", "tokens"]].to_numpy(float)).T
    expected = log_loss(resampled[:, of_held], x - centre[0], y - centre[1])[0]
    out = np.empty((len(held), len(GRID)))
    for i, g in enumerate(of_held):
        drawn = rng.choice(residual[group == g], size=(RESAMPLES, RESIDUALS))
        out[i] = np.exp(np.quantile(expected[:, i, None] + drawn, GRID))
    return out
