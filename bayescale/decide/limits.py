"""The most tokens that constraints leave for a model of a size: what makes any allocation a search over sizes alone.

The expected loss falls with tokens, so the best plan of a size trains on as many as every limit allows, and each limit
allows fewer the larger the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayescale.decide.constraints import Constraints
from bayescale.decide.errors import AllocationError, ConstraintError
from bayescale.flops import FlopRule, as_rule

RATIOS = (1e-3, 1e6)
"""Tokens per parameter among which the numerical optimum is looked for: beyond, no law has been measured."""

CORNER = 1e-4
"""Limits that differ by no more than this share bind together."""

Tokens = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of one problem.

    Attributes
    ----------
    caps : dict of callable
        What limits, in words, and ``params -> tokens``: the most tokens that it allows, zero or less where none.
    low, high : float
        Smallest and largest size: the user's, or where the ratio of tokens to params leaves `RATIOS`.
    explicit_low, explicit_high : str
        What sets that end in words; empty where `RATIOS` does.
    menu : ndarray
        The only sizes there are; empty where all are.
    k : FlopRule or float
        What compute costs: C = k N D, or a rule by which k moves with size.
    flops : float or None
        Where a budget of FLOPs for training is the only limit, that.
    """

    caps: dict[str, Tokens]
    low: float
    high: float
    explicit_low: str
    explicit_high: str
    menu: np.ndarray
    k: FlopRule | float
    flops: float | None = None

    @property
    def rule(self) -> FlopRule:
        """What compute costs."""
        return as_rule(self.k)

    def tokens(self, params: Any) -> np.ndarray:
        """The most tokens for a model of a size; broadcasts."""
        return np.min([cap(np.asarray(params, dtype=float)) for cap in self.caps.values()], axis=0)

    def binding(self, params: Any) -> dict[str, np.ndarray]:
        """Whether each limit is the tightest at a size: at a corner more than one is."""
        tightest = self.tokens(params)
        return {
            name: cap(np.asarray(params, dtype=float)) <= tightest * (1 + CORNER)
            for name, cap in self.caps.items()
        }


def make_limits(
    constraints: Constraints,
    flops: float | None,
    k: FlopRule | float,
    measured: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Limits:
    """Limits under constraints and a budget.

    Parameters
    ----------
    constraints : Constraints
    flops : float, optional
        Budget of training and service together.
    k : FlopRule or float
        FLOPs per param and token of training, or a rule by which they move with size.
    measured : callable, optional
        The cap that a measured cost sets.

    Raises
    ------
    ConstraintError
        Nothing limits compute, or no size is left.
    """
    rule = as_rule(k)
    service = constraints.lifetime_tokens / 3
    caps: dict[str, Tokens] = {}
    if flops is not None:
        caps["flops"] = lambda n: rule.tokens(n, flops) - service
    if constraints.hours is not None:
        # Training alone takes the devices; service runs elsewhere and later.
        there = constraints.hours * constraints.devices * constraints.flops_per_device_hour
        caps["hours"] = lambda n: rule.tokens(n, there)
    if constraints.kwh is not None:
        energy = constraints.kwh / constraints.kwh_per_flop
        caps["energy"] = lambda n: rule.tokens(n, energy) - service
    if constraints.money is not None:
        caps["money"] = _by_money(constraints, rule, service)
    if measured is not None and constraints.measured is not None:
        caps[constraints.measured.column] = measured
    if not caps:
        raise ConstraintError("nothing limits compute: give flops, hours, money, kwh, or a measured cost")
    if constraints.max_epochs is not None and constraints.unique_tokens is not None:
        caps["data"] = _flat(constraints.max_epochs * constraints.unique_tokens)
    if constraints.max_steps is not None and isinstance(constraints.batch, float):
        caps["steps"] = _flat(constraints.max_steps * constraints.batch)
    alone = flops if list(caps) == ["flops"] and not constraints.lifetime_tokens else None
    return _within(constraints, caps, rule, alone)


def _flat(most: float) -> Tokens:
    return lambda params: np.full(np.shape(params), most)


def _by_money(constraints: Constraints, rule: FlopRule, service: float) -> Tokens:
    money, price, per_flop = constraints.money or 0.0, constraints.price.token, constraints.price_of_flop
    unique = constraints.unique_tokens or np.inf

    def most(params: np.ndarray) -> np.ndarray:
        each = per_flop * rule.flops(params, 1.0)
        left = money - each * service
        with np.errstate(divide="ignore", invalid="ignore"):
            fresh = left / (each + price)
            # Once every distinct token is bought, a further one costs its compute alone.
            if not np.isfinite(unique):
                return np.asarray(fresh)
            again = (left - price * unique) / each
        return np.where(fresh <= unique, fresh, again)

    return most


def size_limits(constraints: Constraints) -> tuple[dict[str, float], dict[str, float]]:
    """What bounds the size whatever the budget, in words, with the bound: from below, and from above."""
    bottoms = {} if constraints.min_params is None else {"min_params": constraints.min_params}
    tops = {} if constraints.max_params is None else {"max_params": constraints.max_params}
    if constraints.device is not None:
        held = constraints.devices if constraints.sharded else 1
        memory = held * constraints.of_device().memory_gb * 1e9 * constraints.memory_share
        tops["memory"] = memory / constraints.bytes_per_param
    if constraints.serving_device is not None:
        memory = constraints.of_device("serving_device").memory_gb * 1e9 * constraints.memory_share
        tops["serving memory"] = memory / constraints.serving_bytes_per_param
    return bottoms, tops


def _within(constraints: Constraints, caps: dict[str, Tokens], rule: FlopRule, flops: float | None) -> Limits:
    def ratio(log_params: float) -> float:
        size = np.asarray(np.exp(log_params))
        return float(min(cap(size) for cap in caps.values()) / size)

    low, high = (_crossing(ratio, at) for at in (RATIOS[1], RATIOS[0]))
    whose_low = whose_high = ""
    bottoms, tops = size_limits(constraints)
    for name, bottom in bottoms.items():
        if bottom > low:
            low, whose_low = bottom, name
    for name, top in tops.items():
        if top < high:
            high, whose_high = top, name
    menu = np.array([shape.params for shape in constraints.sizes])
    if len(menu):
        fits = menu[menu <= high]
        trainable = np.array([ratio(float(np.log(n))) >= RATIOS[0] for n in fits], dtype=bool)
        if not trainable.any():
            raise ConstraintError(
                f"no size of the menu, {menu.min():.3g} params and up, can be trained within the limits "
                f"({', '.join([*caps, *tops])}): offer smaller ones, or loosen a limit"
            )
        menu = fits[trainable]
        low, high, whose_low, whose_high = float(menu.min()), float(menu.max()), "menu", "menu"
    elif low > high:
        why = " and ".join(filter(None, (whose_low, whose_high, *caps)))
        raise ConstraintError(
            f"no size is left: at least {low:.3g} params and at most {high:.3g} ({why}): loosen one"
        )
    return Limits(caps, low, high, whose_low, whose_high, menu, rule, flops)


def _crossing(ratio: Callable[[float], float], at: float) -> float:
    """The size at which the most tokens per param, which falls with size, comes down to `at`."""
    low, high = np.log(1e-3), np.log(1e24)
    if ratio(low) < at and ratio(low) <= 0:
        raise AllocationError("the limits leave no tokens to train even the smallest model on: loosen one")
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if ratio(middle) > at else (low, middle)
    return float(np.exp(low))
