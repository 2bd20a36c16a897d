"""Compute-optimal params and tokens of a budget: in closed form where the law has one, by search where not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from bayescale.decide.errors import AllocationError
from bayescale.decide.golden import narrowed
from bayescale.decide.limits import RATIOS
from bayescale.flops import FLOPS_PER_PARAM_TOKEN, FlopRule, as_rule
from bayescale.laws import Law

STEPS = 60
"""Golden-section steps: each shrinks the bracket by 0.618, so 60 take eight decades to a relative 1e-11."""

NODES = 181

STRAY = 0.05
"""Share of draws that may stay at the edge of all sizes: one draw of thousands is no reason to refuse a plan, and what
is beyond the 90 % interval does not show in it."""


def optimum(
    law: Law,
    values: Mapping[str, Any],
    flops: Any,
    k: FlopRule | float = FLOPS_PER_PARAM_TOKEN,
    fixed: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Params and tokens that minimise the law at a budget: in closed form where the law has one and k is constant.

    `k` is what compute costs: a number in C = k N D, or a rule by which it moves with size. `fixed` holds the other
    inputs of the law, such as unique_tokens or experts.
    """
    fixed = other_inputs(law, fixed or {})
    rule = as_rule(k)
    if law.optimum is not None and not rule.moves:
        params, tokens = law.optimum(values, flops, rule.per_param_token(1.0), fixed)
        return np.asarray(params), np.asarray(tokens)
    return numeric_optimum(law, values, flops, k, fixed)


def numeric_optimum(
    law: Law,
    values: Mapping[str, Any],
    flops: Any,
    k: FlopRule | float = FLOPS_PER_PARAM_TOKEN,
    fixed: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The same by a grid over tokens per parameter, refined by golden section; for any law of params and tokens.

    Raises
    ------
    AllocationError
        The law is not one of params and tokens, another of its inputs is not given, or the loss falls to the edge of
        the grid.
    """
    fixed = {name: jnp.asarray(x) for name, x in other_inputs(law, fixed or {}).items()}
    values = {name: jnp.asarray(x) for name, x in values.items()}
    rule = as_rule(k)
    flops = np.asarray(flops, dtype=float)
    log_product = np.log(flops / rule.typical)

    def plan(log_ratio: Any) -> tuple[Any, Any]:
        params = np.exp((log_product - log_ratio) / 2)
        return params, rule.tokens(params, flops)

    def loss(log_ratio: Any) -> Any:
        params, tokens = plan(log_ratio)
        return law.loss(values, {**fixed, "params": params, "tokens": tokens})

    nodes = np.linspace(np.log(RATIOS[0]), np.log(RATIOS[1]), NODES)
    grid = jnp.stack([loss(node) for node in nodes])
    best = jnp.argmin(jnp.where(jnp.isfinite(grid), grid, jnp.inf), axis=0)
    if float(jnp.mean((best == 0) | (best == NODES - 1))) > STRAY:
        raise AllocationError(
            f"the law {law.name} has no compute-optimal size here: its loss falls to the edge of all sizes"
        )
    places, best = np.asarray(nodes), np.clip(np.asarray(best), 1, NODES - 2)
    middle = narrowed(lambda x: np.asarray(loss(x)), places[best - 1], places[best + 1], STEPS)
    return plan(middle)


def other_inputs(law: Law, given: Mapping[str, Any], free: tuple[str, ...] = ()) -> dict[str, Any]:
    """The law's inputs beside params and tokens, all of them given but those that are free."""
    if not {"params", "tokens"} <= set(law.inputs):
        raise AllocationError(
            f"the law {law.name} takes {', '.join(law.inputs)}: without params and tokens there is nothing to allocate"
        )
    others = [name for name in law.inputs if name not in ("params", "tokens", *free)]
    missing = [name for name in others if name not in given]
    if missing:
        raise AllocationError(
            f"the law {law.name} takes {', '.join(missing)} beside params and tokens: say at which (--at "
            f"{missing[0]}=VALUE, or a column of that name in `groups`)"
        )
    return {name: given[name] for name in others}
