"""Costs learned from a column: recovered, uncertain where they should be, and usable as a limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import Constraints, CostError, cost_law
from bayescale.decide.constraints import MeasuredCost
from bayescale.decide.ensemble_sampler import sample

SPEED = {"gpt": 2e9, "llama": 1.5e9}
OVERHEAD = 2e-5
"""Seconds a token, whatever the model: at 1e4 params as much as thrice the arithmetic, at 1e6 a thirtieth."""


def seconds(runs: pd.DataFrame) -> pd.Series:
    own = runs["architecture"].map(SPEED)
    return (6 * runs["params"] * runs["tokens"] / 2e9 + OVERHEAD * runs["tokens"]) * 2e9 / own


def timed(seed: int = 0, number: int = 60, noise: float = 0.05, largest: float = 1e6) -> pd.DataFrame:
    """Runs whose time is arithmetic and an overhead a step."""
    rng = np.random.default_rng(seed)
    runs = pd.DataFrame(
        {
            "params": np.exp(rng.uniform(np.log(1e4), np.log(largest), number)),
            "tokens": np.exp(rng.uniform(np.log(1e6), np.log(1e8), number)),
            "architecture": rng.choice(list(SPEED), number),
        }
    )
    noisy = seconds(runs) * np.exp(noise * rng.normal(size=number))
    return runs.assign(flops=6 * runs["params"] * runs["tokens"], seconds=noisy)


def test_a_cost_law_finds_what_made_the_costs() -> None:
    law = cost_law(timed(), "seconds")
    assert law.runs == 60 and law.groups == ("gpt", "llama") and len(law.per_flop) > 3900
    own = np.exp(law.group[:, 0])
    for found, truth in ((law.per_flop * own, 1 / 2e9), (law.per_token * own, OVERHEAD)):
        low, high = np.quantile(found, (0.005, 0.995))
        assert low < truth < high < 1.5 * low
    assert np.median(law.noise) == pytest.approx(0.05, rel=0.25)
    assert np.median(np.exp(law.group[:, 1] - law.group[:, 0])) == pytest.approx(2e9 / 1.5e9, rel=0.05)
    assert "a cost law of 60 runs" in str(law)


def test_bands_of_new_runs_hold_also_far_out() -> None:
    inside, far = [], []
    for seed in range(6):
        law = cost_law(timed(seed, 12), "seconds")
        for new, found in ((timed(100 + seed, 30), inside), (timed(200 + seed, 30, largest=1e9), far)):
            bands = law.predict(new)
            found.append(
                (bands["seconds_q0.05"] < new["seconds"]) & (new["seconds"] < bands["seconds_q0.95"])
            )
    # 180 runs of 6 fits, which share what a fit has wrong: 90 % bands.
    assert 0.83 < np.mean(inside) < 0.97
    assert 0.75 < np.mean(far) <= 1


def test_overhead_is_not_carried_on_to_large_runs() -> None:
    # A power law of these runs would take cost to grow far more slowly than FLOPs, and large ones to be cheap.
    law = cost_law(timed(3, 40, largest=1e5), "seconds")
    big = pd.DataFrame({"params": [1e9], "tokens": [2e10], "architecture": ["gpt"]})
    row = law.predict(big).iloc[0]
    assert row["seconds_q0.05"] < seconds(big).item() < row["seconds_q0.95"]
    assert row["seconds_q0.95"] < 3 * row["seconds_q0.05"]


def test_the_sampler_samples() -> None:
    # A correlated normal, whose moments are known.
    covariance = np.array([[1.0, 0.95], [0.95, 4.0]])
    inverse = np.linalg.inv(covariance)
    draws = sample(
        lambda x: -0.5 * np.einsum("wi,ij,wj->w", x - 3, inverse, x - 3),
        np.zeros(2),
        0.1,
        np.random.default_rng(0),
    )
    assert draws.mean(axis=0) == pytest.approx([3, 3], abs=0.15)
    assert np.cov(draws.T) == pytest.approx(covariance, rel=0.15)


def test_few_runs_make_wide_bands() -> None:
    many, few = (cost_law(timed(0, n), "seconds").predict(timed(1, 5)) for n in (60, 4))
    width = [np.log(t["seconds_q0.95"] / t["seconds_q0.05"]).mean() for t in (many, few)]
    assert width[1] > 2 * width[0]


def test_a_limit_on_a_measured_cost_is_met_by_the_median_run(posterior: bs.Posterior) -> None:
    off = np.exp(0.05 * np.random.default_rng(0).normal(size=len(posterior.runs)))
    known = replace(posterior, runs=posterior.runs.assign(seconds=posterior.runs["flops"] / 1e9 * off))
    group = pd.DataFrame([{"architecture": "gpt", "task": "code"}])
    limit = Constraints(measured=MeasuredCost(column="seconds", at_most=1e4))
    found = known.allocate(None, group, constraints=limit).table.iloc[0]
    assert found["limited_by"] == "seconds"
    assert found["seconds"] == pytest.approx(1e4, rel=0.06)
    assert found["seconds_q0.05"] < 1e4 < found["seconds_q0.95"]
    assert found["flops"] == pytest.approx(1e13, rel=0.1)
    # Told, not limited.
    told = known.allocate([1e12], group, constraints=Constraints(measured=MeasuredCost(column="seconds")))
    assert told.table["seconds"].item() == pytest.approx(1e3, rel=0.1)
    assert "cost law" in str(told)


def test_what_is_no_cost_is_named() -> None:
    runs = timed()
    for table, column, said in (
        (runs, "hours", "no column 'hours' to learn costs from: there are params, tokens, flops, seconds"),
        (runs.assign(seconds=-1.0), "seconds", "row 1, column seconds: -1 is not a positive cost"),
        (runs.head(2), "seconds", "at least 3"),
    ):
        with pytest.raises(CostError, match=said):
            cost_law(table, column)


def test_rows_of_one_run_count_once() -> None:
    runs = timed(0, 10).assign(run_id=[str(i) for i in range(10)])
    early = runs.assign(tokens=runs["tokens"] / 2, flops=runs["flops"] / 2, seconds=runs["seconds"] / 2)
    assert cost_law(pd.concat([early, runs], ignore_index=True), "seconds").runs == 10
