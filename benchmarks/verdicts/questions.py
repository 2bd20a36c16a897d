"""Questions to a posterior about a world, and what each verdict comes to against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.decide import Action, Costs, Utility, Verdict, decide
from bayescale.forecast import HeldOut
from benchmarks.verdicts.believed import beyond_belief
from benchmarks.verdicts.worlds import World

Kind = Literal["forecast", "target", "worth", "nats"]
"""What a question asks: for the loss that the forecast itself promises at a probability; for a loss from outside; which
action is worth its cost, where a target is worth something, or every nat."""

PROMISED = (0.03, 0.08, 0.1, 0.12, 0.88, 0.9, 0.92, 0.97)
"""Probabilities at which the forecast's own quantile is asked for."""

WIDE = (0.03, 0.03)
"""A target from outside lies this far in log loss about the truth, either way, and so much more a decade out."""

EDGES = {"go": 0.8, "no_go": 0.2}
"""Probabilities of reaching the target for GO and for NO-GO: the package's defaults, said so that they stay."""

HIGH_BASELINE = 100.0
"""A baseline that every run improves on: a question for a target is about the target alone."""


@dataclass(frozen=True, eq=False)
class Question:
    """A decision, and the probability of success and the expected utility of each of its actions in truth.

    Attributes
    ----------
    kind : str
    decision : Decision
    decades : float
        Of the furthest action beyond the runs.
    truth : dict of float
        By action: the probability that a run reaches the target, or the expected utility.
    """

    kind: Kind
    decision: bs.Decision
    decades: float
    truth: dict[str, float]


def questions(world: World, posterior: bs.Posterior) -> Iterator[Question]:
    """Every question of a world: nine of them.

    Targets and costs are near what is uncertain: at the forecast's own quantiles, or such that a choice is close.
    """
    rng = world.rng
    medians = posterior.predict(world.actions, quantiles=(0.5,))["q0.5"].to_numpy(float)
    for i in range(len(world.actions)):
        promised = float(rng.choice(PROMISED))
        target = float(
            posterior.predict(world.actions.iloc[[i]], quantiles=(promised,)).iloc[0][f"q{promised:g}"]
        )
        yield _for_target("forecast", world, i, target)
    for i in rng.choice(len(world.actions), size=2, replace=False):
        at = world.actions.iloc[i]
        wide = WIDE[0] + WIDE[1] * max(0.0, at["decades"])
        target = world.truth.expected(at["params"], at["tokens"]) * np.exp(rng.uniform(-wide, wide))
        yield _for_target("target", world, int(i), float(target))
    yield _worth(world, medians, rng)
    yield _nats(world, medians, rng)


def _for_target(kind: Kind, world: World, i: int, target: float) -> Question:
    at = world.actions.iloc[i]
    decision = bs.Decision(
        actions=(_action("run", at),),
        target_loss=target,
        baseline_loss=HIGH_BASELINE,
        first_share=0.0,
        **EDGES,
    )
    p = world.truth.p_reach(at["params"], at["tokens"], target)
    return Question(kind, decision, float(at["decades"]), {"run": p})


def _worth(world: World, medians: np.ndarray, rng: np.random.Generator) -> Question:
    """Two runs within a decade, or nothing, where reaching about the larger one's median is worth 1."""
    near = world.actions.iloc[[1, 2]]
    target = float(medians[2] * np.exp(0.01 * rng.standard_normal()))
    cost = np.cumsum(rng.uniform(0.05, 0.4, size=2))
    utility = {
        name: world.truth.p_reach(at["params"], at["tokens"], target) - c
        for name, c, (_, at) in zip("ab", cost, near.iterrows(), strict=True)
    }
    return _priced("worth", near, cost, utility, Utility(unit="gain", at_target=1.0), target_loss=target)


def _nats(world: World, medians: np.ndarray, rng: np.random.Generator) -> Question:
    """A run within a decade, one a decade further, or nothing, where each nat is worth 1."""
    chosen = world.actions.iloc[[2, 3]]
    baseline = float(world.runs["loss"].min())
    gain = np.maximum(baseline - medians[[2, 3]], 0.01)
    cost = rng.uniform(0.3, 1.1, size=2) * gain
    utility = {
        name: world.truth.expected_gain(at["params"], at["tokens"], baseline) - c
        for name, c, (_, at) in zip("ab", cost, chosen.iterrows(), strict=True)
    }
    return _priced("nats", chosen, cost, utility, Utility(unit="nats", per_nat=1.0), baseline_loss=baseline)


def _priced(
    kind: Kind,
    points: pd.DataFrame,
    cost: np.ndarray,
    utility: dict[str, float],
    worth: Utility,
    **said: float,
) -> Question:
    actions = [
        Action(name="nothing", kind="nothing"),
        *(
            _action(name, at, float(c))
            for name, c, (_, at) in zip(utility, cost, points.iterrows(), strict=True)
        ),
    ]
    decision = bs.Decision(
        actions=tuple(actions),
        utility=worth,
        costs=Costs(per_run=1.0),
        first_share=0.0,
        **{"baseline_loss": HIGH_BASELINE} | said,
    )
    return Question(kind, decision, float(points["decades"].max()), {"nothing": 0.0} | utility)


def _action(name: str, at: pd.Series, cost: float | None = None) -> Action:
    return Action(name=name, params=float(at["params"]), tokens=float(at["tokens"]), cost=cost)


def answered(
    world: World, posterior: bs.Posterior, question: Question, record: HeldOut | None
) -> dict[str, Any]:
    """Ask, and return the verdict with what it was worth against the truth, in plain values.

    ``right`` of a GO or NO-GO for a target is the probability, in truth, that a new run reaches it or misses it; of a
    choice by utility, whether the chosen action's expected utility is the highest in truth, and ``regret`` by how much
    it is not. ``stated`` is the verdict's own probability of being right.
    """
    verdict = decide(posterior, question.decision, world.index, record)
    found: dict[str, Any] = {
        "ask": question.kind,
        "decades": round(question.decades, 3),
        "answer": verdict.answer,
        "why": verdict.reason.value if verdict.reason is not None else "",
        "beyond": beyond_belief(world, posterior, question.decision, verdict),
    }
    if verdict.answer in ("go", "no-go"):
        found |= _against(question, verdict)
    return found


def _against(question: Question, verdict: Verdict) -> dict[str, Any]:
    row = verdict.table[verdict.table["action"] == verdict.action].iloc[0]
    if question.decision.utility is None:
        stated, right = float(row["p_target"]), question.truth["run"]
        if verdict.answer == "no-go":
            stated, right = 1 - stated, 1 - right
        return {"stated": round(stated, 4), "right": round(right, 4)}
    regret = max(question.truth.values()) - question.truth[verdict.action]
    return {
        "stated": round(float(row["p_best"]), 4),
        "right": float(regret <= 1e-9),
        "regret": round(regret, 5),
        "stated_regret": round(float(row["regret"]), 5),
    }
