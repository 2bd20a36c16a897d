"""The cheapest way to a loss, training and service together (Sardana et al. 2024, Beyond Chinchilla-Optimal, eq. 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.constraints import Constraints
from bayescale.decide.errors import AllocationError, ConstraintError
from bayescale.decide.groups import groups_of
from bayescale.decide.levels import caution, with_levels, without_figures
from bayescale.decide.limits import RATIOS, Limits, size_limits
from bayescale.decide.planning import Problem
from bayescale.decide.readable import readable
from bayescale.decide.repetition import worth_draws
from bayescale.flops import FlopRule, as_rule
from bayescale.forecast.expected import Predictor
from bayescale.numerals import percent
from bayescale.posterior import PosteriorData

SIZES = 61
FINER, ROUNDS = 9, 5
LOOKS, HALVINGS = 31, 34
"""Numbers of tokens that are tried first, half a decade apart, and halvings of what is left between two of them, for
every size and draw: a relative 1e-10."""

TOKENS = (1e3, 1e18)
"""Among which the tokens to a loss are looked for; a size that needs more cannot reach it."""


@dataclass(frozen=True, eq=False)
class Cheapest:
    """Posterior of the cheapest plan to a loss.

    Attributes
    ----------
    table : DataFrame
        A row a group: median and 90 % interval of params, tokens, total FLOPs (and money, where it is priced); the
        probability that the loss can be reached at all; and ``flops_ratio``, the total over that of the plan that is
        cheapest to train: one less it is what looking at service saves. Last, the extrapolation ``level`` of the
        median plan, ``decades_beyond`` and ``beyond_along``.
    draws : dict of ndarray
        ``params``, ``tokens``, ``flops``, shape (draws, groups); infinite where the loss cannot be reached.
    loss : float
    lifetime_tokens : float
    """

    table: pd.DataFrame
    draws: dict[str, np.ndarray]
    loss: float
    lifetime_tokens: float

    def __str__(self) -> str:
        what = f" and {self.lifetime_tokens:.3g} tokens in service" if self.lifetime_tokens else ""
        lines = [
            readable(without_figures(self.table)).to_string(index=False),
            f"the cheapest way to an expected loss of {self.loss:g}, training{what}; medians, with the ends of "
            "the 90 % interval",
        ]
        if self.lifetime_tokens:
            lines.append("flops_ratio: its FLOPs over those of the plan that is cheapest to train")
        never = 1 - self.table["p_reachable"].min()
        if never > 0:
            lines.append(
                f"where the loss cannot be reached ({percent(never)} of the draws in the worst group) cost is infinite"
            )
        return "\n".join([*lines, *([caution(self.table)] if caution(self.table) else [])])


def cheapest(
    posterior: PosteriorData,
    loss: float,
    groups: pd.DataFrame | None = None,
    fixed: Mapping[str, float] | None = None,
    constraints: Constraints | None = None,
) -> Cheapest:
    """Sizes and tokens that reach an expected loss for the fewest FLOPs in all, or the least money where it is priced.

    Parameters
    ----------
    posterior : PosteriorData
    loss : float
        To be reached, in the units of the runs table.
    groups, fixed
        See `bayescale.decide.allocate`.
    constraints : Constraints, optional
        Service, data, sizes, batch and prices count; limits of compute and money do not: the cost is what is sought.

    Raises
    ------
    AllocationError
        The loss is above everything fitted, or no draw can reach it.
    """
    constraints = constraints or Constraints()
    highest = float(posterior.runs["loss"].max())
    if not np.isfinite(loss) or not 0 < loss < highest:
        raise AllocationError(
            f"a loss to reach lies between 0 and the highest measured one, {highest:.4g}: got {loss:g}"
        )
    groups, others, cells = groups_of(posterior, groups, fixed, constraints)
    rule = posterior.flop_rule
    repeated = (
        constraints.unique_tokens is not None and "unique_tokens" not in posterior.model.definition.inputs
    )
    predictor = Predictor(posterior)
    worth = worth_draws(constraints.repetitions_worth, len(posterior.z)) if repeated else None
    rows, kept = [], []
    for i, labels in enumerate(groups.to_dict("records")):
        values = {name: x[:, i] for name, x in cells.values.items()}
        problem = Problem(
            cells.law,
            values,
            others[i],
            _sizes(posterior, constraints, rule),
            unique_tokens=constraints.unique_tokens if repeated else None,
            worth=worth,
            batch=constraints.batch,
            discrepancy=predictor.discrepancy(labels),
        )
        found = reach(problem, loss, constraints, rule)
        if not np.isfinite(found["flops"]).any():
            raise AllocationError(
                f"no draw of the posterior reaches a loss of {loss:g} within the limits"
                + (f" in {', '.join(map(str, labels.values()))}" if labels else "")
                + ": ask for a higher one"
            )
        alone = reach(problem, loss, constraints.updated(lifetime_tokens=0.0), rule)
        finite = np.isfinite(found["flops"])
        row: dict[str, Any] = {str(c): label for c, label in labels.items()}
        row["loss"], row["p_reachable"] = loss, float(finite.mean())
        for name in ("params", "tokens", "flops", *(["money"] if "money" in found else [])):
            row[name], row[f"{name}_q0.05"], row[f"{name}_q0.95"] = np.quantile(
                found[name], (0.5, 0.05, 0.95), method="nearest"
            )
        if constraints.lifetime_tokens:
            naive = rule.flops(alone["params"], alone["tokens"] + constraints.lifetime_tokens / 3)
            both = finite & np.isfinite(naive)
            row["flops_ratio"] = float(np.median(found["flops"][both] / naive[both]))
        rows.append(row)
        kept.append(found)
    draws = {name: np.stack([f[name] for f in kept], axis=1) for name in ("params", "tokens", "flops")}
    return Cheapest(
        with_levels(posterior, pd.DataFrame(rows), fixed), draws, loss, constraints.lifetime_tokens
    )


def _sizes(posterior: PosteriorData, constraints: Constraints, rule: FlopRule) -> Limits:
    """Sizes to look among: a tenth of the smallest fitted to a million times the largest, or what is allowed."""
    fitted = posterior.runs["params"]
    bottoms, tops = size_limits(constraints)
    low = max([float(fitted.min()) / 10, *bottoms.values()])
    high = min([float(fitted.max()) * 1e6, *tops.values()])
    menu = np.array([shape.params for shape in constraints.sizes])
    menu = menu[menu <= high]
    if low > high or (constraints.menu and not len(menu)):
        raise ConstraintError(
            f"no size is left: at most {high:.3g} params ({', '.join(tops)}): loosen a limit"
        )
    return Limits({}, low, high, "", "", menu, rule)


def reach(
    problem: Problem, loss: float, constraints: Constraints, k: FlopRule | float
) -> dict[str, np.ndarray]:
    """The cheapest plan of every draw: params, tokens, flops, training and (where priced) money, each (draws,)."""
    rule = as_rule(k)
    service = constraints.lifetime_tokens / 3

    def cost(params: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tokens = tokens_to(problem, loss, params)
        if constraints.max_epochs is not None and constraints.unique_tokens is not None:
            tokens = np.where(tokens <= constraints.max_epochs * constraints.unique_tokens, tokens, np.inf)
        tokens = np.where((tokens / params > RATIOS[1]) | (tokens / params < RATIOS[0]), np.inf, tokens)
        price = constraints.price_of_flop
        if price or constraints.price.token:
            fresh = np.minimum(tokens, constraints.unique_tokens or np.inf)
            return price * rule.flops(params, tokens + service) + constraints.price.token * fresh, tokens
        return rule.flops(params, tokens + service), tokens

    nodes = problem.limits.menu if len(problem.limits.menu) else np.geomspace(
        problem.limits.low, problem.limits.high, SIZES
    )  # fmt: skip
    at = np.arange(problem.draws)
    params = np.broadcast_to(nodes, (problem.draws, len(nodes)))
    total, tokens = cost(params)
    best = np.argmin(total, axis=1)
    size, least, chosen = params[at, best], total[at, best], tokens[at, best]
    if not len(problem.limits.menu):
        grid = np.log(nodes)
        low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, SIZES - 1)]
        for _ in range(ROUNDS):
            finer = np.linspace(low, high, FINER, axis=1)
            total, tokens = cost(np.exp(finer))
            i = np.argmin(total, axis=1)
            better = total[at, i] <= least
            size, least, chosen = (
                np.where(better, new[at, i], old)
                for new, old in ((np.exp(finer), size), (total, least), (tokens, chosen))
            )
            step = (high - low) / (FINER - 1)
            low, high = (np.clip(np.log(size) + way * step, grid[0], grid[-1]) for way in (-1, 1))
    reached = np.isfinite(least)
    size, chosen = np.where(reached, size, np.inf), np.where(reached, chosen, np.inf)
    found = {
        "params": size,
        "tokens": chosen,
        "training": np.asarray(rule.flops(size, chosen)),
        "flops": np.asarray(rule.flops(size, chosen + service)),
    }
    if constraints.price_of_flop or constraints.price.token:
        found["money"] = least
    return found


def tokens_to(problem: Problem, loss: float, params: np.ndarray) -> np.ndarray:
    """The fewest tokens that bring models of shape (draws, sizes) to a loss; infinite where none do.

    Where a drift rises with compute a loss may be reached and lost again: what counts is that it was reached.
    """
    low, high = (np.full(params.shape, np.log(end)) for end in TOKENS)
    nodes = np.linspace(np.log(TOKENS[0]), np.log(TOKENS[1]), LOOKS)
    reached = np.zeros(params.shape, bool)
    for node, before in zip(nodes[::-1], np.append(nodes[-2::-1], nodes[0]), strict=True):
        # From above, so that the lowest node that is enough stays.
        enough = problem.loss(params, np.broadcast_to(np.exp(node), params.shape)) <= loss
        low, high = np.where(enough, before, low), np.where(enough, node, high)
        reached |= enough
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = problem.loss(params, np.exp(middle)) <= loss
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(reached, np.exp(high), np.inf)
