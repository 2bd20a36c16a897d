"""At what size a skill leaves chance: along the recipe of the fitted runs, with every uncertainty on the way."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.predict import loss_draws
from bayescale.numerals import count, percent
from bayescale.posterior import PosteriorData
from bayescale.skills.accuracy import SkillFit
from bayescale.skills.emergence import MARGIN, PER_DECADE, paired, units_for
from bayescale.skills.errors import SkillsError
from bayescale.skills.frontier import cells_of, dearest_of, points_along

BEFORE, BEYOND = 1e3, 10.0
"""Of the dearest run's compute: between which ends a size is looked for."""


@dataclass(frozen=True, eq=False)
class Leaving:
    """Sizes at which skills leave chance.

    Attributes
    ----------
    table : DataFrame
        A row a skill and cell: ``params`` with its 90 % ends (infinite where it is beyond the reach), ``within``
        (probability that it lies within the reach) and ``dearest`` (size of a run of the dearest run's compute).
    draws : ndarray, shape (rows of `table`, draws)
        In parameters; draws of different rows belong together. Infinite beyond the reach, zero before it.
    margin : float
    """

    table: pd.DataFrame
    draws: np.ndarray
    margin: float

    def sooner(self, skill: str, one: str, other: str, column: str = "task") -> float:
        """Probability that a skill leaves chance at a smaller size in one cell than in another."""
        at = {
            label: self.draws[i]
            for i, (name, label) in enumerate(zip(self.table["skill"], self.table[column], strict=True))
            if name == skill
        }
        # Where neither is within the reach, neither is the sooner one.
        return float(((at[one] < at[other]) + 0.5 * (at[one] == at[other])).mean())

    def __str__(self) -> str:
        return "\n".join(
            f"{row['skill']} ({row.get('task', 'all')}): expected accuracy above chance by {self.margin:g} "
            f"{_from(row)}; within ten times the dearest run's compute with probability {percent(row['within'])}."
            for row in self.table.to_dict("records")
        )

    __repr__ = __str__


def _from(row: dict[Hashable, Any]) -> str:
    """From which size, in words: zero stands for one below all that were asked for."""
    if not row["params_q0.95"]:
        return "at every size asked for"
    low, high = count(row["params_q0.05"]), count(row["params_q0.95"])
    return f"from {count(row['params'])} params (90 % interval {low} to {high})"


def leaves_chance(
    fit: SkillFit, posterior: PosteriorData, margin: float = MARGIN, optimal: bool = False, seed: int = 0
) -> Leaving:
    """The size from which the expected accuracy of a run is above chance by a margin.

    Parameters
    ----------
    fit : SkillFit
    posterior : PosteriorData
        Of the loss, fitted to the same runs, with a law that has ``params``.
    margin : float
        In accuracy.
    optimal : bool
        Runs are compute-optimal, instead of as the fitted ones were made.
    seed : int

    Raises
    ------
    SkillsError
        The law has no size.
    """
    if "params" not in posterior.model.definition.inputs:
        raise SkillsError("the law of the loss has no params: a size cannot be told from it")
    rows, draws = [], []
    for cell in cells_of(posterior):
        dearest = dearest_of(posterior, cell)
        steps = np.arange(-round(np.log10(BEFORE) * PER_DECADE), round(np.log10(BEYOND) * PER_DECADE) + 1)
        points = points_along(posterior, cell, (dearest * 10 ** (steps / PER_DECADE)).tolist(), optimal)
        loss, _ = loss_draws(posterior, points, "mean", seed)
        which = paired(fit, len(loss), seed)
        sizes = np.log(points["params"].to_numpy(float))
        for unit in units_for(fit, cell):
            about = fit.units.iloc[unit]
            above = fit.accuracy(unit, loss, which) - (about["chance"] + margin)
            at = np.array([crossing(one, sizes) for one in above])
            low, middle, high = np.quantile(at, (0.05, 0.5, 0.95), method="nearest")
            draws.append(at)
            rows.append(
                {
                    **cell,
                    "skill": about["skill"],
                    "params": middle,
                    "params_q0.05": low,
                    "params_q0.95": high,
                    "within": float(np.isfinite(at).mean()),
                    "dearest": float(np.exp(np.interp(0.0, steps, sizes))),
                }
            )
    return Leaving(pd.DataFrame(rows), np.array(draws), margin)


def crossing(above: np.ndarray, sizes: np.ndarray) -> float:
    """Where a curve comes above zero to stay, by a straight line between two points."""
    below = np.flatnonzero(above <= 0)
    if not len(below):
        return 0.0
    last = below[-1]
    if last == len(above) - 1:
        return np.inf
    share = -above[last] / (above[last + 1] - above[last])
    return float(np.exp(sizes[last] + share * (sizes[last + 1] - sizes[last])))
