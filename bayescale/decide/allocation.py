"""Compute-optimal params and tokens for a budget, from every draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.expected import Predictor
from bayescale.laws import Law
from bayescale.posterior import SIX, PosteriorData

STEPS = 60
"""Golden-section steps: each shrinks the bracket by 0.618, so 60 take eight decades to a relative 1e-11."""

RATIOS = (1e-3, 1e6)
"""Tokens per parameter among which the numerical optimum is looked for: beyond, no law has been measured."""

NODES = 181


class AllocationError(UserError):
    """A budget that cannot be allocated; the message says why."""


@dataclass(frozen=True, eq=False)
class Allocation:
    """Posterior of the compute-optimal run at each budget.

    Attributes
    ----------
    table : DataFrame
        A row per budget and group: median and 90 % interval of params, tokens, tokens per parameter and
        expected loss.
    draws : dict of ndarray
        ``params``, ``tokens``, ``loss`` with shape (draws, rows of the table).
    flops_per_param_token : float
        k in C = k N D.
    """

    table: pd.DataFrame
    draws: dict[str, np.ndarray]
    flops_per_param_token: float

    def __str__(self) -> str:
        shown = self.table.copy()
        for name in shown.columns:
            if name == "flops" or str(name).startswith(("params", "tokens")):
                shown[name] = shown[name].map("{:.3g}".format)
        rule = f"medians, with the ends of the 90 % interval; C = {self.flops_per_param_token:.3g} N D"
        return f"{shown.round(4).to_string(index=False)}\n{rule}"


def optimum(
    law: Law, values: Mapping[str, Any], flops: Any, k: float = SIX, fixed: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Params and tokens that minimise the law at C = k N D: in closed form where the law has one.

    `fixed` holds the law's other inputs, such as unique_tokens or experts.
    """
    fixed = _other_inputs(law, fixed or {})
    if law.optimum is not None:
        params, tokens = law.optimum(values, flops, k, fixed)
        return np.asarray(params), np.asarray(tokens)
    return numeric_optimum(law, values, flops, k, fixed)


def numeric_optimum(
    law: Law, values: Mapping[str, Any], flops: Any, k: float = SIX, fixed: Mapping[str, Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The same by a grid over tokens per parameter, refined by golden section; for any law of params and tokens.

    Raises
    ------
    AllocationError
        The law is not one of params and tokens, another of its inputs is not given, or the loss falls to the edge of
        the grid.
    """
    fixed = {name: jnp.asarray(x) for name, x in _other_inputs(law, fixed or {}).items()}
    values = {name: jnp.asarray(x) for name, x in values.items()}
    log_product = jnp.log(jnp.asarray(flops) / k)

    def loss(log_ratio: Any) -> Any:
        params, tokens = jnp.exp((log_product - log_ratio) / 2), jnp.exp((log_product + log_ratio) / 2)
        return law.loss(values, {**fixed, "params": params, "tokens": tokens})

    nodes = jnp.linspace(np.log(RATIOS[0]), np.log(RATIOS[1]), NODES)
    grid = jnp.stack([loss(node) for node in nodes])
    best = jnp.argmin(jnp.where(jnp.isfinite(grid), grid, jnp.inf), axis=0)
    if bool(jnp.any((best == 0) | (best == NODES - 1))):
        raise AllocationError(
            f"the law {law.name} has no compute-optimal size here: its loss falls to the edge of all sizes"
        )
    low, high = nodes[best - 1], nodes[best + 1]
    inverse = (np.sqrt(5) - 1) / 2

    def narrow(_: int, bracket: Any) -> Any:
        low, high = bracket
        left, right = high - inverse * (high - low), low + inverse * (high - low)
        lower = loss(left) < loss(right)
        return jnp.where(lower, low, left), jnp.where(lower, right, high)

    low, high = jax.lax.fori_loop(0, STEPS, narrow, (low, high))
    middle = (low + high) / 2
    return np.asarray(jnp.exp((log_product - middle) / 2)), np.asarray(jnp.exp((log_product + middle) / 2))


def _other_inputs(law: Law, given: Mapping[str, Any]) -> dict[str, Any]:
    """The law's inputs beside params and tokens, all of them given."""
    if not {"params", "tokens"} <= set(law.inputs):
        raise AllocationError(
            f"the law {law.name} takes {', '.join(law.inputs)}: without params and tokens there is nothing to allocate"
        )
    others = [name for name in law.inputs if name not in ("params", "tokens")]
    missing = [name for name in others if name not in given]
    if missing:
        raise AllocationError(
            f"the law {law.name} takes {', '.join(missing)} beside params and tokens: say at which (--at "
            f"{missing[0]}=VALUE, or a column of that name in `groups`)"
        )
    return {name: given[name] for name in others}


def allocate(
    posterior: PosteriorData,
    flops: Sequence[float],
    groups: pd.DataFrame | None = None,
    fixed: Mapping[str, float] | None = None,
) -> Allocation:
    """Posterior of N*, D* and L* at each budget.

    Parameters
    ----------
    posterior : PosteriorData
    flops : sequence of float
        Budgets in FLOPs.
    groups : DataFrame, optional
        Grouping labels, a row a group; every cell of the fitted runs where absent. Columns that the law takes beside
        params and tokens, such as ``unique_tokens``, hold what they are fixed at.
    fixed : mapping, optional
        The same for every group.
    """
    budgets = np.asarray(list(flops), dtype=float)
    if not len(budgets) or not (np.isfinite(budgets) & (budgets > 0)).all():
        raise AllocationError(f"budgets are positive FLOPs: got {list(flops)}")
    groups = posterior.design.cells if groups is None else groups
    if groups.empty and len(groups.columns) == 0:
        groups = pd.DataFrame(index=[0])
    groups = groups.assign(**{name: float(x) for name, x in (fixed or {}).items()})
    _known_inputs(posterior, fixed or {})
    cells = Predictor(posterior).parameters(groups)
    k = posterior.flops_per_param_token
    rows: list[dict[str, Any]] = []
    kept: dict[str, list[np.ndarray]] = {"params": [], "tokens": [], "loss": []}
    for i, labels in enumerate(groups.to_dict("records")):
        values = {name: x[:, i] for name, x in cells.values.items()}
        others = _other_inputs(cells.law, labels)
        for budget in budgets:
            params, tokens = optimum(cells.law, values, budget, k, others)
            loss = np.asarray(cells.law.loss(values, {**others, "params": params, "tokens": tokens}))
            loss = loss * np.exp(_drift(posterior, labels, budget, params))
            for name, x in (("params", params), ("tokens", tokens), ("loss", loss)):
                kept[name].append(x)
            row: dict[str, Any] = {**{str(c): label for c, label in labels.items()}, "flops": budget}
            for name, x in (
                ("params", params),
                ("tokens", tokens),
                ("tokens_per_param", tokens / params),
                ("loss", loss),
            ):
                row[name], row[f"{name}_q0.05"], row[f"{name}_q0.95"] = np.quantile(x, (0.5, 0.05, 0.95))
            rows.append(row)
    return Allocation(pd.DataFrame(rows), {name: np.stack(x, axis=1) for name, x in kept.items()}, k)


def _drift(
    posterior: PosteriorData, labels: Mapping[str, Any], flops: float, params: np.ndarray
) -> np.ndarray:
    """Draws of the drift of log loss at a budget's optimum, shape (draws,): as far out as its median size is."""
    point = pd.DataFrame([{**labels, "flops": flops, "params": float(np.median(params))}])
    return Predictor(posterior).drift(point)[:, 0]


def _known_inputs(posterior: PosteriorData, fixed: Mapping[str, float]) -> None:
    others = [name for name in posterior.model.definition.inputs if name not in ("params", "tokens")]
    for name, value in fixed.items():
        if name not in others:
            takes = ", ".join(others) if others else "nothing"
            raise AllocationError(
                f"the law {posterior.model.law} takes {takes} beside params and tokens; {name} does not matter to it"
            )
        zero = name in posterior.model.definition.may_be_zero
        if not np.isfinite(value) or value < 0 or (value == 0 and not zero):
            raise AllocationError(f"{name} must be positive: got {value:g}")
