"""When one-pass SGD converges, and the largest step size at which it does."""

from __future__ import annotations

from dataclasses import dataclass

from bayescale.theory.problem import Problem


@dataclass(frozen=True)
class Stability:
    """Whether SGD converges, with what decides it (Paquette et al. 2024, arXiv:2405.15074, section 2.1).

    Attributes
    ----------
    step : float
        gamma.
    norm : float
        sum_r K(r): every unit of risk causes so much again through SGD's noise. Below one the risk has a
        limit; infinite where `step` is `largest` or more.
    largest : float
        The step size at which the norm is one.
    limit : float
        The risk after infinitely many steps, F_0 / (1 - norm); infinite where SGD diverges.
    """

    step: float
    norm: float
    largest: float
    limit: float

    @property
    def converges(self) -> bool:
        return self.norm < 1


def stability(problem: Problem) -> Stability:
    """Of the deterministic equivalent; one draw of the features has its own (`Features.norm`)."""
    from bayescale.theory.equivalent import largest_step, limits

    largest = largest_step(problem.alpha, problem.d, problem.dimension, problem.batch)
    if problem.gamma >= largest:
        # Beyond the first pole of 1 / (1 - gamma (B+1) l / 2) the norm is no sum any more.
        return Stability(problem.gamma, float("inf"), largest, float("inf"))
    found = limits(problem)
    return Stability(problem.gamma, found.norm, largest, found.floor / (1 - found.norm))
