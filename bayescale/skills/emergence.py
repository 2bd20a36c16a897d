"""When skills emerge: the compute at which a run is above chance by a margin with a stated probability.

The posterior of the loss and that of the skills are propagated together: every draw is a law, a run and a curve
from loss to accuracy. Given the measured losses the two are independent, because accuracies are explained by the
*measured* loss of each run and the law by nothing else; so that any pairing of their draws is a draw of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.predict import loss_draws
from bayescale.numerals import percent, scientific, times
from bayescale.posterior import PosteriorData
from bayescale.skills.accuracy import SkillFit
from bayescale.skills.errors import SkillsError
from bayescale.skills.frontier import cells_of, dearest_of, points_along

MARGIN = 0.05
"""Above chance by this much, a skill has emerged, where nobody says otherwise: 5 of 100 items."""

FACTOR = 10.0
SURE = 0.9
REACH = 1000.0
"""Times the dearest fitted run: where the search for the compute ends. Beyond, nothing here is evidence."""

PER_DECADE = 8


@dataclass(frozen=True, eq=False)
class Emergence:
    """When each skill emerges.

    Attributes
    ----------
    table : DataFrame
        A row a skill and cell: the cell's labels, ``skill``, ``chance``, ``dearest`` (compute of the dearest
        fitted run), ``now`` and ``within`` (probability that a run of that compute, and of `factor` times it, is
        above chance by the margin), ``flops`` (the least compute at which that probability is `sure` and stays so;
        NaN beyond the reach), ``params`` (the size of that run, where the law has one), ``accuracy`` with its 90 %
        interval ends at `factor` times the compute.
    curves : DataFrame
        A row a skill, cell and budget: ``flops``, ``probability``, ``accuracy``, ``accuracy_q0.05``,
        ``accuracy_q0.95``.
    margin, factor, sure : float
    link : str
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    margin: float
    factor: float
    sure: float
    link: str
    labels: tuple[str, ...]

    def sentences(self) -> list[str]:
        """What it comes to, a sentence a skill and cell, the likeliest first."""
        said = []
        for row in self.table.sort_values(["within", "now"], ascending=False).to_dict("records"):
            who = ", ".join(str(row[c]) for c in self.labels)
            place = f"{row['skill']} ({who})" if who else str(row["skill"])
            if row["now"] >= self.sure:
                said.append(
                    f"{place}: there already. At {scientific(row['dearest'])} FLOPs it is above chance by "
                    f"{self.margin:g} with probability {percent(row['now'])}."
                )
                continue
            when = (
                f"with probability {percent(self.sure)} from {scientific(row['flops'])} FLOPs on, "
                f"{times(row['flops'] / row['dearest'])} the dearest run"
                if np.isfinite(row["flops"])
                else f"with probability {percent(self.sure)} nowhere within {times(REACH)} the dearest run"
            )
            said.append(
                f"{place}: emerges within the next factor {self.factor:g} of compute with probability "
                f"{percent(row['within'])} (now {percent(row['now'])}); {when}."
            )
        return said

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "margin": self.margin,
            "factor": self.factor,
            "sure": self.sure,
            "link": self.link,
            "emergence": self.table.to_dict("records"),
        }


def paired(fit: SkillFit, draws: int, seed: int) -> np.ndarray:
    """Which draw of the skills goes with each of so many draws of the loss: all are used before any is used again."""
    rng = np.random.default_rng([seed, 11])
    rounds = [rng.permutation(fit.draws) for _ in range(-(-draws // fit.draws))]
    return np.concatenate(rounds)[:draws]


def units_for(fit: SkillFit, cell: dict[str, Any]) -> list[int]:
    """The skills of a cell: those of its task, or all where skills are not told apart by task."""
    if "task" not in fit.units or "task" not in cell:
        return list(range(len(fit.units)))
    return np.flatnonzero((fit.units["task"].astype(str) == str(cell["task"])).to_numpy()).tolist()


def emergence(
    fit: SkillFit,
    posterior: PosteriorData,
    margin: float = MARGIN,
    factor: float = FACTOR,
    sure: float = SURE,
    optimal: bool = False,
    seed: int = 0,
) -> Emergence:
    """When each skill is above chance by a margin.

    Parameters
    ----------
    fit : SkillFit
    posterior : PosteriorData
        Of the loss, fitted to the same runs.
    margin : float
        In accuracy.
    factor : float
        How far beyond the dearest run the probability is asked for.
    sure : float
        The probability that ``flops`` is for.
    optimal : bool
        Runs are compute-optimal, instead of as the fitted ones were made.
    seed : int

    Raises
    ------
    SkillsError
        The loss posterior has no compute, no cell has a skill, or a margin that no accuracy can have.
    """
    room = float((fit.units["ceiling"] - fit.units["chance"]).min())
    if not 0 < margin < room:
        raise SkillsError(
            f"the margin lies between 0 and {room:g}, what the skills have above chance: got {margin:g}"
        )
    if not factor >= 1:
        raise SkillsError(f"the factor of compute is at least 1: got {factor:g}")
    if not 0 < sure < 1:
        raise SkillsError(f"the probability lies between 0 and 1: got {sure:g}")
    rng = np.random.default_rng([seed, 12])
    table, curves, labels = [], [], tuple(map(str, posterior.design.cells.columns))
    for cell in cells_of(posterior):
        units = units_for(fit, cell)
        if not units:
            continue
        dearest = dearest_of(posterior, cell)
        if not np.isfinite(dearest):
            raise SkillsError("the compute of the fitted runs is not known: add flops, or params and tokens")
        steps = np.arange(-3 * PER_DECADE, round(np.log10(REACH) * PER_DECADE) + 1)
        budgets = np.sort(np.append(dearest * 10 ** (steps / PER_DECADE), dearest * factor))
        points = points_along(posterior, cell, budgets.tolist(), optimal)
        loss, _ = loss_draws(posterior, points, "run", seed)
        sizes = points["params"].to_numpy(float) if "params" in points else np.full(len(points), np.nan)
        which = paired(fit, len(loss), seed)
        at = {
            name: int(np.argmin(np.abs(np.log(budgets / (dearest * x)))))
            for name, x in (("now", 1), ("within", factor))
        }
        for unit in units:
            about = fit.units.iloc[unit]
            accuracy = fit.of_runs(unit, fit.accuracy(unit, loss, which), rng, which)
            above = (accuracy > about["chance"] + margin).mean(axis=0)
            middle, low, high = np.quantile(accuracy, (0.5, 0.05, 0.95), axis=0)
            said = {**cell, "skill": about["skill"], "chance": about["chance"]}
            stays = np.flip(np.minimum.accumulate(np.flip(above)))
            reached = np.flatnonzero(stays >= sure)
            table.append(
                {
                    **said,
                    "dearest": dearest,
                    **{name: float(above[i]) for name, i in at.items()},
                    "flops": float(budgets[reached[0]]) if len(reached) else np.nan,
                    "params": float(sizes[reached[0]]) if len(reached) else np.nan,
                    "accuracy": middle[at["within"]],
                    "accuracy_q0.05": low[at["within"]],
                    "accuracy_q0.95": high[at["within"]],
                }
            )
            curves.append(
                pd.DataFrame(
                    {
                        "flops": budgets,
                        "probability": above,
                        "accuracy": middle,
                        "accuracy_q0.05": low,
                        "accuracy_q0.95": high,
                    }
                ).assign(**said)
            )
    if not table:
        raise SkillsError(
            "no skill is of a task that the loss posterior has: fit the loss to the runs whose skills were measured"
        )
    return Emergence(
        pd.DataFrame(table),
        pd.concat(curves, ignore_index=True),
        margin,
        factor,
        sure,
        fit.model.link,
        labels,
    )
