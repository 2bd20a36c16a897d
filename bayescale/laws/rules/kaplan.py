"""What follows from the laws of Kaplan et al. 2020 (arXiv:2001.08361): batch, stopping, size, learning rate.

Pure functions of numbers or arrays. Compute is in FLOPs; the paper's PF-days are 8.64e19 of them. Constants default to
the set that the paper uses for the rule: `JOINT` for overfitting, `STEPS` for training, `CRITICAL_BATCH` for the
batch. They are three fits and are not mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

PF_DAY = 8.64e19
"""FLOPs in a PF-day: 1e15 FLOP/s for a day."""

Constants = Mapping[str, float]

JOINT: Constants = MappingProxyType({"N_c": 6.4e13, "a_N": 0.076, "D_c": 1.8e13, "a_D": 0.103})
"""Joint fit in size and data, Table 2."""
STEPS: Constants = MappingProxyType({"N_c": 6.5e13, "a_N": 0.077, "S_c": 2.1e3, "a_S": 0.76})
"""Fit to learning curves, Table 3."""
CRITICAL_BATCH: Constants = MappingProxyType({"B_star": 2.1e8, "a_B": 0.21})
"""Critical batch size in tokens, eq. 5.3 and Table 3."""
MINIMUM_COMPUTE: Constants = MappingProxyType({"C_c": 3.1e8 * PF_DAY, "a_C": 0.050})
"""Loss against C_min, eq. 1.3, in FLOPs."""
DATA: Constants = MappingProxyType({"D_c": 5.4e13, "a_D": 0.095})
"""Loss against data alone, eq. 1.2."""


def critical_batch(loss: Any, constants: Constants = CRITICAL_BATCH) -> Any:
    """Return the critical batch size B_crit = B* / L^(1/a_B), in tokens (eqs. 1.4 and 5.3).

    Below it a batch saves compute, above it steps. It depends on the loss alone and doubles for every 13 % that
    the loss falls.
    """
    return constants["B_star"] * loss ** (-1 / constants["a_B"])


def examples_needed(steps: Any, minimum_steps: Any, critical: Any) -> Any:
    """Return the tokens E to a loss in S steps: (S/S_min - 1)(E/E_min - 1) = 1, E_min = B_crit S_min (eqs. 5.1, 5.2).

    Parameters
    ----------
    steps : array_like
        S, above `minimum_steps`.
    minimum_steps : array_like
        S_min, steps to that loss at a batch far above critical.
    critical : array_like
        B_crit at that loss, tokens.
    """
    return critical * minimum_steps * (1 + 1 / (steps / minimum_steps - 1))


def minimum_steps(steps: Any, batch_tokens: Any, loss: Any, constants: Constants = CRITICAL_BATCH) -> Any:
    """Return S_min = S / (1 + B_crit(L)/B): what S steps at batch B come to at a batch far above critical (eq. 5.4).

    `loss` is the loss that was reached: B_crit is that of the target.
    """
    return steps / (1 + critical_batch(loss, constants) / batch_tokens)


def minimum_compute(flops: Any, batch_tokens: Any, loss: Any, constants: Constants = CRITICAL_BATCH) -> Any:
    """Return C_min = C / (1 + B/B_crit(L)): what C comes to at a batch far below critical (eq. 5.5).

    `loss` is the loss that was reached: B_crit is that of the target.
    """
    return flops / (1 + batch_tokens / critical_batch(loss, constants))


def minimum_compute_on_frontier(
    flops: float,
    batch_tokens: float,
    frontier: Constants = MINIMUM_COMPUTE,
    constants: Constants = CRITICAL_BATCH,
) -> float:
    """Solve C_min = C / (1 + B/B_crit(L(C_min))) for a run on the frontier whose loss has not been measured (eq. 5.5).

    The conversion is implicit, since the batch that is critical depends on the loss that the budget will reach.
    """

    def excess(log_compute: float) -> float:
        compute = np.exp(log_compute)
        loss = (frontier["C_c"] / compute) ** frontier["a_C"]
        return float(log_compute - np.log(minimum_compute(flops, batch_tokens, loss, constants)))

    # C_min < C, and B_crit falls as C_min does: far below, the excess is negative.
    low = np.log(flops)
    while excess(low) > 0:
        low -= 1.0
    from scipy.optimize import brentq

    return float(np.exp(brentq(excess, low, np.log(flops), xtol=1e-14, rtol=1e-15)))


def overfitting(params: Any, tokens: Any, constants: Constants = JOINT) -> Any:
    """Return dL = L(N, D)/L(N, inf) - 1 = [1 + (N/N_c)^(a_N/a_D) D_c/D]^a_D - 1 (eqs. 4.2, 4.3)."""
    power = constants["a_N"] / constants["a_D"]
    penalty = (params / constants["N_c"]) ** power * constants["D_c"] / tokens
    return (1 + penalty) ** constants["a_D"] - 1


def tokens_to_avoid_overfitting(params: Any, excess: float = 0.02, constants: Constants = JOINT) -> Any:
    """Return the least D that keeps dL at or under `excess`: about 5e3 N^0.74 for 2 % (eq. 4.4)."""
    power = constants["a_N"] / constants["a_D"]
    size = (params / constants["N_c"]) ** power
    return size * constants["D_c"] / ((1 + excess) ** (1 / constants["a_D"]) - 1)


def early_stopping(params: Any, tokens: Any, joint: Constants = JOINT, steps: Constants = STEPS) -> Any:
    """Return the lower bound of the steps before overfitting, S_c / [L(N, D) - L(N, inf)]^(1/a_S) (eq. 5.7).

    Here the paper itself uses two fits side by side, the joint one for the gap and the learning curves for the steps.
    """
    unlimited = (joint["N_c"] / params) ** joint["a_N"]
    gap = unlimited * overfitting(params, tokens, joint)
    return steps["S_c"] * gap ** (-1 / steps["a_S"])


def compute_exponent(constants: Constants = STEPS, batch: Constants = CRITICAL_BATCH) -> float:
    """Return a_C^min = 1 / (1/a_S + 1/a_B + 1/a_N) (eq. 6.4): 0.05245 with the constants of Table 3."""
    return 1 / (1 / constants["a_S"] + 1 / batch["a_B"] + 1 / constants["a_N"])


class Exponents(NamedTuple):
    """How size, batch and steps grow with C_min on the frontier."""

    params: float
    batch: float
    steps: float


def allocation_exponents(constants: Constants = STEPS, batch: Constants = CRITICAL_BATCH) -> Exponents:
    """Return the exponents of N, B and S in C_min: a_C/a_N, a_C/a_B, a_C/a_S, which sum to one (eqs. 1.7, 6.5)."""
    total = compute_exponent(constants, batch)
    return Exponents(total / constants["a_N"], total / batch["a_B"], total / constants["a_S"])


class FittedAllocation(NamedTuple):
    """The paper's fits to its own frontier, at a budget.

    Attributes
    ----------
    params : array_like
        N = 1.3e9 C^0.73, without embeddings.
    batch_tokens : array_like
        B = 2.0e6 C^0.24.
    steps : array_like
        S_min = 5.4e3 C^0.03.
    tokens : array_like
        D = 2e10 C^0.27.
    """

    params: Any
    batch_tokens: Any
    steps: Any
    tokens: Any


def fitted_allocation(flops_min: Any) -> FittedAllocation:
    """Return the paper's fitted allocation at a budget of C_min FLOPs (appendix A, Table 6)."""
    days = flops_min / PF_DAY
    return FittedAllocation(1.3e9 * days**0.73, 2.0e6 * days**0.24, 5.4e3 * days**0.03, 2e10 * days**0.27)


def fitted_tokens_at_critical_batch(flops_min: Any) -> Any:
    """Return D = 4e10 C^0.26, the tokens of one epoch at the critical batch, where C = 2 C_min (eq. 6.7)."""
    return 4e10 * (flops_min / PF_DAY) ** 0.26


def efficient_excess(constants: Constants = STEPS) -> float:
    """Return f = a_N/a_S: on the frontier training stops at (1 + f) times the converged loss (app. B.2)."""
    return constants["a_N"] / constants["a_S"]


class Comparison(NamedTuple):
    """Size, steps and compute of one way to a loss, relative to another."""

    params: float
    steps: float
    compute: float


def efficient_against(excess: float, constants: Constants = STEPS) -> Comparison:
    """Return the frontier's size, steps and compute relative to training to within `excess` of convergence (app. B.3).

    Both reach the same loss. Against 2 % (``excess=0.02``): 2.7 times the parameters, 7.7 times fewer steps, 65 %
    less compute.
    """
    best = efficient_excess(constants)
    params = ((1 + best) / (1 + excess)) ** (1 / constants["a_N"])
    steps = ((1 + 1 / best) / (1 + 1 / excess)) ** (1 / constants["a_S"])
    return Comparison(params, steps, params * steps)


def suboptimal_size(ratio: Any, constants: Constants = STEPS) -> Comparison:
    """Return steps and compute of a model of `ratio` times the efficient size, to the same loss (app. B.4).

    S/S_eff = [1 + (a_S/a_N)(1 - (N_eff/N)^a_N)]^(-1/a_S), C/C_eff = (N/N_eff) S/S_eff. Infinite where the model is
    too small ever to reach that loss.
    """
    ratio = np.asarray(ratio, dtype=float)
    bracket = 1 + constants["a_S"] / constants["a_N"] * (1 - ratio ** -constants["a_N"])
    with np.errstate(divide="ignore"):
        steps = np.maximum(bracket, 0.0) ** (-1 / constants["a_S"])
    if ratio.ndim == 0:
        return Comparison(float(ratio), float(steps), float(ratio * steps))
    return Comparison(ratio, steps, ratio * steps)


def compute_for_loss(relative_loss: Any, exponent: float = MINIMUM_COMPUTE["a_C"]) -> Any:
    """Return the compute that a relative change of the loss is worth: 1 % less loss costs 22 % more (section 3.3).

    ``compute_for_loss(1 / 1.01)`` is 1.22.
    """
    return relative_loss ** (-1 / exponent)


def learning_rate(params: Any) -> Any:
    """Return LR(N) = 0.003239 - 0.0001395 ln N (eq. D.1); meaningless above 1e10 parameters, where it reaches zero."""
    return 0.003239 - 0.0001395 * np.log(params)


class Contradiction(NamedTuple):
    """Where two of the paper's laws can no longer both hold.

    Attributes
    ----------
    flops_min : float
        C*; in PF-days about 1e4.
    params, tokens : float
        The fitted allocation there.
    loss : float
        Nats per token.
    """

    flops_min: float
    params: float
    tokens: float
    loss: float


def contradiction(data: Constants = DATA, frontier: Constants = MINIMUM_COMPUTE) -> Contradiction:
    """Return the crossing of L(C_min) and L(D(C_min)), beyond which a frontier run would beat its data (section 6.3).

    The frontier falls as C^-0.050, while the data that it consumes, D = 2e10 C^0.27, allows for no more than
    C^-0.026. The paper gives the crossing to "an order of magnitude in either direction".
    """
    at_one_day, exponent = 2e10, 0.27
    by_data = data["a_D"] * exponent
    frontier_scale = frontier["C_c"] / PF_DAY
    log_days = (frontier["a_C"] * np.log(frontier_scale) - data["a_D"] * np.log(data["D_c"] / at_one_day)) / (
        frontier["a_C"] - by_data
    )
    flops = float(np.exp(log_days) * PF_DAY)
    there = fitted_allocation(flops)
    return Contradiction(
        flops, float(there.params), float(there.tokens), (frontier["C_c"] / flops) ** frontier["a_C"]
    )
