"""Groups against each other at scale: the difference, who is best, where curves cross, and what a lead is worth.

Every figure is of pairs: one draw of the posterior has both arms, so what they share (a floor, an exponent, the drift
that is common to all groups) cancels out of the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.curves import Curve, curves
from bayescale.decide.equivalence import Equivalence, contrast
from bayescale.decide.errors import AllocationError
from bayescale.decide.levels import caution, with_levels
from bayescale.decide.readable import readable, three
from bayescale.forecast.known_labels import groups_with, refuse_unknown_labels
from bayescale.models.design import Design
from bayescale.models.labels import label_text
from bayescale.numerals import interval, percent, scientific, significant, times
from bayescale.posterior import PosteriorData

REACH = 10.0
"""Curves are followed so far beyond the dearest run or budget, in search of a crossing."""

NODES = 61
GAIN = 1e4
"""Gains in compute beyond this factor, either way, are not told apart."""

GAIN_NODES = 97
TOGETHER = "(mean)"
"""The label of the mean over contexts."""


class VersusError(AllocationError):
    """Groups that cannot be compared as asked; the message says why."""


@dataclass(frozen=True, eq=False)
class Versus:
    """Groups compared.

    Attributes
    ----------
    arms : DataFrame
        A row a context (labels of the other grouping columns), budget and group: its loss at its own optimum (median
        and 90 % interval), the params and tokens of that, and the probability that it is the best; the same at equal
        params and tokens (``equal_...``); the extrapolation ``level``, ``decades_beyond`` and ``beyond_along``.
    pairs : DataFrame
        A row a context, budget and pair ``a``, ``b``: ``difference``, the loss of b less that of a, at their own optima
        and at equal params and tokens; ``p_a``, the probability that a is better by whatever little;
        ``equivalence``, the largest difference that counts as none, in nats; ``p_a_better``, ``p_equivalent`` and
        ``p_b_better``, the probabilities that a is better by more than that, that neither is, and that b is;
        ``answer``, what the runs show of it (`bayescale.decide.equivalence.Answer`); ``gain``, by how much b's compute
        would have to be multiplied to do as well as a; ``crossing``, the budget of the last crossing of the two curves
        and ``p_crossing``, the probability that there is one in the range looked at.
    by : str
    looked : tuple of float
        That range.
    draws : dict
        ``(context, flops, level) -> ndarray`` of the loss at its own optimum.
    equivalence : Equivalence
        What counts as no difference.
    """

    arms: pd.DataFrame
    pairs: pd.DataFrame
    by: str
    looked: tuple[float, float]
    draws: dict[tuple[str, float, str], np.ndarray]
    equivalence: Equivalence

    @property
    def sentences(self) -> list[str]:
        """A sentence a context and budget: what is shown of the groups, by how much, and what a lead is worth."""
        said = []
        for (context, flops), rows in self.arms.groupby(["context", "flops"], sort=False):
            here = (self.pairs["context"] == context) & (self.pairs["flops"] == flops)
            where = f"{context}: " if context else ""
            said.append(
                f"{where}at {scientific(float(flops))} FLOPs {_said(rows, self.pairs[here], self.by)}."
            )
        return said

    def __str__(self) -> str:
        shown = self.arms[["context", "flops", self.by, "loss", "loss_q0.05", "loss_q0.95", "p_best"]]
        shown = shown.assign(
            **{name: self.arms[name] for name in ("equal_p_best", "level") if name in self.arms}
        )
        if not shown["context"].any():
            shown = shown.drop(columns="context")
        table = readable(shown).to_string(index=False)
        beware = caution(self.arms)
        return "\n".join([table, *self.sentences, self.equivalence.sentence, *([beware] if beware else [])])


def _said(rows: pd.DataFrame, pairs: pd.DataFrame, by: str) -> str:
    """What one context and budget shows. The group of the lowest median loss is set against every other."""
    leader = rows.loc[rows["loss"].idxmin()]
    against = [_led(pair, str(leader[by])) for pair in pairs.to_dict("records")]
    every = pd.DataFrame([pair for pair in against if pair is not None])
    nearest = every.loc[every["p_better"].idxmin()]
    region = significant(nearest["equivalence"], 2)
    gap = f"{significant(nearest['difference'], 2)}"
    band = interval(nearest["difference_q0.05"], nearest["difference_q0.95"], 2)
    level = every[every["answer"] != "better"]
    names = [str(leader[by]), *level["other"]]
    together = f"{', '.join(names[:-1])} and {names[-1]}"
    if level.empty:
        line = (
            f"{leader[by]} is best with probability {percent(leader['p_best'])}; {nearest['other']} is {gap} above it "
            f"({band}), by more than {region} with probability {percent(nearest['p_better'])}, and {_gained(nearest)}"
        )
    elif (level["answer"] == "equivalent").all():
        line = (
            f"{together} are equivalent: within {region} of each other with probability "
            f"{percent(level['p_equivalent'].min())} ({nearest['other']} less {leader[by]}: {gap}, {band})"
        )
    else:
        nearest = level[level["answer"] != "equivalent"].sort_values("p_better").iloc[0]
        gap = significant(nearest["difference"], 2)
        band = interval(nearest["difference_q0.05"], nearest["difference_q0.95"], 2)
        line = (
            f"there is no difference that these runs can show between {together}: {nearest['other']} less {leader[by]} "
            f"is {gap} ({band}), and {leader[by]} is better by more than {region} with probability "
            f"{percent(nearest['p_better'])}, equivalent with {percent(nearest['p_equivalent'])}, worse with "
            f"{percent(nearest['p_worse'])}"
        )
    if nearest["p_crossing"] >= 0.05:
        line += (
            f"; their curves cross with probability {percent(nearest['p_crossing'])}, near "
            f"{scientific(nearest['crossing'], 2)} FLOPs"
        )
    return line


def _led(pair: dict[str, Any], leader: str) -> dict[str, Any] | None:
    """A pair as its leader sees it, differences being the other's loss less the leader's; None for other pairs."""
    if leader not in (pair["a"], pair["b"]):
        return None
    first = pair["a"] == leader
    seen = {name: pair[name] for name in ("equivalence", "p_equivalent", "p_crossing", "crossing")}
    seen |= {"other": pair["b"] if first else pair["a"]}
    seen |= {"p_better": pair["p_a_better"], "p_worse": pair["p_b_better"]}
    names = ("difference", "difference_q0.05", "difference_q0.95")
    gains = ("gain", "gain_q0.05", "gain_q0.95")
    seen |= {name: pair[name] for name in (*names, *gains)}
    answers = {"a better": "better", "b better": "worse"}
    seen["answer"] = answers.get(pair["answer"], pair["answer"])
    if not first:
        seen["p_better"], seen["p_worse"] = seen["p_worse"], seen["p_better"]
        seen["answer"] = {"better": "worse", "worse": "better"}.get(seen["answer"], seen["answer"])
        seen |= dict(zip(names, (-pair[name] for name in (names[0], names[2], names[1])), strict=True))
        seen |= dict(
            zip(gains, (_inverse(pair[name]) for name in (gains[0], gains[2], gains[1])), strict=True)
        )
    return seen


def _inverse(gain: float) -> float:
    return 1 / gain if gain > 0 else float("inf")


def _gained(pair: pd.Series) -> str:
    """What a lead is worth in compute."""
    if 1 / GAIN < pair["gain"] < GAIN:
        low, high = _factor(pair["gain_q0.05"]), _factor(pair["gain_q0.95"])
        return f"would need {times(pair['gain'])} the compute ({low} to {high})"
    return f"would not get there with {GAIN:g} times the compute"


def _factor(x: float) -> str:
    return (
        significant(x, 2) if 1 / GAIN < x < GAIN else f"over {GAIN:g}" if x >= GAIN else f"under {1 / GAIN:g}"
    )


def versus(
    posterior: PosteriorData,
    by: str,
    flops: Sequence[float],
    levels: Sequence[str] | None = None,
    at: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    equivalence: float | str | None = None,
    new_groups: bool = False,
) -> Versus:
    """Compare groups at budgets, each at its own optimum, and at equal params and tokens.

    Parameters
    ----------
    posterior : PosteriorData
    by : str
        The grouping column whose levels are compared.
    flops : sequence of float
        Budgets.
    levels : sequence of str, optional
        Which of them; all where absent.
    at : mapping, optional
        Labels of the other grouping columns, such as ``{"task": "code"}``; where absent every combination that was
        measured is a context of its own, and so is their mean.
    fixed : mapping, optional
        What the law takes beside params and tokens.
    equivalence : float or str, optional
        The largest difference in loss that counts as none: in nats, or as a share, ``"1 %"``; where absent the noise of
        one run, the posterior median of its scale times the loss.
    new_groups : bool
        Whether a label that no run has is a new group; an error otherwise.

    Raises
    ------
    VersusError
        Not a grouping column, fewer than two levels, or budgets below the runs.
    LabelError
        An unknown label.
    """
    levels = _levels(posterior, by, levels, new_groups)
    budgets = _budgets(posterior, flops)
    contexts = _contexts(posterior.design, by, at or {}, new_groups)
    low = float(np.nanmin(posterior.flops_of(posterior.runs)))
    high = REACH * max(float(budgets.max()), posterior.dearest)
    grid = np.geomspace(low, high, NODES)
    numbers = {name: float(x) for name, x in (fixed or {}).items()}
    region = Equivalence.of(equivalence)
    groups = [{by: level, **context, **numbers} for context in contexts for level in levels]
    every = curves(posterior, pd.DataFrame(groups))
    by_context = [every[i : i + len(levels)] for i in range(0, len(every), len(levels))]
    arms: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    draws: dict[tuple[str, float, str], np.ndarray] = {}
    names = [", ".join(map(str, context.values())) for context in contexts]
    sets = list(zip(names, [[[c] for c in found] for found in by_context], strict=True))
    if len(contexts) > 1:
        sets.append((TOGETHER, [list(found) for found in zip(*by_context, strict=True)]))
    for name, members in sets:
        along = np.stack([_mean([c.loss(grid) for c in arm]) for arm in members])
        crossings = {pair: _crossing(grid, along[pair[1]] - along[pair[0]]) for pair in _pairs(levels)}
        for budget in budgets:
            one = np.array([budget])
            loss = np.stack([_mean([c.loss(one)[:, 0] for c in arm]) for arm in members])
            equal, params, tokens = _equal(members, float(budget))
            best = _p_best(loss)
            typical = float(np.median(loss, axis=1).mean())
            width = region.at(posterior, _optima(members, float(budget)), typical)
            for i, level in enumerate(levels):
                draws[name, float(budget), level] = loss[i]
                row = {"context": name, "flops": float(budget), by: level, **three("loss", loss[i])}
                if len(members[i]) == 1 and set(members[i][0].law.inputs) != {"flops"}:
                    sizes = members[i][0].plan(one)
                    row |= {"params": float(np.median(sizes[0])), "tokens": float(np.median(sizes[1]))}
                row["p_best"] = best[i]
                if equal is not None:
                    row |= {"equal_params": params, "equal_tokens": tokens, **three("equal_loss", equal[i])}
                    row["equal_p_best"] = _p_best(equal)[i]
                arms.append(row)
            for a, b in _pairs(levels):
                row = {"context": name, "flops": float(budget), "a": levels[a], "b": levels[b]}
                row |= three("difference", loss[b] - loss[a])
                row["p_a"] = float(np.mean(loss[a] < loss[b]))
                row |= {"equivalence": width, **contrast(loss[b] - loss[a], width)}
                if equal is not None:
                    row |= three("equal_difference", equal[b] - equal[a])
                    row["equal_p_a"] = float(np.mean(equal[a] < equal[b]))
                row |= three("gain", _gain(members[b], float(budget), loss[a]), nearest=True)
                row |= crossings[a, b]
                pairs.append(row)
    table = with_levels(posterior, pd.DataFrame(arms), fixed)
    return Versus(table, pd.DataFrame(pairs), by, (low, high), draws, region)


def _levels(posterior: PosteriorData, by: str, levels: Sequence[str] | None, new_groups: bool) -> list[str]:
    cells = posterior.design.cells
    if by not in cells:
        known = ", ".join(map(str, cells.columns)) or "nothing"
        raise VersusError(f"the runs of this fit are not grouped by {by}: they are by {known}")
    there = [str(level) for level in dict.fromkeys(cells[by])]
    chosen = there if levels is None else [label_text(level) for level in dict.fromkeys(levels)]
    if not new_groups:
        for level in chosen:
            refuse_unknown_labels(posterior.design, {by: level})
    if len(chosen) < 2:
        raise VersusError(f"a comparison takes two groups or more: {by} has {', '.join(chosen)}")
    return chosen


def _budgets(posterior: PosteriorData, flops: Sequence[float]) -> np.ndarray:
    budgets = np.asarray(list(flops), dtype=float)
    if not len(budgets) or not (np.isfinite(budgets) & (budgets > 0)).all():
        raise VersusError(f"budgets are positive FLOPs: got {list(flops)}")
    known = posterior.flops_of(posterior.runs)
    if not np.isfinite(known).any():
        raise VersusError("the runs have no compute, so there is no budget to compare at")
    cheapest = float(np.nanmin(known))
    if budgets.min() < 0.5 * cheapest:
        raise VersusError(
            f"a budget of {budgets.min():.3g} FLOPs is below the cheapest fitted run, {cheapest:.3g}: compare at "
            "larger ones"
        )
    return budgets


def _contexts(design: Design, by: str, at: Mapping[str, str], new_groups: bool) -> list[dict[str, str]]:
    rest = [str(c) for c in design.cells.columns if c != by]
    if by in at:
        raise VersusError(
            f"{by} is what is compared, and no other grouping column: there are {', '.join(rest) or 'none'}"
        )
    table = design.cells[rest].drop_duplicates() if rest else pd.DataFrame(index=[0])
    table = groups_with(design, table, at, new_groups).drop_duplicates()
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _pairs(levels: Sequence[str]) -> list[tuple[int, int]]:
    return list(combinations(range(len(levels)), 2))


def _mean(each: list[np.ndarray]) -> np.ndarray:
    return np.asarray(np.mean(each, axis=0))


def _p_best(loss: np.ndarray) -> np.ndarray:
    """Share of draws in which each arm has the lowest loss, shape (arms,)."""
    return np.bincount(np.argmin(loss, axis=0), minlength=len(loss)) / loss.shape[1]


def _optima(members: list[list[Curve]], budget: float) -> pd.DataFrame:
    """The arms' groups with a budget, a row each: runs whose noise counts."""
    return pd.DataFrame([{**curve.labels, "flops": budget} for arm in members for curve in arm])


def _equal(members: list[list[Curve]], budget: float) -> tuple[np.ndarray | None, float, float]:
    """Losses at the same params and tokens, those of the geometric mean of the arms' own sizes: (arms, draws)."""
    if set(members[0][0].law.inputs) == {"flops"}:
        return None, np.nan, np.nan
    one = np.array([budget])
    size = float(np.exp(np.mean([np.log(np.median(c.plan(one)[0])) for arm in members for c in arm])))
    tokens = float(members[0][0].rule.tokens(size, budget))
    return np.stack([_mean([c.loss_at(size, tokens) for c in arm]) for arm in members]), size, tokens


def _crossing(grid: np.ndarray, difference: np.ndarray) -> dict[str, float]:
    """The last change of sign of each draw: its median and 90 % interval, and how many draws have one."""
    x = np.log(grid)
    sign = np.sign(difference)
    changed = sign[:, 1:] * sign[:, :-1] < 0
    has = changed.any(axis=1)
    row = {"p_crossing": float(has.mean())}
    if not has.any():
        return {"crossing": np.nan, "crossing_q0.05": np.nan, "crossing_q0.95": np.nan, **row}
    last = changed.shape[1] - 1 - np.argmax(changed[has][:, ::-1], axis=1)
    at = np.arange(int(has.sum()))
    left, right = difference[has][at, last], difference[has][at, last + 1]
    place = x[last] + (x[last + 1] - x[last]) * left / (left - right)
    return {**three("crossing", np.exp(place)), **row}


def _gain(arm: list[Curve], budget: float, target: np.ndarray) -> np.ndarray:
    """By how much an arm's compute has to be multiplied to come down (or up) to a loss, shape (draws,).

    Along the law, with the discrepancy held as it is at the budget: how far a law is off is no reason to move along it.
    """
    factors = np.geomspace(1 / GAIN, GAIN, GAIN_NODES)
    one = np.array([budget])
    loss = _mean([c.by_law(budget * factors) * c.off(one) for c in arm])
    log_factors = np.log(factors)
    found = np.empty(len(target))
    for i, (curve, aim) in enumerate(zip(loss, target, strict=True)):
        if aim <= curve[-1]:
            found[i] = np.inf
        elif aim >= curve[0]:
            found[i] = 0.0
        else:
            # Convex in log compute: interpolated in log loss above the lowest one, nearly straight there.
            found[i] = np.exp(np.interp(-np.log(aim), -np.log(curve), log_factors))
    return found
