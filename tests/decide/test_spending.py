"""Costs of a decision that are learned from a column of the runs: into utilities, regrets and candidates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import CostError, Costs, DecisionError, Run, Utility
from bayescale.decide.spending import spending
from bayescale.decide.stakes import Stakes

CODE = {"architecture": "gpt", "task": "code"}
BIG = bs.Action(name="big", params=1.5e6, tokens=6e6, groups=CODE)
STAY = bs.Action(name="stay", kind="nothing")
FLOPS = 6 * 1.5e6 * 6e6
PER_SECOND = 40 / (FLOPS / 1e9)
"""Of money, so that the big run costs 40 at 1e9 FLOPs a second."""


def timed(posterior: bs.Posterior, noise: float = 0.05, runs: int | None = None) -> bs.Posterior:
    """The fit, its runs with the seconds that they took at 1e9 FLOPs a second; of the first few only, if so many."""
    off = np.exp(noise * np.random.default_rng(0).normal(size=len(posterior.runs)))
    seconds = pd.Series(posterior.runs["flops"] / 1e9 * off)
    cheap = seconds.rank(method="first") <= (runs or len(seconds))
    return replace(posterior, runs=posterior.runs.assign(seconds=seconds.where(cheap)))


def asked(**more) -> bs.Decision:
    given = {
        "target_loss": 2.15,
        "utility": Utility(unit="USD", per_nat=200.0),
        "costs": Costs(measured="seconds", per_unit=PER_SECOND),
        "actions": (BIG, STAY),
        "first_share": 0.0,
    }
    return bs.Decision(**(given | more))


def test_uncertain_costs_are_part_of_the_regret_as_algebra_has_it() -> None:
    # Worth 100 for certain, a log-normal cost of median 90: nothing, or the run.
    rng = np.random.default_rng(0)
    draws, sd = 40_000, 0.4
    cost = np.zeros((draws, 2, 2))
    cost[:, :, 0] = 90 * np.exp(sd * rng.normal(size=(draws, 1)))
    worth = np.zeros((draws, 2, 2))
    worth[:, :, 0] = 100.0
    both = Stakes(("run", "stay"), worth, cost, worth > cost)
    mean = 90 * np.exp(sd**2 / 2)
    assert both.expected_cost == pytest.approx([mean, 0], rel=0.01)
    assert both.score() == pytest.approx([100 - mean, 0], abs=0.6)
    # E max(100 - c, 0) is Black's formula.
    z, normal = np.log(100 / 90) / sd, NormalDist()
    option = 100 * normal.cdf(z) - mean * normal.cdf(z - sd)
    assert both.perfect_information() == pytest.approx(option - max(100 - mean, 0), rel=0.03)
    assert both.regret(0).mean() == pytest.approx(option - (100 - mean), rel=0.03)
    # What runs tell of losses leaves the costs as they are.
    assert np.ptp(both.given_loss[:, 0]) == pytest.approx(0, abs=1e-9)
    # Who goes by the worst tenth does not like what he cannot foresee; a known cost of the same mean he does.
    known = Stakes(("run", "stay"), worth, np.array([mean, 0.0]), worth > mean, "cvar", 0.1)
    unknown = replace(both, attitude="cvar", worst=0.1)
    assert known.choice() == 0 and unknown.choice() == 1


def test_learned_costs_are_taken_off_with_their_uncertainty(posterior: bs.Posterior) -> None:
    sharp = timed(posterior).decide(asked())
    row = sharp.table.set_index("action").loc["big"]
    assert row["cost"] == pytest.approx(40, rel=0.1)
    assert row["cost_q0.05"] < 40 < row["cost_q0.95"] < 1.4 * row["cost_q0.05"]
    known = posterior.decide(asked(costs=Costs(per_flop=40 / FLOPS)))
    plain = known.table.set_index("action").loc["big"]
    assert row["utility"] + row["cost"] == pytest.approx(plain["utility"] + plain["cost"])
    assert sharp.details[1].startswith("costs: seconds by a cost law of 80 runs")
    assert "times the FLOPs of the dearest of them" in sharp.details[1]
    assert sharp.to_dict()["costs"] == sharp.costs and known.to_dict()["costs"] is None
    # Five cheap runs say little of what the big one costs, and the regret of trusting them is larger.
    vague = timed(posterior, 0.3, runs=5).decide(asked())
    wide = vague.table.set_index("action").loc["big"]
    assert wide["cost_q0.95"] / wide["cost_q0.05"] > 3 * row["cost_q0.95"] / row["cost_q0.05"]
    assert vague.regret.mean() > known.regret.mean()
    assert wide["utility_se"] > plain["utility_se"]


def test_every_kind_of_action_costs_what_its_runs_do(posterior: bs.Posterior) -> None:
    three = bs.Action(name="three", kind="ensemble", members=3, params=5e5, tokens=6e6, groups=CODE,
                      effect={"ratio": (0.96, 0.99)})  # fmt: skip
    said = bs.Action(name="said", params=1.5e6, tokens=6e6, groups=CODE, cost=7.0)
    first = bs.Action(name="first", kind="first", runs=(Run(params=1e5, tokens=1e6, groups=CODE),) * 2)
    recounted = bs.Action(name="recounted", params=1.5e6, tokens=6e6, groups=CODE, flops=2 * FLOPS)
    decision = asked(actions=(BIG, STAY, three, said, first, recounted))
    spent = spending(timed(posterior), decision)
    assert spent.law is not None
    mean = {action.name: spent.of(action).mean() for action in decision.actions}
    assert mean["stay"] == 0 and mean["said"] == 7
    assert mean["three"] == pytest.approx(40, rel=0.1)
    assert mean["first"] == pytest.approx(2 * 40 * 6e11 / FLOPS, rel=0.15)
    assert mean["recounted"] == pytest.approx(2 * mean["big"], rel=0.05)
    assert mean["big"] == pytest.approx(PER_SECOND * spent.law.expected(1.5e6, 6e6, CODE), rel=0.01)
    # Runs share the law and not their noise: the noise of three is less, and none is left in the mean of a draw.
    within = {
        name: spent.of(a).std(axis=1).mean() / mean[name] for name, a in (("big", BIG), ("three", three))
    }
    assert within["three"] == pytest.approx(within["big"] / np.sqrt(3), rel=0.1)
    big, other = (spent.of(a).mean(axis=1) for a in (BIG, recounted))
    assert np.corrcoef(big, other)[0, 1] > 0.98
    verdict = timed(posterior).decide(decision)
    rows = verdict.table.set_index("action")
    assert rows.loc["first", "cost"] == pytest.approx(mean["first"])
    assert rows.loc["said", "cost_q0.05"] == rows.loc["said", "cost_q0.95"] == 7


def test_candidates_are_priced_by_the_law(posterior: bs.Posterior) -> None:
    plan = timed(posterior).plan(asked(first_share=0.1), most=1)
    ratio = plan.candidates["cost"] / plan.candidates["flops"] / (40 / FLOPS)
    assert ((ratio > 0.85) & (ratio < 1.2)).all()


def test_what_is_said_twice_or_not_measured_is_named(posterior: bs.Posterior, tmp_path: Path) -> None:
    with pytest.raises(CostError, match="no column 'seconds' to learn costs from"):
        posterior.decide(asked())
    path = tmp_path / "decision.toml"
    body = '[utility]\nunit="USD"\nper_nat=1\n[[actions]]\nname="a"\nparams=1\ntokens=1\n[costs]\n'
    for costs, said in (
        ('measured="wall_s"\nper_flop=1', "compute is priced twice"),
        ("per_unit=2", "per_unit prices a measured column"),
        ('measured="wall_s"\nper_unit=0', "per_unit"),
        ("per_token=0", "a column that the runs measured it in"),
    ):
        path.write_text(body + costs)
        with pytest.raises(DecisionError, match=said):
            bs.Decision.from_toml(path)
    path.write_text(body + 'measured="wall_s"\nper_unit=2e-4')
    assert bs.Decision.from_toml(path).costs == Costs(measured="wall_s", per_unit=2e-4)
