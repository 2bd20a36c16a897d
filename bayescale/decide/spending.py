"""What actions and candidates cost in the utility's unit: as they say, by prices, or by a cost law of the fitted runs.

A cost that is learned is as uncertain as it was learned. All runs share a draw of the cost law, and each is off by
noise of its own. The law of costs and the law of losses are fitted apart, so that their draws are paired at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale.decide.cost import CostLaw, cost_law
from bayescale.decide.decision import Action, Decision, DecisionError, Run
from bayescale.decide.outcomes import REPEATS, cost_of, flops_of
from bayescale.posterior import PosteriorData


@dataclass(frozen=True, eq=False)
class Spending:
    """Costs of one decision.

    Attributes
    ----------
    posterior : PosteriorData
    decision : Decision
    law : CostLaw or None
        Where the decision's costs name a column that measured them.
    seed : int
    """

    posterior: PosteriorData
    decision: Decision
    law: CostLaw | None
    seed: int

    def of(self, action: Action) -> np.ndarray:
        """Cost of an action, of every simulated run of it, shape (draws, repeats)."""
        draws = len(self.posterior.z)
        prices = np.full((draws, REPEATS), cost_of(self.posterior, self.decision, action))
        if self.law is None or action.cost is not None or action.kind == "nothing":
            return prices
        for i, (run, flops) in enumerate(self._runs(action)):
            # Runs of two actions share their noise, so that equal actions cost the same in every draw.
            prices = prices + self.per_unit * self.law.simulated(
                run.params, run.tokens, run.groups, flops, (draws, REPEATS), self.seed, str(i)
            )
        return prices

    def of_all(self, actions: tuple[Action, ...]) -> np.ndarray:
        """Costs of actions: shape (actions,) where they are known, (draws, repeats, actions) where they are learned."""
        if self.law is None:
            return np.array([cost_of(self.posterior, self.decision, action) for action in actions])
        return np.stack([self.of(action) for action in actions], axis=2)

    def of_candidates(self, runs: pd.DataFrame, flops: np.ndarray) -> np.ndarray:
        """Expected cost of runs that could be made, shape (runs,).

        Raises
        ------
        DecisionError
            Nothing says what they cost.
        """
        assert self.decision.utility is not None
        if "cost" in runs:
            return runs["cost"].to_numpy(float)
        costs = self.decision.costs
        if costs is None or not costs.known:
            raise DecisionError(
                f"what candidates cost in {self.decision.utility.unit} is missing: give per_flop under [costs], or a "
                "column `cost` in the table of candidates"
            )
        tokens = runs["tokens"].to_numpy(float) if "tokens" in runs else np.zeros(len(runs))
        found = np.asarray(costs.of(flops, tokens), float)
        if self.law is not None:
            rows = zip(runs.to_dict("records"), flops, strict=True)
            learned = [self.law.expected(row["params"], row["tokens"], row, c) for row, c in rows]
            found = found + self.per_unit * np.array(learned)
        return found

    @property
    def per_unit(self) -> float:
        """Utility that a unit of the measured column costs."""
        assert self.decision.costs is not None
        return self.decision.costs.per_unit

    def said(self, action: Action) -> str:
        """What the costs were learned from, and how far beyond it an action lies; empty where they are known."""
        if self.law is None:
            return ""
        flops = max((flops for _, flops in self._runs(action)), default=0.0)
        beyond = flops / self.law.largest
        far = f"; the dearest run of {action.name} has {beyond:.3g} times the FLOPs of the dearest of them"
        return f"costs: {self.law}{far if beyond > 1.05 else ''}"

    def _runs(self, action: Action) -> list[tuple[Run, float]]:
        """The runs that an action makes, each with its FLOPs."""
        if action.kind == "first":
            cost = self.posterior.flop_rule.flops
            return [(run, float(cost(run.params, run.tokens))) for run in action.runs]
        if not action.trains:
            return []
        return [(action.run, flops_of(self.posterior, action) / action.members)] * action.members


def spending(posterior: PosteriorData, decision: Decision, seed: int = 0) -> Spending:
    """Costs of a decision; the cost law is fitted to the posterior's own runs.

    Raises
    ------
    CostError
        The runs have no such column, or not of positive numbers, or too few.
    """
    column = decision.costs.measured if decision.costs is not None else None
    return Spending(posterior, decision, cost_law(posterior.runs, column, seed) if column else None, seed)
