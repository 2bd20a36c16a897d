"""What a report is about: computed once, read by every figure, table and sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.decide import Decision, IsoFlopCheck, NoIsoFlopError, Verdict, decide, isoflop_check
from bayescale.forecast import expected_loss
from bayescale.forecast.held_out import HeldOut, held_out
from bayescale.posterior import PosteriorData
from bayescale.report.diagnosis import Diagnosis, diagnose
from bayescale.report.frontier import Frontier, frontier
from bayescale.skills.groups import Gaps, Place, along, averaged_over, gaps

MOST_PANELS = 12
"""Cells that get a panel or a line of their own; a report on more shows those with the most runs."""

BUDGETS = 41


@dataclass(frozen=True, eq=False)
class Subject:
    """A posterior with the question and the held-out runs that it is reported with.

    Attributes
    ----------
    posterior : PosteriorData
    decision : Decision or None
    holdout : DataFrame or None
    others : mapping of PosteriorData
        Fits that stand beside this one, by the name to print.
    weights : mapping of float, optional
        Of this fit, by its model's name, and of the others: their average comes along.
    """

    posterior: PosteriorData
    decision: Decision | None = None
    holdout: pd.DataFrame | None = None
    others: Mapping[str, PosteriorData] = field(default_factory=dict)
    weights: Mapping[str, float] | None = None

    @cached_property
    def verdict(self) -> Verdict | None:
        return None if self.decision is None else decide(self.posterior, self.decision, record=self.checked)

    @cached_property
    def checked(self) -> HeldOut | None:
        """The held-out runs with their predictions."""
        return None if self.holdout is None else held_out(self.posterior, self.holdout)

    @cached_property
    def flops_per_param_token(self) -> float:
        return self.posterior.flops_per_param_token

    @cached_property
    def round_budgets(self) -> list[float]:
        """Powers of ten from the dearest run to beyond the data, four at most."""
        first = int(np.floor(np.log10(self.dearest)))
        last = max(first + 1, int(np.floor(np.log10(self.budgets[-1]))))
        steps = [10.0**e for e in range(first, last + 1)]
        return steps[:1] + steps[-3:] if len(steps) > 4 else steps

    @cached_property
    def run_flops(self) -> np.ndarray:
        return self.posterior.flops_of(self.posterior.runs)

    @property
    def dearest(self) -> float:
        """Compute of the dearest fitted run."""
        return self.posterior.dearest

    @cached_property
    def cells(self) -> list[str]:
        return self.posterior.design.cell_labels

    @cached_property
    def shown(self) -> list[int]:
        """The cells that are drawn, in the table's order."""
        size = np.bincount(self.posterior.design.cell, minlength=len(self.cells))
        largest = np.argsort(-size, kind="stable")[:MOST_PANELS]
        return sorted(int(i) for i in largest)

    def groups(self, cells: list[int]) -> pd.DataFrame:
        """Some cells as points, a row each: their labels, and the means of their runs' covariates."""
        return self.posterior.design.groups.iloc[cells].reset_index(drop=True)

    @cached_property
    def budgets(self) -> np.ndarray:
        """From the cheapest run to ten times the dearest one, or beyond the dearest action."""
        highest = 10 * self.dearest
        if self.verdict is not None:
            highest = max(highest, 1.6 * float(self.verdict.table["flops"].max()))
        if self.checked is not None:
            highest = max(highest, 1.3 * float(np.nanmax(self.checked.flops)))
        return np.geomspace(float(np.nanmin(self.run_flops)), highest, BUDGETS)

    @cached_property
    def frontiers(self) -> dict[int, Frontier]:
        """The compute-optimal frontier of every shown cell; empty where the law has none."""
        found = frontier(self.posterior, self.groups(self.shown), self.budgets)
        return dict(zip(self.shown, found, strict=True)) if found else {}

    @cached_property
    def isoflop(self) -> IsoFlopCheck | str:
        """The law-free check of the frontier, or why there is none."""
        try:
            return isoflop_check(self.posterior, fitted=self.fitted)
        except NoIsoFlopError as why:
            return str(why)

    @cached_property
    def gaps(self) -> Gaps | None:
        """How groups fare that an average hides, at ten times the dearest run; None where nothing is averaged over."""
        by = averaged_over(self.posterior)
        return None if by is None else gaps(self.posterior, by, flops=self.dearest)

    @cached_property
    def group_places(self) -> list[Place]:
        """The same groups along the budgets."""
        return [] if self.gaps is None else along(self.posterior, self.gaps.by, self.budgets.tolist())

    @cached_property
    def diagnosis(self) -> Diagnosis:
        """What was checked of the fit."""
        return diagnose(self.posterior)

    @cached_property
    def fitted(self) -> np.ndarray:
        """Draws of the expected loss of the fitted runs, shape (draws, runs)."""
        return expected_loss(self.posterior, self.posterior.runs)[0]
