"""Expected loss of the compute-optimal run against budget, a group at a time, draw by draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.errors import AllocationError
from bayescale.decide.limits import RATIOS
from bayescale.decide.optimum import optimum, other_inputs
from bayescale.decide.search import best_sizes
from bayescale.flops import FlopRule, as_rule
from bayescale.forecast.discrepancy import NOWHERE, Discrepancy
from bayescale.forecast.expected import Predictor
from bayescale.laws import Law
from bayescale.posterior import PosteriorData

AT_ONCE = 16
"""Budgets searched together where the optimum has no closed form: what keeps 4,000 draws in memory."""

Plan = tuple[np.ndarray, np.ndarray]
"""N* and D* of each draw and budget, shape (draws, budgets) each."""


PLANNED = 13
"""Budgets whose plan is searched; of more the log sizes are interpolated, where a loss is flat."""


@dataclass(frozen=True, eq=False)
class Best:
    """The compute-optimal runs of some budgets, draw by draw.

    Attributes
    ----------
    loss : ndarray, shape (draws, budgets)
        Expected loss.
    plan : tuple of ndarray or None
        N* and D*; None for a law of compute alone.
    """

    loss: np.ndarray
    plan: Plan | None


@dataclass(frozen=True, eq=False)
class Curve:
    """A group's frontier.

    Attributes
    ----------
    law : Law
    values : dict of ndarray, shape (draws,)
    labels : dict
        Of the group.
    fixed : dict
        The law's inputs beside params and tokens.
    k : FlopRule or float
        What compute costs.
    predictor : Predictor
    discrepancy : Discrepancy
        Of the group.
    """

    law: Law
    values: Mapping[str, np.ndarray]
    labels: Mapping[str, Any]
    fixed: Mapping[str, Any]
    k: FlopRule | float
    predictor: Predictor
    discrepancy: Discrepancy = NOWHERE
    _found: dict[bytes, Best] = field(default_factory=dict, init=False, repr=False)

    @property
    def rule(self) -> FlopRule:
        """What compute costs."""
        return as_rule(self.k)

    def plan(self, flops: np.ndarray) -> Plan:
        """N* and D* at each budget, of the law times its discrepancy, shape (draws, budgets)."""
        plan = self.best(flops).plan
        if plan is None:
            raise AllocationError(
                f"the law {self.law.name} is of compute alone: there is nothing to allocate"
            )
        return plan

    def best(self, flops: np.ndarray) -> Best:
        """The optimum of each budget: its loss, and its size and tokens."""
        flops = np.asarray(flops, dtype=float)
        key = flops.tobytes()
        if key not in self._found:
            plan = None if set(self.law.inputs) == {"flops"} else self._searched(flops)
            self._found[key] = Best(self._loss(flops, plan), plan)
        return self._found[key]

    def by_law(self, flops: np.ndarray) -> np.ndarray:
        """The law's loss at its own optimum, without discrepancy, shape (draws, budgets)."""
        split = {"flops": flops[None]}
        if set(self.law.inputs) != {"flops"}:
            params, tokens = self._of_law(flops)
            split = {"params": params, "tokens": tokens}
        return np.asarray(self.law.loss(self._wide, {**self.fixed, **split}))

    def off(self, flops: np.ndarray) -> np.ndarray:
        """Factors by which the best loss is off the law's own, shape (draws, budgets)."""
        return self.loss(flops) / self.by_law(flops)

    def loss(self, flops: np.ndarray) -> np.ndarray:
        """Expected loss at the optimum, shape (draws, budgets)."""
        return self.best(flops).loss

    def loss_at(self, params: float, tokens: float) -> np.ndarray:
        """Expected loss of a run, shape (draws,)."""
        flops = np.array([self.rule.flops(params, tokens)])
        return self._loss(flops, (np.array([[params]]), np.array([[tokens]])))[:, 0]

    def loss_of_size(self, params: float, flops: np.ndarray) -> np.ndarray:
        """Expected loss of a model of one size, trained longer and longer, shape (draws, budgets)."""
        tokens = self.rule.tokens(params, flops)
        own = {**self.fixed, "params": params, "tokens": tokens[None], "flops": flops[None]}
        loss = np.asarray(self.law.loss(self._wide, own))
        points = pd.DataFrame({**self.labels, "params": params, "flops": flops}, index=range(len(flops)))
        return np.asarray(loss * np.exp(self.predictor.drift(points)))

    def _of_law(self, flops: np.ndarray) -> Plan:
        pieces = [
            optimum(self.law, self._wide, flops[None, i : i + AT_ONCE], self.rule, self.fixed)
            for i in range(0, len(flops), AT_ONCE)
        ]
        params, tokens = (np.concatenate([np.asarray(p[j]) for p in pieces], axis=1) for j in (0, 1))
        return params, tokens

    def _searched(self, flops: np.ndarray) -> Plan:
        """Sizes are looked for about the law's own optimum; of many budgets, at a few, and between them by lines."""
        log_flops = np.log(flops)
        few = flops if len(flops) <= PLANNED else np.geomspace(flops.min(), flops.max(), PLANNED)
        log_size = self._best_sizes(few)
        if few is not flops:
            # On an even grid the place between two nodes is the same for every draw.
            place = (log_flops - np.log(few[0])) / (np.log(few[-1]) - np.log(few[0])) * (len(few) - 1)
            left = np.clip(place.astype(int), 0, len(few) - 2)
            share = place - left
            log_size = (1 - share) * log_size[:, left] + share * log_size[:, left + 1]
        params = np.exp(log_size)
        return params, np.asarray(self.rule.tokens(params, flops[None]))

    def _best_sizes(self, flops: np.ndarray) -> np.ndarray:
        """Log sizes of least expected loss, shape (draws, budgets)."""
        ends = [np.log(self.rule.size_at(ratio, flops))[None] for ratio in (RATIOS[1], RATIOS[0])]
        middle = np.log(self._of_law(flops)[0])
        middle = np.broadcast_to(middle, (len(next(iter(self.values.values()))), len(flops)))

        def loss(log_size: np.ndarray) -> np.ndarray:
            params = np.exp(log_size)
            return self._loss(flops, (params, np.asarray(self.rule.tokens(params, flops[None]))))

        return best_sizes(loss, middle, ends[0], ends[1], self.discrepancy.kinks)

    def _loss(self, flops: np.ndarray, plan: Plan | None) -> np.ndarray:
        """Expected loss of runs at budgets, shape (draws, budgets)."""
        run: dict[str, Any] = {**self.fixed, "flops": flops[None]}
        if plan is not None:
            run |= {"params": plan[0], "tokens": plan[1]}
        loss = self.law.loss(self._wide, {name: x for name, x in run.items() if name in self.law.inputs})
        return np.asarray(loss * np.exp(self.discrepancy.log_factor(run)))

    @property
    def _wide(self) -> dict[str, np.ndarray]:
        return {name: np.asarray(x)[:, None] for name, x in self.values.items()}


def curves(posterior: PosteriorData, groups: pd.DataFrame) -> list[Curve]:
    """A curve for each group, a row each of labels and of what the law takes beside params and tokens.

    Raises
    ------
    AllocationError
        An input of the law is not given.
    """
    predictor = Predictor(posterior)
    cells = predictor.parameters(groups)
    rule = posterior.flop_rule
    made = []
    for i, labels in enumerate(groups.to_dict("records")):
        values = {name: x[:, i] for name, x in cells.values.items()}
        alone = set(cells.law.inputs) == {"flops"}
        others = {} if alone else other_inputs(cells.law, labels)
        named, off = {str(c): x for c, x in labels.items()}, predictor.discrepancy(labels)
        made.append(Curve(cells.law, values, named, others, rule, predictor, off))
    return made
