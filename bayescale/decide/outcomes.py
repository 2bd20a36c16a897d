"""What every action of a decision may come to: losses, draw by draw, and costs.

All actions share the posterior's draws, so that what is uncertain about the law moves them together. A run's noise is
known by its distribution given each draw (`bayescale.decide.run_losses`). Actions that differ in name and cost alone
have the same losses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from bayescale.decide.decision import Action, Decision, DecisionError, Run
from bayescale.decide.run_losses import FLOOR, RunLosses
from bayescale.forecast import loss_draws
from bayescale.forecast.known_labels import refuse_unknown_labels
from bayescale.forecast.known_runs import given_runs
from bayescale.forecast.predict import typical_se
from bayescale.models.labels import label_text
from bayescale.posterior import PosteriorData

REPEATS = 16
"""Quantiles of a run's noise for each posterior draw, the same for all actions: for what is no expectation."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Losses and costs of the actions that train a model, or none.

    Attributes
    ----------
    actions : tuple of Action
        Those of the decision but the ones of kind ``first``.
    expected : ndarray, shape (draws, actions)
        Expected loss, effects included; the baseline where nothing is done.
    losses : RunLosses
        Distribution of the loss that a run may measure given each draw.
    measured : ndarray, shape (draws, repeats, actions)
        Losses that runs may measure, equally probable: one from each sixteenth of the noise, the same for all actions.
    flops : ndarray, shape (actions,)
    baseline : ndarray, shape (actions,)
        What there is already, for each.
    groups : tuple of str
        What was done about the labels of each.
    """

    actions: tuple[Action, ...]
    expected: np.ndarray
    losses: RunLosses
    measured: np.ndarray
    flops: np.ndarray
    baseline: np.ndarray
    groups: tuple[str, ...]


def outcomes(posterior: PosteriorData, decision: Decision, seed: int = 0) -> Outcomes:
    """Simulate the actions.

    Raises
    ------
    DecisionError
        An action names groups or inputs that the fit does not know, or lacks inputs that the law takes; or there is
        nothing to compare it with.
    """
    actions = tuple(a for a in decision.actions if a.kind != "first")
    trained = [a for a in actions if a.trains]
    for action in trained:
        check_run(
            posterior,
            action.run,
            f"action {action.name!r}",
            ensemble=action.kind == "ensemble",
            new_groups=decision.new_groups,
        )
    distinct = {_content(action): action for action in trained}
    column = {content: j for j, content in enumerate(distinct)}
    points = pd.concat([action_point(posterior, a) for a in distinct.values()], ignore_index=True)
    mean, groups = loss_draws(posterior, points, "mean")
    noise = given_runs(posterior, points, typical_se(posterior))
    shape = (len(mean), len(actions))
    baseline = np.array([_baseline(posterior, decision, a, trained) for a in actions])
    centre, expected = (np.broadcast_to(baseline, shape).copy() for _ in range(2))
    scale, freedom, shift = np.zeros(shape), np.ones(shape), np.zeros(shape)
    said = [""] * len(actions)
    flops = np.zeros(len(actions))
    for i, action in enumerate(actions):
        if not action.trains:
            continue
        j = column[_content(action)]
        factor, added = _effect(action, len(mean), seed)
        expected[:, i] = np.maximum(mean[:, j] * factor + added, FLOOR)
        centre[:, i] = mean[:, j] * np.exp(noise.centre[:, j]) * factor
        scale[:, i], freedom[:, i], shift[:, i] = noise.scale[:, j], noise.freedom[:, j], added
        flops[i] = flops_of(posterior, action)
        said[i] = groups[j]
    losses = RunLosses(centre, scale, freedom, shift)
    measured = losses.at(_strata(len(mean), seed))
    return Outcomes(actions, expected, losses, measured, flops, baseline, tuple(said))


def _strata(draws: int, seed: int) -> np.ndarray:
    """One probability from each of equal strata, at random in it, shape (draws, repeats)."""
    within = np.random.default_rng([seed, 2]).random((draws, REPEATS))
    return np.asarray(np.clip((np.arange(REPEATS) + within) / REPEATS, 1e-12, 1 - 1e-12))


def _content(action: Action) -> str:
    """What an action's losses follow from: all of it but its name, its cost and how its FLOPs are counted."""
    return json.dumps(action.model_dump(exclude={"name", "cost", "flops"}), sort_keys=True)


def point_of(run: Run) -> pd.DataFrame:
    """A run as a table of one row."""
    return pd.DataFrame([{"params": run.params, "tokens": run.tokens, **run.inputs, **run.groups}])


def points_of(actions: Iterable[Action]) -> pd.DataFrame:
    """The runs behind the actions that train, as a table."""
    return pd.concat([point_of(a.run) for a in actions if a.trains], ignore_index=True)


def flops_of(posterior: PosteriorData, action: Action) -> float:
    """FLOPs of an action: as counted, or by the runs' rule times its members; zero where nothing is trained."""
    if action.flops is not None:
        return action.flops
    if action.kind == "first":
        return float(sum(posterior.flop_rule.flops(run.params, run.tokens) for run in action.runs))
    if not action.trains:
        return 0.0
    return float(posterior.flop_rule.flops(action.run.params, action.run.tokens) * action.members)


def tokens_of(action: Action) -> float:
    """Tokens that an action trains on: an ensemble's members read the same ones."""
    if action.kind == "first":
        return sum(run.tokens for run in action.runs)
    return action.tokens or 0.0


def cost_of(posterior: PosteriorData, decision: Decision, action: Action) -> float:
    """Cost of an action by prices, in the utility's unit; zero for doing nothing. A measured column is left out."""
    if action.cost is not None:
        return action.cost
    if action.kind == "nothing" or decision.costs is None:
        return 0.0
    if action.kind == "first":
        cost = posterior.flop_rule.flops
        return float(sum(decision.costs.of(float(cost(r.params, r.tokens)), r.tokens) for r in action.runs))
    runs = action.members
    cost = decision.costs.of(flops_of(posterior, action) / runs, 0.0) * runs
    return float(cost + decision.costs.per_token * tokens_of(action))


def check_run(
    posterior: PosteriorData, run: Run, who: str, ensemble: bool = False, new_groups: bool = False
) -> None:
    """Refuse a run that the fit cannot say anything about, naming what to change."""
    known = list(posterior.design.known_labels)
    unknown = sorted(set(run.groups) - set(known))
    if unknown:
        raise DecisionError(
            f"{who}: the runs are not grouped by {', '.join(unknown)}; "
            + (
                f"they are by {', '.join(map(str, known))}"
                if known
                else "they have no groups: leave `groups` out"
            )
        )
    if not new_groups:
        refuse_unknown_labels(
            posterior.design,
            run.groups,
            f"{who}: ",
            "`new_groups = true` in the decision (--new-groups on the command line)",
        )
    law = posterior.model.definition
    covariates = [scaled.covariate for scaled in posterior.design.covariates]
    taken = {*law.inputs, *(name for c in covariates for name in c.names)}
    given = {"params", "tokens", "flops"} | ({"ensemble"} if ensemble else set())
    # The aspect of a model is its group's where nobody says another.
    usual = {name for c in covariates if c.columns for name in c.names}
    lacking = sorted(taken - given - usual - set(run.inputs))
    if lacking:
        raise DecisionError(
            f"{who}: the {'law' if lacking[0] in law.inputs else 'model of the law'} {law.name} takes "
            f"{', '.join(lacking)}; say at which, "
            f"inputs = {{ {lacking[0]} = ... }}"
        )
    idle = sorted(set(run.inputs) - taken)
    if idle:
        raise DecisionError(f"{who}: {', '.join(idle)} does not matter to the law {law.name}; leave it out")
    may = {*law.may_be_zero, *(taken - set(law.inputs))}
    zero = sorted(name for name, x in run.inputs.items() if x == 0 and name not in may)
    if zero:
        raise DecisionError(f"{who}: {zero[0]} must be positive for the law {law.name}: got 0")


def action_point(posterior: PosteriorData, action: Action) -> pd.DataFrame:
    """Return the run behind an action that trains, one row of what the law takes."""
    point = point_of(action.run)
    if action.kind == "ensemble" and "ensemble" in posterior.model.definition.inputs:
        point["ensemble"] = float(action.members)
    elif action.kind == "ensemble" and action.effect is None:
        raise DecisionError(
            f"action {action.name!r}: the law {posterior.model.law} says nothing of ensembles; give what averaging "
            f"{action.members} members does to the loss, effect = {{ ratio = [0.96, 0.99] }}, or fit the law ensemble"
        )
    return point


def _effect(action: Action, draws: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the loss and what is added to it by a step beside training: one unknown for all runs of a draw."""
    effect = action.effect
    if effect is None:
        return np.ones(draws), np.zeros(draws)
    digest = hashlib.sha256(f"effect\0{_content(action)}".encode()).digest()
    normal = np.random.default_rng([seed, *digest[:8]]).normal(size=draws)
    reach = NormalDist().inv_cdf((1 + effect.mass) / 2)
    low, high = np.log(effect.ratio) if effect.ratio is not None else effect.nats or (0.0, 0.0)
    size = (low + high) / 2 + (high - low) / 2 / reach * normal
    return (np.exp(size), np.zeros(draws)) if effect.ratio is not None else (np.ones(draws), size)


def _baseline(posterior: PosteriorData, decision: Decision, action: Action, trained: list[Action]) -> float:
    if decision.baseline_loss is not None:
        return decision.baseline_loss
    if decision.utility is None:
        return _lowest_measured(posterior, action)
    # Utilities are compared: what there is already is one thing for all, the best of the groups in question.
    return min(_lowest_measured(posterior, one) for one in trained)


def _lowest_measured(posterior: PosteriorData, action: Action) -> float:
    if posterior.provenance.get("prior"):
        raise DecisionError(
            f"action {action.name!r}: nothing was measured yet; give baseline_loss, what there is"
        )
    rows = posterior.runs
    for column, label in action.groups.items():
        rows = rows[rows[column].map(label_text) == label]
    if rows.empty:
        said = ", ".join(f"{c} = {label!r}" for c, label in action.groups.items())
        raise DecisionError(
            f"action {action.name!r}: no measured run has {said}, so there is no baseline; give baseline_loss"
        )
    return float(rows["loss"].min())
