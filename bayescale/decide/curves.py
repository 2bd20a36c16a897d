"""Expected loss of the compute-optimal run against budget, a group at a time, draw by draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.optimum import optimum, other_inputs
from bayescale.flops import FlopRule, as_rule
from bayescale.forecast.expected import Predictor
from bayescale.laws import Law
from bayescale.posterior import PosteriorData

AT_ONCE = 16
"""Budgets searched together where the optimum has no closed form: what keeps 4,000 draws in memory."""

Plan = tuple[np.ndarray, np.ndarray]
"""N* and D* of each draw and budget, shape (draws, budgets) each."""


@dataclass(frozen=True, eq=False)
class Best:
    """The compute-optimal runs of some budgets, draw by draw.

    Attributes
    ----------
    by_law : ndarray, shape (draws, budgets)
        Expected loss, without drift.
    drift : ndarray, shape (draws, budgets)
        Factors that it may have drifted by.
    plan : tuple of ndarray or None
        N* and D*; None for a law of compute alone.
    """

    by_law: np.ndarray
    drift: np.ndarray
    plan: Plan | None

    @property
    def loss(self) -> np.ndarray:
        """Expected loss, shape (draws, budgets)."""
        return self.by_law * self.drift


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
    """

    law: Law
    values: Mapping[str, np.ndarray]
    labels: Mapping[str, Any]
    fixed: Mapping[str, Any]
    k: FlopRule | float
    predictor: Predictor

    @property
    def rule(self) -> FlopRule:
        """What compute costs."""
        return as_rule(self.k)

    def plan(self, flops: np.ndarray) -> Plan:
        """N* and D* at each budget, shape (draws, budgets)."""
        pieces = [
            optimum(self.law, self._wide, flops[None, i : i + AT_ONCE], self.rule, self.fixed)
            for i in range(0, len(flops), AT_ONCE)
        ]
        params, tokens = (np.concatenate([np.asarray(p[j]) for p in pieces], axis=1) for j in (0, 1))
        return params, tokens

    def best(self, flops: np.ndarray) -> Best:
        """The optimum of each budget: its size and tokens, the law's loss there, and what that may have drifted by."""
        plan = self._plan(flops)
        return Best(self._by_law(flops, plan), self._drift(flops, plan), plan)

    def by_law(self, flops: np.ndarray) -> np.ndarray:
        """The law's loss at its own optimum, without drift, shape (draws, budgets)."""
        return self._by_law(flops, self._plan(flops))

    def drift(self, flops: np.ndarray) -> np.ndarray:
        """Factors that the loss may have drifted by, shape (draws, budgets)."""
        return self._drift(flops, self._plan(flops))

    def loss(self, flops: np.ndarray) -> np.ndarray:
        """Expected loss at the optimum, shape (draws, budgets)."""
        return self.best(flops).loss

    def loss_at(self, params: float, tokens: float) -> np.ndarray:
        """Expected loss of a run, shape (draws,)."""
        return self.loss_of_size(params, np.array([self.rule.flops(params, tokens)]))[:, 0]

    def loss_of_size(self, params: float, flops: np.ndarray) -> np.ndarray:
        """Expected loss of a model of one size, trained longer and longer, shape (draws, budgets)."""
        tokens = self.rule.tokens(params, flops)
        own = {**self.fixed, "params": params, "tokens": tokens[None], "flops": flops[None]}
        loss = np.asarray(self.law.loss(self._wide, own))
        points = pd.DataFrame({**self.labels, "params": params, "flops": flops}, index=range(len(flops)))
        return np.asarray(loss * np.exp(self.predictor.drift(points)))

    def _plan(self, flops: np.ndarray) -> Plan | None:
        """N* and D*; None where the law does not say how to split a budget, being of compute alone."""
        return None if set(self.law.inputs) == {"flops"} else self.plan(flops)

    def _by_law(self, flops: np.ndarray, plan: Plan | None) -> np.ndarray:
        split = {"flops": flops[None]} if plan is None else {"params": plan[0], "tokens": plan[1]}
        return np.asarray(self.law.loss(self._wide, {**self.fixed, **split}))

    def _drift(self, flops: np.ndarray, plan: Plan | None) -> np.ndarray:
        points = pd.DataFrame({**self.labels, "flops": flops}, index=range(len(flops)))
        if plan is not None:
            # As far out as a budget's median size is.
            points["params"] = np.median(plan[0], axis=0)
        return np.asarray(np.exp(self.predictor.drift(points)))

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
        made.append(Curve(cells.law, values, {str(c): x for c, x in labels.items()}, others, rule, predictor))
    return made
