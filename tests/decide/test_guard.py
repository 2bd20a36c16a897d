"""The guard of distance: no answer that hangs on an action nothing vouches for, whichever answer it is."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import Costs, RefusalReason, Run, Utility
from bayescale.decide.abstain import action_levels, checked_decades, could_be_chosen, too_far
from bayescale.posterior import prior_posterior

RUNS = pd.DataFrame([{"params": n, "tokens": d} for n in (1e6, 3e6, 1e7) for d in (2e7, 6e7, 2e8)])
"""Up to 1.2e16 FLOPs."""


@pytest.fixture(scope="module")
def planned() -> bs.Posterior:
    """A posterior without a fit: draws of the prior, with forecasts checked 0.5 decades out."""
    made = prior_posterior(RUNS, bs.Model.load("chinchilla"), draws=400, kind=bs.Posterior)
    decades = {"flops": 0.5, "params": 0.5, "tokens": 0.5}
    fold = {"axis": "flops", "r_hat": 1.0, "decades": decades, "forecast": 4, "inside90": 1.0}
    return replace(made, provenance={**made.provenance, "folds": [fold]})


def action(name: str, decades: float, **more: Any) -> bs.Action:
    """So many decades of compute beyond the runs, at the ratio of the dearest."""
    return bs.Action(name=name, params=1e7 * 10 ** (decades / 2), tokens=2e8 * 10 ** (decades / 2), **more)


def target(*actions: bs.Action, loss: float = 3.0, **more: Any) -> bs.Decision:
    return bs.Decision(actions=actions, target_loss=loss, baseline_loss=20.0, **more)


@pytest.mark.parametrize("loss", [1e-3, 3.0, 1e3])
def test_whatever_the_answer_it_is_refused_too_far_out(planned: bs.Posterior, loss: float) -> None:
    """NO-GO, in between, and GO by the forecast, 8.3 decades out."""
    verdict = planned.decide(target(action("big", 8.3), loss=loss))
    assert (verdict.answer, verdict.reason) == ("not from these data", RefusalReason.TOO_FAR)
    row = verdict.table.iloc[0]
    assert (row["level"], round(row["decades_beyond"], 6), row["beyond_along"]) == ("far", 8.3, "flops")
    assert not len(verdict.regret) and not verdict.flips
    assert verdict.to_dict()["reason"] == "too_far"


def test_a_no_go_by_utility_is_refused_too(planned: bs.Posterior) -> None:
    stay = bs.Action(name="stay", kind="nothing")
    worth = Utility(unit="USD", at_target=100.0)
    decision = target(action("big", 8.3, cost=40.0), stay, loss=1e-3, utility=worth, first_share=0.0)
    verdict = planned.decide(decision)
    assert verdict.reason is RefusalReason.TOO_FAR and verdict.action == "big"
    # What costs more than any loss can be worth is no choice, wherever it lies.
    dear = target(action("big", 8.3, cost=101.0), stay, loss=1e-3, utility=worth, first_share=0.0)
    assert planned.decide(dear).answer == "no-go"


def test_an_action_that_is_not_chosen_and_could_be_is_guarded(planned: bs.Posterior) -> None:
    near, far = action("near", 0.2), action("far", 5.0)
    easy = 1e3
    # By a target the cheapest that is good enough is chosen, so that the dearer one cannot be.
    assert planned.decide(target(near, far, loss=easy)).answer == "go"
    refused = planned.decide(target(near, far, loss=1e-3))
    assert (refused.reason, refused.action) == (RefusalReason.TOO_FAR, "far")
    assert planned.decide(target(near, loss=1e-3)).answer == "no-go"
    per_nat = Utility(unit="USD", per_nat=1.0)
    costs = Costs(per_flop=1e-30)
    decision = bs.Decision(
        actions=(near, far), baseline_loss=20.0, utility=per_nat, costs=costs, first_share=0.0
    )
    assert planned.decide(decision).reason is RefusalReason.TOO_FAR


def test_who_could_be_chosen() -> None:
    stay = bs.Action(name="stay", kind="nothing")
    a, b = action("a", 0.0), action("b", 1.0)
    table = pd.DataFrame(
        {
            "action": ["a", "b", "stay"],
            "flops": [1.0, 10.0, 0.0],
            "cost": [1.0, 90.0, 0.0],
            "score": [20.0, -5.0, 0.0],
            "baseline_loss": 3.0,
        }
    )

    def names(decision: bs.Decision, answer: str, chosen: str) -> list[str]:
        return [found.name for found in could_be_chosen(decision, answer, chosen, table)]

    assert names(target(a, b), "go", "a") == ["a"]
    assert names(target(a, b), "go", "b") == ["b", "a"]
    assert names(target(a, b), "no-go", "b") == ["b", "a"]
    priced = {"costs": Costs(per_flop=1.0), "utility": Utility(unit="USD", at_target=100.0)}
    # At the best, b leaves 10: less than the 20 of a.
    assert names(target(a, b, stay, **priced), "go", "a") == ["a"]
    assert names(target(a, b, stay, **priced), "no-go", "stay") == ["stay", "a", "b"]
    surest = target(a, b, stay, attitude="reach target", **priced)
    assert names(surest, "go", "a") == ["a"]
    table["score"] = [0.9, 0.2, 0.0]
    assert names(surest, "go", "a") == ["a", "b"]


def test_runs_to_make_first_are_guarded(planned: bs.Posterior) -> None:
    first = bs.Action(name="look", kind="first", runs=(Run(params=1e11, tokens=2e12),), cost=1.0)
    decision = target(
        action("near", 0.2, cost=50.0), first, utility=Utility(unit="USD", at_target=100.0), first_share=0.0
    )
    assert action_levels(planned, decision, None)["level"].tolist() == ["near", "far"]


def test_the_other_axes_are_guarded(planned: bs.Posterior) -> None:
    """No dearer than the runs, and tokens that none had."""
    long = bs.Action(name="long", params=1e6, tokens=6e9, flops=1e16)
    verdict = planned.decide(target(long, loss=1e3))
    assert verdict.reason is RefusalReason.TOO_FAR
    assert verdict.table["beyond_along"].item() in ("tokens", "tokens_per_param")
    believed = planned.decide(target(long, loss=1e3, reach=2.0))
    assert believed.answer == "go" and believed.table["level"].item() == "beyond"


def record(accepted: bool, decades: float) -> Any:
    """A held-out run so many decades of compute out."""
    runs = pd.DataFrame([{"params": 1e7 * 10 ** (decades / 2), "tokens": 2e8 * 10 ** (decades / 2)}])
    return SimpleNamespace(runs=runs, accepted=np.array([accepted]), broken=False)


def test_only_accepted_runs_extend_what_is_believed(planned: bs.Posterior) -> None:
    assert checked_decades(planned, record(True, 2.0))["flops"] == pytest.approx(2.0)
    assert checked_decades(planned, record(False, 2.0)) == checked_decades(planned, None)
    decision = target(action("big", 4.3), loss=1e3)

    def refusal(held: Any) -> Any:
        table = pd.DataFrame([{"action": "big", "flops": 1e20}]).join(action_levels(planned, decision, held))
        return too_far(planned, decision, "go", "big", table, held)

    assert refusal(record(True, 2.0)) is None
    assert refusal(record(False, 2.0)).reason is RefusalReason.TOO_FAR
    # Forecast well, and not far enough out to vouch: fitted too, they would be.
    assert refusal(record(True, 1.3)).reason is RefusalReason.REFIT
    assert refusal(record(True, 0.6)).reason is RefusalReason.TOO_FAR


def test_a_held_out_run_that_was_missed_does_not_make_a_go(posterior: bs.Posterior) -> None:
    """Measured at three times its forecast, half way to the action."""
    groups = {"architecture": "gpt", "task": "code"}
    big = bs.Action(name="big", params=2e7, tokens=5e8, groups=groups)
    decision = bs.Decision(actions=(big,), target_loss=9.0)
    assert posterior.decide(decision).reason is RefusalReason.TOO_FAR
    point = pd.DataFrame([{"params": 5e6, "tokens": 8e7, "flops": 2.4e15, **groups}])
    loss = 3 * posterior.predict(point, quantiles=(0.5,))["q0.5"].item()
    verdict = posterior.decide(decision, holdout=point.assign(loss=loss))
    assert verdict.reason in (RefusalReason.TOO_FAR, RefusalReason.HELD_OUT_BROKEN)
