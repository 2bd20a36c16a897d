"""The test that Guo 2024 invites: is the loss independent of how compute is split between size and data?

Guo's law makes the loss a line in ln(N D): one slope for both. `guo-free` gives ln N and ln D a slope each, and the
posterior of their difference is the test. It works on any loss: in nats per token the slopes are in nats.

What it can see is a *tilt* along a budget, and no more. IsoFLOP curves that are measured on both sides of their
minimum are bowls, whose tilt is zero although every split but one is worse: there, a law with an optimal split wins
by leave-one-out. So the difference is shown with a comparison, never alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayescale.errors import UserError
from bayescale.laws.guo import slope_difference
from bayescale.numerals import interval, percent, significant
from bayescale.posterior import PosteriorData

SHARE = 0.1
"""Slopes within a tenth of each other are called the same, where no margin is given."""


class SplitSlopesError(UserError):
    """A posterior that the test cannot be read from."""


@dataclass(frozen=True, eq=False)
class SplitSlopes:
    """Posterior of the difference of the ln N and ln D slopes.

    Attributes
    ----------
    difference : ndarray, shape (draws,)
        alpha_N - alpha_D of the population, in units of the loss per e-fold; negative: size pays more than data.
    of_cell : dict of ndarray
        The same in every cell.
    margin : float
        Below this the slopes are taken for the same.
    """

    difference: np.ndarray
    of_cell: dict[str, np.ndarray]
    margin: float

    @property
    def p_same(self) -> float:
        """P(abs(alpha_N - alpha_D) < margin)."""
        return float((np.abs(self.difference) < self.margin).mean())

    @property
    def bounds(self) -> tuple[float, float]:
        """The 95 % interval of the difference."""
        low, high = np.quantile(self.difference, (0.025, 0.975))
        return float(low), float(high)

    @property
    def sentence(self) -> str:
        """What it says of Guo's claim."""
        low, high = self.bounds
        figure = f"{significant(float(np.median(self.difference)), 3)} [95 %: {interval(low, high, 3)}]"
        odds = f"within {significant(self.margin, 2)} of zero with probability {percent(self.p_same)}"
        if self.p_same > 0.95:
            return (
                f"No tilt along a budget: alpha_N - alpha_D is {figure}, {odds}. Whether the loss is a bowl there, "
                "laws with an optimal split tell."
            )
        if low > 0 or high < 0:
            more = "data pay more than size" if low > 0 else "size pays more than data"
            return (
                f"The loss depends on the split: alpha_N - alpha_D is {figure}, {odds}; {more} in these runs."
            )
        return f"These runs do not tell whether the split matters: alpha_N - alpha_D is {figure}, {odds}."

    def __str__(self) -> str:
        lines = [self.sentence]
        if len(self.of_cell) > 1:
            wide = max(map(len, self.of_cell))
            for name, draws in self.of_cell.items():
                low, middle, high = np.quantile(draws, (0.025, 0.5, 0.975))
                lines.append(f"  {name:<{wide}}  {middle:+.4f}  [{low:+.4f} to {high:+.4f}]")
        return "\n".join(lines)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "quantity": "alpha_N - alpha_D",
            "median": float(np.median(self.difference)),
            "interval95": list(self.bounds),
            "margin": self.margin,
            "p_same": self.p_same,
            "sentence": self.sentence,
            "cells": {
                name: np.quantile(draws, (0.025, 0.5, 0.975)).tolist() for name, draws in self.of_cell.items()
            },
        }


def split_slopes(posterior: PosteriorData, margin: float | None = None) -> SplitSlopes:
    """Posterior of alpha_N - alpha_D.

    Parameters
    ----------
    posterior : PosteriorData
        Of the law ``guo-free``.
    margin : float, optional
        Differences below it count as none, in units of the loss per e-fold; a tenth of the mean slope where absent.

    Raises
    ------
    SplitSlopesError
        The posterior is of another law, or the margin is not positive.
    """
    if posterior.model.law != "guo-free":
        raise SplitSlopesError(
            f"the slopes of size and data are those of the law guo-free: this posterior is of {posterior.model.law}"
        )
    population = {name: posterior.draws(f"{name}_mean") for name in ("alpha_N", "alpha_D")}
    if margin is None:
        margin = SHARE * float(np.median(np.abs(population["alpha_N"] + population["alpha_D"]) / 2))
    if not margin > 0:
        raise SplitSlopesError(f"the margin is a positive number: got {margin}")
    cells = slope_difference({name: posterior.draws(name) for name in ("alpha_N", "alpha_D")})
    labels = posterior.design.cell_labels
    return SplitSlopes(
        np.asarray(slope_difference(population)),
        {label: np.asarray(cells[:, i]) for i, label in enumerate(labels)},
        margin,
    )
