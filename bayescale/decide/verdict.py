"""Go, no-go, or what to run first: the verdict on a decision, with its probabilities, its regret and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayescale.decide.abstain import action_levels, no_answer, too_far
from bayescale.decide.decision import Action, Decision
from bayescale.decide.evsi import evsi
from bayescale.decide.flips import (
    Answer as Said,
)
from bayescale.decide.flips import (
    Flip,
    law_flip,
    power_flips,
    target_flip,
    worth_flip,
)
from bayescale.decide.measurements import Measurements, reach_of
from bayescale.decide.next_runs import next_runs
from bayescale.decide.outcomes import (
    Outcomes,
    check_run,
    flops_of,
    outcomes,
    point_of,
    points_of,
)
from bayescale.decide.plan import Plan, chains_of, plan_for_decision
from bayescale.decide.refusal import Refusal, RefusalReason
from bayescale.decide.spending import Spending, spending
from bayescale.decide.stakes import Stakes, at_target, monte_carlo_error, stakes
from bayescale.forecast import HeldOut
from bayescale.numerals import count, interval, percent, scientific, significant, times
from bayescale.posterior import PosteriorData

Answer = Literal["go", "no-go", "run first", "not from these data"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to do, how likely it is to work, and why.

    Attributes
    ----------
    answer : str
        ``go``, ``no-go``, ``run first``, or ``not from these data`` where nothing vouches for the probabilities.
    action : str
        The action that the answer is about.
    sentence : str
        The answer with its probability, for people.
    table : DataFrame
        A row per action: its size and cost, median loss and 90 % band of a new run, probability of reaching the
        target, expected gain on the baseline with the probability that it is at least `min_gain`, its compute over
        that of the dearest fitted run (``flops_of_dearest``), and its extrapolation ``level`` with
        ``decades_beyond`` and ``beyond_along`` (`bayescale.forecast.extrapolation`). With a utility also ``cost``,
        ``utility`` (expected, cost taken off), ``utility_se`` (its Monte Carlo error), ``score`` by the decision's
        attitude, ``p_best``, and the regret of choosing it: ``regret`` (mean) and ``regret_q0.95``.
    first : DataFrame
        Runs to make first, best first (empty unless the answer is ``run first``).
    decision : Decision
    perfect_information : float
        With a utility: what knowing the law beforehand would be worth, the most that any runs can be. NaN without.
    regret : ndarray
        Draws of the regret of the chosen action; empty without a utility.
    flips : tuple of Flip
        What would have to be otherwise for another answer.
    plan : Plan or None
        Runs worth their cost before deciding, where they were looked for.
    costs : str
        Where costs were learned: what from, and how far beyond it the action lies.
    reason : RefusalReason or None
        Why there is no answer; None where there is one.
    record : HeldOut or None
        The check of held-out runs, where they were given.
    """

    answer: Answer
    action: str
    sentence: str
    table: pd.DataFrame
    first: pd.DataFrame
    decision: Decision
    perfect_information: float = float("nan")
    regret: np.ndarray = field(default_factory=lambda: np.empty(0))
    flips: tuple[Flip, ...] = ()
    plan: Plan | None = None
    costs: str = ""
    reason: RefusalReason | None = None
    record: HeldOut | None = None

    @property
    def believed(self) -> bool:
        """Whether the figures of the table may be shown: those of a fit that failed mean nothing."""
        return self.reason is not RefusalReason.FAILED_FIT

    @property
    def details(self) -> list[str]:
        """What else a meeting would ask, a line each."""
        said = []
        if self.record is not None and self.reason is not RefusalReason.HELD_OUT_BROKEN:
            again = self.reason is RefusalReason.REFIT
            said.append(self.record.sentence if again else f"{self.record.sentence} {self.record.next_step}")
        if self.decision.utility is not None and len(self.regret):
            unit = self.decision.utility.unit
            said.append(
                f"regret of it against knowing the law: {significant(float(self.regret.mean()), 3)} {unit} expected, "
                f"{significant(float(np.quantile(self.regret, 0.95)), 3)} at worst in 95 of 100; no runs can be worth "
                f"more than {significant(max(0.0, self.perfect_information), 3)} {unit} beforehand"
            )
        if self.costs:
            said.append(self.costs)
        if self.plan is not None and self.answer != "run first":
            said.append(f"runs first: {self.plan.stopped}" if not len(self.plan.runs) else self.plan.sentence)
        if self.flips:
            said.append("what would change it: " + "; ".join(flip.sentence for flip in self.flips))
        return said

    def __str__(self) -> str:
        return "\n".join([f"{self.answer.upper()}: {self.sentence}", *(f"  {line}" for line in self.details)])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        regret = {f"q{p:g}": float(np.quantile(self.regret, p)) for p in (0.5, 0.9, 0.95) if len(self.regret)}
        return {
            "question": self.decision.question,
            "answer": self.answer,
            "action": self.action,
            "sentence": self.sentence,
            "reason": self.reason,
            "actions": self.table.to_dict("records") if self.believed else [],
            "first": self.first.to_dict("records"),
            "perfect_information": self.perfect_information,
            "regret": {"mean": float(self.regret.mean()), **regret} if len(self.regret) else None,
            "flips": [vars(flip) for flip in self.flips],
            "plan": self.plan.to_dict() if self.plan is not None else None,
            "costs": self.costs or None,
            "held_out": self.record.to_dict() if self.record is not None else None,
        }


def decide(
    posterior: PosteriorData,
    decision: Decision,
    seed: int = 0,
    record: HeldOut | None = None,
    others: Sequence[PosteriorData] = (),
) -> Verdict:
    """Answer a question.

    Without a utility, an action is a *go* when it reaches the target with probability `go` and is expected to gain
    `min_gain`; among several, the cheapest. If none is, the likeliest one decides: *no-go* when its probability is
    `no_go` or less or its expected gain is too small, *run first* in between.

    With a utility the action of the highest score is chosen: *no-go* where that is doing nothing, *run first* where it
    is an action of that kind, or where runs that cost at most `first_share` of the dearest action would tell more than
    they cost.

    There is no answer where the probabilities mean nothing: where the fit failed its health gate, where `record`, the
    forecast of runs that the fit has not seen, shows that bands miss more often than they say, or where an action that
    is the answer or could be lies further beyond the fitted runs than forecasts are believed
    (`bayescale.decide.abstain`).

    Parameters
    ----------
    posterior : PosteriorData
    decision : Decision
    seed : int
        Of the runs' noise, and of effects.
    record : HeldOut, optional
    others : sequence of PosteriorData
        Fits of other laws to the same runs: whether they answer the same is said.

    Raises
    ------
    DecisionError
        An action names a column that the runs are not grouped by, or there is nothing to compare it with.
    """
    found = outcomes(posterior, decision, seed)
    if decision.utility is None:
        verdict = _by_target(posterior, decision, found)
    else:
        verdict = _by_utility(posterior, decision, found, seed)
    table = verdict.table.join(action_levels(posterior, decision, record))
    verdict = replace(verdict, table=table)
    why = no_answer(posterior, record)
    why = why or too_far(posterior, decision, verdict.answer, verdict.action, table, record)
    if why is not None:
        return _refused(verdict, why, record)
    flips = [*verdict.flips, *(_by_other_law(other, decision, verdict, seed) for other in others)]
    return replace(verdict, flips=tuple(flips), record=record)


def _refused(verdict: Verdict, why: Refusal, record: HeldOut | None) -> Verdict:
    return Verdict(
        "not from these data",
        why.action or verdict.action,
        why.sentence,
        verdict.table,
        pd.DataFrame(),
        verdict.decision,
        reason=why.reason,
        record=record,
    )


def _by_other_law(other: PosteriorData, decision: Decision, verdict: Verdict, seed: int) -> Flip:
    """Whether another fit chooses the same; runs that might come first are left aside."""
    # What is compared is the choice between actions, which the answer "run first" may hide.
    plain = decision if decision.utility is None else decision.model_copy(update={"first_share": 0.0})
    it = decide(other, plain, seed)
    said = (it.answer, it.action)
    if decision.utility is None:
        return law_flip(other.model.name, said, (verdict.answer, verdict.action))
    return law_flip(other.model.name, said, (it.answer, verdict.action))


def _named(decision: Decision, name: str) -> Action:
    return next(a for a in decision.actions if a.name == name)


def _rows(posterior: PosteriorData, decision: Decision, found: Outcomes) -> list[dict[str, Any]]:
    """What is said of every action, with a utility or without."""
    rows = []
    target = decision.target_loss
    p_gain = found.losses.p_at_most(found.baseline - decision.min_gain).mean(axis=0)
    p_target = np.full(len(p_gain), np.nan)
    if target is not None:
        p_target = found.losses.p_at_most(target).mean(axis=0)
    for i, action in enumerate(found.actions):
        losses, baseline = found.measured[:, :, i].ravel(), float(found.baseline[i])
        low, middle, high = np.quantile(losses, (0.05, 0.5, 0.95))
        rows.append(
            {
                "action": action.name,
                "params": action.params if action.trains else np.nan,
                "tokens": action.tokens if action.trains else np.nan,
                "flops": found.flops[i],
                "loss_median": middle,
                "loss_q0.05": low,
                "loss_q0.95": high,
                "p_target": float(p_target[i]),
                "baseline_loss": baseline,
                "gain": float(baseline - found.expected[:, i].mean()),
                # Doing nothing gains nothing, whatever gain is asked for.
                "p_gain": float(p_gain[i]) if action.trains else 0.0,
                "flops_of_dearest": float(found.flops[i] / posterior.dearest) if action.trains else np.nan,
                "group": found.groups[i],
            }
        )
    return rows


def _by_target(posterior: PosteriorData, decision: Decision, found: Outcomes) -> Verdict:
    target = float(decision.target_loss or 0.0)
    table = pd.DataFrame(_rows(posterior, decision, found))
    at_stake = stakes(decision, found, np.zeros(len(found.actions)))
    chains = chains_of(posterior)
    table["p_target_se"] = [monte_carlo_error(p, chains) for p in at_stake.p_reached.T]

    def answer(p: np.ndarray) -> tuple[Answer, int]:
        good = (p >= decision.go) & (table["gain"].to_numpy() >= decision.min_gain)
        if good.any():
            return "go", int(min(np.flatnonzero(good), key=lambda i: found.flops[i]))
        best = int(np.argmax(p))
        no = p[best] <= decision.no_go or table["gain"].iloc[best] < decision.min_gain
        return ("no-go" if no else "run first"), best

    said, best = answer(table["p_target"].to_numpy())
    name = str(table["action"].iloc[best])

    def named(p: np.ndarray) -> Said:
        what, index = answer(p)
        return what, str(table["action"].iloc[index])

    first = pd.DataFrame()
    if said == "run first":
        budget = decision.first_share * float(found.flops[best])
        if budget > 0:
            first = next_runs(posterior, point_of(found.actions[best].run), budget=budget).head(5)
    measured = found.measured
    flips = power_flips(posterior, lambda w: named(np.average(at_stake.p_reached, axis=0, weights=w)))
    ends = (float(np.quantile(measured, 0.001)), float(np.quantile(measured, 0.999)))
    flips.insert(
        0,
        target_flip(lambda t: named(found.losses.p_at_most(t).mean(axis=0)), target, _around(target, ends)),
    )
    sentence = _sentence(said, table.iloc[best], decision, first)
    return Verdict(said, name, sentence, table, first, decision, flips=tuple(flips))


def _around(target: float, ends: tuple[float, float]) -> tuple[float, float]:
    return min(ends[0], 0.999 * target), max(ends[1], 1.001 * target)


def _by_utility(posterior: PosteriorData, decision: Decision, found: Outcomes, seed: int) -> Verdict:
    assert decision.utility is not None
    spent = spending(posterior, decision, seed)
    cost = spent.of_all(found.actions)
    alone = stakes(decision, found, cost)
    rows = _rows(posterior, decision, found)
    firsts = [a for a in decision.actions if a.kind == "first"]
    at_stake = alone
    for action in firsts:
        at_stake = _with_first(posterior, spent, found, alone, at_stake, action, seed, decision.new_groups)
        rows.append(_row_of_first(posterior, action))
    table = pd.DataFrame(rows).assign(cost=at_stake.expected_cost)
    if spent.law is not None:
        each = at_stake.cost.reshape(-1, len(at_stake.names))
        table["cost_q0.05"], table["cost_q0.95"] = np.quantile(each, (0.05, 0.95), axis=0)
    utility, chains = at_stake.given_law, chains_of(posterior)
    table["p_target"] = at_stake.p_reached.mean(axis=0)
    table["utility"] = utility.mean(axis=0)
    table["utility_se"] = [monte_carlo_error(u, chains) for u in utility.T]
    table["score"] = at_stake.score()
    top = utility >= utility.max(axis=1, keepdims=True) - 1e-12 * np.abs(utility).max()
    # Equals share a draw.
    table["p_best"] = (top / top.sum(axis=1, keepdims=True)).mean(axis=0)
    regrets = [np.maximum(alone.given_law.max(axis=1) - utility[:, i], 0.0) for i in range(utility.shape[1])]
    table["regret"] = [float(r.mean()) for r in regrets]
    table["regret_q0.95"] = [float(np.quantile(r, 0.95)) for r in regrets]
    # As they were given.
    order = [at_stake.names.index(a.name) for a in decision.actions]
    best = at_stake.choice()
    name = at_stake.names[best]
    kinds = {a.name: a.kind for a in decision.actions}

    def answer_of(index: int) -> Said:
        return {"nothing": "no-go", "first": "run first"}.get(
            kinds[at_stake.names[index]], "go"
        ), at_stake.names[index]

    plan = _plan_first(posterior, decision, seed) if not firsts else None
    answer: Answer = answer_of(best)[0]  # type: ignore[assignment]
    first = pd.DataFrame()
    if plan is not None and plan.worth_it:
        answer, first = "run first", plan.runs
    elif kinds[name] == "first":
        first = _first_table(posterior, spent, _named(decision, name))
    flips = [worth_flip(lambda f: answer_of(at_stake.scaled(f).choice()))] if not firsts else []
    if decision.target_loss is not None and not firsts:
        target = decision.target_loss
        ends = (float(np.quantile(found.measured, 0.001)), float(np.quantile(found.measured, 0.999)))
        flips.append(
            target_flip(
                lambda t: answer_of(at_target(alone, decision, found, t).choice()),
                target,
                _around(target, ends),
            )
        )
    flips += power_flips(posterior, lambda w: answer_of(at_stake.choice(w)))
    table = table.iloc[order].reset_index(drop=True)
    row = table[table["action"] == name].iloc[0]
    return Verdict(
        answer,
        name,
        _sentence_of_utility(answer, row, table, decision, plan, kinds[name]),
        table,
        first,
        decision,
        alone.perfect_information(),
        regrets[best],
        tuple(flips),
        plan,
        spent.said(_named(decision, name)),
    )


def _with_first(
    posterior: PosteriorData,
    spent: Spending,
    found: Outcomes,
    alone: Stakes,
    so_far: Stakes,
    action: Action,
    seed: int,
    new_groups: bool,
) -> Stakes:
    """The stakes with one more action: make its runs, then do what they advise."""
    for run in action.runs:
        who = f"action {action.name!r}, a run to make first"
        check_run(posterior, run, who, new_groups=new_groups)
    table = pd.concat([point_of(run) for run in action.runs], ignore_index=True)
    then = [i for i, name in enumerate(alone.names) if not action.then or name in action.then]
    measurements = Measurements(posterior, table, seed, reach_of(posterior, points_of(found.actions)))
    value = evsi(
        measurements,
        tuple(range(len(table))),
        alone.given_loss[:, then],
        np.log(found.expected[:, then]),
        chains_of(posterior),
    )
    chosen = np.array(then)[value.chosen]
    at = np.arange(len(chosen))
    # The cost of what follows differs from draw to draw: it is taken off the worth, its own is the action's.
    worth = (alone.worth - alone.cost)[at, :, chosen]
    mean, p = so_far.mean_worth, so_far.p_success
    if mean is not None:
        mean = np.concatenate([mean, alone.given_law[at, chosen][:, None]], axis=1)
    if p is not None:
        p = np.concatenate([p, alone.p_reached[at, chosen][:, None]], axis=1)
    return Stakes(
        (*so_far.names, action.name),
        np.concatenate([so_far.worth, worth[:, :, None]], axis=2),
        np.concatenate([so_far.cost, spent.of_all((action,))], axis=-1),
        np.concatenate([so_far.reached, alone.reached[at, :, chosen][:, :, None]], axis=2),
        so_far.attitude,
        so_far.worst,
        mean,
        p,
    )


def _row_of_first(posterior: PosteriorData, action: Action) -> dict[str, Any]:
    return {"action": action.name, "flops": flops_of(posterior, action), "group": ""}


def _first_table(posterior: PosteriorData, spent: Spending, action: Action) -> pd.DataFrame:
    table = pd.concat([point_of(run) for run in action.runs], ignore_index=True)
    flops = posterior.flop_rule.flops(table["params"], table["tokens"])
    share = float(spent.of(action).mean()) * flops / flops.sum()
    return table.assign(flops=flops, cost=share)


def _plan_first(posterior: PosteriorData, decision: Decision, seed: int) -> Plan | None:
    """Runs that are worth making before deciding; None where nobody asks for them, or nothing says what they cost."""
    costs = decision.costs
    if not decision.first_share or costs is None or not costs.known:
        return None
    if decision.attitude != "expected value":
        return None
    return plan_for_decision(posterior, decision, seed=seed)


def _chance(row: pd.Series, decision: Decision) -> str:
    band = f"median {significant(row['loss_median'])}, 90 % band {interval(row['loss_q0.05'], row['loss_q0.95'])}"
    if decision.target_loss is None:
        return f"it is worth its cost with probability {percent(row['p_target'])} ({band})"
    reached = f"it reaches a loss of {significant(decision.target_loss)}"
    return f"{reached} with probability {percent(row['p_target'])} ({band})"


def _described(row: pd.Series) -> str:
    more = row["flops_of_dearest"]
    reach = f", {times(more)} the compute of the dearest fitted run" if more > 1.05 else ""
    size = f"{count(row['params'])} params, {count(row['tokens'])} tokens, {scientific(row['flops'])} FLOPs"
    return f"{row['action']} ({size}{reach})"


def _sentence(answer: Answer, best: pd.Series, decision: Decision, first: pd.DataFrame) -> str:
    chance = _chance(best, decision)
    gain = (
        f"expected gain {significant(best['gain'], 3)} on the {significant(best['baseline_loss'])} there is"
    )
    run = _described(best)
    if answer == "go":
        return f"run {run}: {chance}; {gain}."
    if answer == "no-go":
        too_little = best["gain"] < decision.min_gain and best["p_target"] > decision.no_go
        why = f"; that is less than the {significant(decision.min_gain, 2)} asked for" if too_little else ""
        return f"do not run {run}: {chance}; {gain}{why}."
    said = f"before {run}: {chance}, between no-go at {percent(decision.no_go)} and go at {percent(decision.go)}."
    if not len(first):
        return said
    one = first.iloc[0]
    return (
        f"{said} "
        f"First run {count(one['params'])} params on {count(one['tokens'])} tokens "
        f"({scientific(one['flops'])} FLOPs, {percent(one['flops'] / best['flops'])} of its cost): that would cut the "
        f"uncertainty of its expected loss from {percent(one['sd_now'], 2)} to {percent(one['sd_after'], 2)}."
    )


def _sentence_of_utility(
    answer: Answer, best: pd.Series, table: pd.DataFrame, decision: Decision, plan: Plan | None, kind: str
) -> str:
    assert decision.utility is not None
    unit = decision.utility.unit

    def amount(row: pd.Series) -> str:
        error = f" (± {significant(row['utility_se'], 2)})" if row["utility_se"] > 0 else ""
        return f"{significant(row['utility'], 3)} {unit}{error}"

    others = table[table["action"] != best["action"]].sort_values("score", ascending=False)
    trained = table.dropna(subset=["params"])
    by = {
        "expected value": "expected to gain",
        "cvar": f"by its worst {percent(decision.worst)}: {significant(best['score'], 3)} {unit}; expected to gain",
        "reach target": f"the likeliest to reach the target, {percent(best['p_target'])}; expected to gain",
    }[decision.attitude]
    against = ""
    if len(others):
        next_best = others.iloc[0]
        against = f", against {amount(next_best)} for {next_best['action']}"
    if kind == "first":
        return f"{best['action']} ({scientific(best['flops'])} FLOPs): {by} {amount(best)}{against}."
    if answer == "run first":
        assert plan is not None
        if kind == "nothing":
            return f"as things stand, nothing is worth its cost{against}; but first {plan.sentence}"
        return (
            f"as things stand, {_described(best)} is {by} {amount(best)}{against}; but first {plan.sentence}"
        )
    if kind == "nothing":
        near = trained.sort_values("score", ascending=False).iloc[0]
        return (
            f"do nothing: {_described(near)} costs {significant(near['cost'], 3)} {unit} and is expected to leave "
            f"{amount(near)}; {_chance(near, decision)}."
        )
    word = {"run": "run", "ensemble": "train the ensemble", "compress": "train and compress"}[kind]
    return (
        f"{word} {_described(best)}: {by} {amount(best)}, its cost of {significant(best['cost'], 3)} taken off"
        f"{against}; {_chance(best, decision)}."
    )
