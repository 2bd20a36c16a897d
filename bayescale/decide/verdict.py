"""Go, no-go, or what to run first: the verdict on a decision, with its probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from bayescale.decide.decision import Action, Decision, DecisionError
from bayescale.decide.next_runs import next_runs
from bayescale.forecast import HeldOut, loss_draws
from bayescale.models.design import label_text
from bayescale.numerals import count, interval, percent, scientific, significant, times
from bayescale.posterior import PosteriorData

Answer = Literal["go", "no-go", "run first", "not from these data"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """What to do, how likely it is to work, and why.

    Attributes
    ----------
    answer : str
        ``go``, ``no-go``, ``run first``, or ``not from these data`` where the fit failed its health gate.
    action : str
        The action that the answer is about.
    sentence : str
        The answer with its probability, for people.
    table : DataFrame
        A row per action: its size and cost, median loss and 90 % band of a new run, probability of reaching the
        target, expected gain on the baseline with the probability that it is at least `min_gain`, and orders of
        magnitude of compute beyond the dearest fitted run.
    first : DataFrame
        Runs to make first, best first (empty unless the answer is ``run first``).
    decision : Decision
    """

    answer: Answer
    action: str
    sentence: str
    table: pd.DataFrame
    first: pd.DataFrame
    decision: Decision

    def __str__(self) -> str:
        return f"{self.answer.upper()}: {self.sentence}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "question": self.decision.question,
            "answer": self.answer,
            "action": self.action,
            "sentence": self.sentence,
            "actions": self.table.to_dict("records"),
            "first": self.first.to_dict("records"),
        }


def decide(
    posterior: PosteriorData, decision: Decision, seed: int = 0, record: HeldOut | None = None
) -> Verdict:
    """Answer a go / no-go question.

    An action is a *go* when it reaches the target with probability `go` and is expected to gain `min_gain`; among
    several, the cheapest. If none is, the likeliest one decides: *no-go* when its probability is `no_go` or less or
    its expected gain is too small, *run first* in between.

    There is no answer where the probabilities mean nothing: where the fit failed its health gate, or where `record`,
    the forecast of runs that the fit has not seen, shows that bands miss more often than they say.

    Raises
    ------
    DecisionError
        An action names a column that the runs are not grouped by, or there is nothing to compare it with.
    """
    table = pd.DataFrame([_assess(posterior, decision, action, seed) for action in decision.actions])
    good = table[(table["p_target"] >= decision.go) & (table["gain"] >= decision.min_gain)]
    best = (
        good.sort_values("flops").iloc[0]
        if len(good)
        else table.sort_values("p_target", ascending=False).iloc[0]
    )
    name = str(best["action"])
    first = pd.DataFrame()
    why = _no_answer(posterior, record)
    if why:
        return Verdict("not from these data", name, why, table, first, decision)
    answer: Answer
    if len(good):
        answer = "go"
    elif best["p_target"] <= decision.no_go or best["gain"] < decision.min_gain:
        answer = "no-go"
    else:
        answer = "run first"
        action = next(a for a in decision.actions if a.name == name)
        budget = decision.first_share * float(best["flops"])
        first = next_runs(posterior, _point(action), budget=budget).head(5)
    return Verdict(answer, name, _sentence(answer, best, decision, first), table, first, decision)


def _no_answer(posterior: PosteriorData, record: HeldOut | None) -> str:
    """Why the probabilities mean nothing; empty where they do mean something."""
    if posterior.health().verdict == "FAIL":
        failed = ", ".join(c.name for c in posterior.health().checks if c.verdict == "FAIL")
        return f"the fit failed its health gate ({failed}), so its probabilities mean nothing; mend the fit first."
    if record is not None and record.broken:
        inside, number = record.inside(0.9).sum(), len(record.measured)
        off = percent(float(np.abs(record.error).mean()), 1)
        return (
            f"only {inside} of {number} held-out runs lie inside the 90 % band forecast for them, and their median is "
            f"off by {off}: the law does not hold out there. Fit runs nearer to the action, or another law, before "
            "money is spent on these odds."
        )
    return ""


def _point(action: Action) -> pd.DataFrame:
    return pd.DataFrame(
        [{"params": action.params, "tokens": action.tokens, **action.inputs, **action.groups}]
    )


def _assess(posterior: PosteriorData, decision: Decision, action: Action, seed: int) -> dict[str, Any]:
    known = list(posterior.design.cells.columns)
    unknown = sorted(set(action.groups) - set(known))
    if unknown:
        raise DecisionError(
            f"action {action.name!r}: the runs are not grouped by {', '.join(unknown)}; "
            + (
                f"they are by {', '.join(map(str, known))}"
                if known
                else "they have no groups: leave `groups` out"
            )
        )
    taken = set(posterior.model.definition.inputs)
    lacking = sorted(taken - {"params", "tokens", "flops"} - set(action.inputs))
    if lacking:
        raise DecisionError(
            f"action {action.name!r}: the law {posterior.model.law} takes {', '.join(lacking)}; say at which, "
            f"inputs = {{ {lacking[0]} = ... }}"
        )
    idle = sorted(set(action.inputs) - taken)
    if idle:
        raise DecisionError(
            f"action {action.name!r}: {', '.join(idle)} does not matter to the law {posterior.model.law}; leave it out"
        )
    loss, group = loss_draws(posterior, _point(action), "run", seed)
    draws = loss[:, 0]
    expected = loss_draws(posterior, _point(action), "mean")[0][:, 0]
    baseline = decision.baseline_loss or _lowest_measured(posterior, action)
    flops = posterior.flops_per_param_token * action.params * action.tokens
    low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95))
    return {
        "action": action.name,
        "params": action.params,
        "tokens": action.tokens,
        "flops": flops,
        "loss_median": middle,
        "loss_q0.05": low,
        "loss_q0.95": high,
        "p_target": float((draws <= decision.target_loss).mean()),
        "baseline_loss": baseline,
        "gain": float(baseline - expected.mean()),
        "p_gain": float((baseline - draws >= decision.min_gain).mean()),
        "decades_beyond": float(np.log10(flops / posterior.dearest)),
        "group": group[0],
    }


def _lowest_measured(posterior: PosteriorData, action: Action) -> float:
    rows = posterior.runs
    for column, label in action.groups.items():
        rows = rows[rows[column].map(label_text) == label]
    if rows.empty:
        said = ", ".join(f"{c} = {label!r}" for c, label in action.groups.items())
        raise DecisionError(
            f"action {action.name!r}: no measured run has {said}, so there is no baseline; give baseline_loss"
        )
    return float(rows["loss"].min())


def _sentence(answer: Answer, best: pd.Series, decision: Decision, first: pd.DataFrame) -> str:
    chance = (
        f"it reaches a loss of {significant(decision.target_loss)} with probability {percent(best['p_target'])} "
        f"(median {significant(best['loss_median'])}, "
        f"90 % band {interval(best['loss_q0.05'], best['loss_q0.95'])})"
    )
    gain = (
        f"expected gain {significant(best['gain'], 3)} on the {significant(best['baseline_loss'])} there is"
    )
    beyond = best["decades_beyond"]
    reach = f", {times(10**beyond)} the compute of the dearest fitted run" if beyond > 0.02 else ""
    size = (
        f"{count(best['params'])} params, {count(best['tokens'])} tokens, {scientific(best['flops'])} FLOPs"
    )
    run = f"{best['action']} ({size}{reach})"
    if answer == "go":
        return f"run {run}: {chance}; {gain}."
    if answer == "no-go":
        too_little = best["gain"] < decision.min_gain and best["p_target"] > decision.no_go
        why = f"; that is less than the {significant(decision.min_gain, 2)} asked for" if too_little else ""
        return f"do not run {run}: {chance}; {gain}{why}."
    one = first.iloc[0]
    return (
        f"before {run}: {chance}, between no-go at {percent(decision.no_go)} and go at {percent(decision.go)}. "
        f"First run {count(one['params'])} params on {count(one['tokens'])} tokens "
        f"({scientific(one['flops'])} FLOPs, {percent(one['flops'] / best['flops'])} of its cost): that would cut the "
        f"uncertainty of its expected loss from {percent(one['sd_now'], 2)} to {percent(one['sd_after'], 2)}."
    )
