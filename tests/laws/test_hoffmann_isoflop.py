from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.laws.chinchilla import loss, optimum
from bayescale.laws.rules.isoflop import FrontierError, budgets, envelope, isoflop, vertex

HOFFMANN = dict(bs.law("chinchilla").published[0].values)
ROUNDED = {**HOFFMANN, "alpha": 0.34, "beta": 0.28}
EQUAL = {"E": 1.7, "A": 400.0, "B": 900.0, "alpha": 0.31, "beta": 0.31}
EXPONENT = HOFFMANN["beta"] / (HOFFMANN["alpha"] + HOFFMANN["beta"])


def profiles(values, width: float, sizes: int = 201, noise: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Sizes within `width` of the true optimum at seven budgets."""
    rng, tables = np.random.default_rng(seed), []
    for flops in np.geomspace(1e18, 1e21, 7):
        params = optimum(values, flops)[0] * np.geomspace(1 / width, width, sizes)
        tokens = flops / 6 / params
        losses = loss(values, {"params": params, "tokens": tokens}) * np.exp(
            rng.normal(scale=noise, size=sizes)
        )
        tables.append(pd.DataFrame({"params": params, "tokens": tokens, "flops": flops, "loss": losses}))
    return pd.concat(tables, ignore_index=True)


def error_of_tokens(values, width: float, degree: int = 2) -> float:
    frontier = isoflop(profiles(values, width), degree, resamples=0)
    return abs(frontier.tokens(1e20) / optimum(values, 1e20)[1] - 1)


@pytest.mark.parametrize("width", [2, 16])
@pytest.mark.parametrize("degree", [2, 3])
def test_no_bias_where_the_exponents_agree(width: float, degree: int) -> None:
    assert error_of_tokens(EQUAL, width, degree) < 1e-9


def test_known_bias_of_the_parabola() -> None:
    assert error_of_tokens(HOFFMANN, 2) == pytest.approx(0.003, abs=5e-4)
    assert error_of_tokens(HOFFMANN, 16) == pytest.approx(0.041, abs=5e-4)
    # With the rounded exponents, further apart, it is a little more.
    assert error_of_tokens(ROUNDED, 16) == pytest.approx(0.0455, abs=5e-4)


@pytest.mark.parametrize("width", [2, 16])
def test_a_cubic_removes_most_of_it(width: float) -> None:
    assert error_of_tokens(HOFFMANN, width, 3) < 0.05 * error_of_tokens(HOFFMANN, width, 2)


def test_the_bias_is_one_of_the_intercept_only() -> None:
    frontier = isoflop(profiles(HOFFMANN, 16), resamples=0)
    assert frontier.params.exponent == pytest.approx(EXPONENT, abs=1e-9)
    assert frontier.tokens.exponent == pytest.approx(1 - EXPONENT, abs=1e-9)


def test_bootstrap_interval_holds_the_exponent() -> None:
    frontier = isoflop(profiles(HOFFMANN, 4, sizes=9, noise=0.002), resamples=100)
    low, high = frontier.params.interval
    assert low < EXPONENT < high and 0.005 < high - low < 0.2
    again = isoflop(profiles(HOFFMANN, 4, sizes=9, noise=0.002), resamples=100)
    assert again.params.interval == (low, high)


def test_a_budget_without_a_minimum_is_left_out_and_named() -> None:
    runs = profiles(HOFFMANN, 4, sizes=9)
    edge = (runs["flops"] == runs["flops"].max()) & (runs["params"] > optimum(HOFFMANN, 1e21)[0] * 0.9)
    frontier = isoflop(runs[~edge], resamples=0)
    assert list(frontier.table["status"] == "ok") == [True] * 6 + [False]
    assert "left out: 1e+21 FLOPs, the minimum lies outside the sizes tried" in str(frontier)


def test_flops_are_filled_in_and_grouped() -> None:
    runs = profiles(HOFFMANN, 4, sizes=9)
    assert isoflop(runs.drop(columns="flops"), resamples=0).params.exponent == pytest.approx(
        EXPONENT, abs=1e-6
    )
    assert list(budgets([1.0e18, 1.01e18, 3e18, 0.99e18])) == [0, 0, 1, 0]


def test_vertex_of_a_parabola() -> None:
    x = np.linspace(18, 22, 5)
    where, least, status = vertex(x, 2 + 0.1 * (x - 20.3) ** 2)
    assert (where, least, status) == (pytest.approx(20.3), pytest.approx(2.0), "ok")
    assert vertex(x, 2 - 0.1 * (x - 20.3) ** 2)[2].startswith("no minimum")
    assert vertex(x[:2], x[:2])[2] == "fewer than 3 sizes"


def test_a_table_without_a_frontier_says_why() -> None:
    runs = profiles(HOFFMANN, 4, sizes=9)
    with pytest.raises(FrontierError, match="fewer than two budgets"):
        isoflop(runs[runs["flops"] == runs["flops"].min()])
    with pytest.raises(FrontierError, match="'loss'"):
        isoflop(runs.drop(columns="loss"))
    with pytest.raises(FrontierError, match="degree"):
        isoflop(runs, degree=4)


def curves(values, sizes: int = 60) -> pd.DataFrame:
    """Loss along training, each point as good as a run of that length, as the law has it."""
    params = np.geomspace(1e7, 3e10, sizes)
    tokens = np.geomspace(1e8, 1e13, 150)
    n, d = (x.ravel() for x in np.meshgrid(params, tokens, indexing="ij"))
    table = pd.DataFrame({"params": n, "tokens": d, "loss": loss(values, {"params": n, "tokens": d})})
    table["run_id"] = np.repeat([f"r{i}" for i in range(sizes)], len(tokens))
    return table


def test_envelope_finds_the_frontier() -> None:
    frontier = envelope(curves(HOFFMANN), points=600, resamples=0)
    assert frontier.params.exponent == pytest.approx(EXPONENT, abs=0.01)
    assert frontier.tokens.exponent == pytest.approx(1 - EXPONENT, abs=0.01)
    assert frontier.params(1e21) == pytest.approx(optimum(HOFFMANN, 1e21)[0], rel=0.1)


def test_envelope_groups_by_size_without_run_ids_and_gives_intervals() -> None:
    table = curves(HOFFMANN, sizes=20).drop(columns="run_id")
    frontier = envelope(table, points=200, resamples=30)
    low, high = frontier.params.interval
    assert low < frontier.params.exponent < high
    assert "approach 1" in str(frontier)


def test_envelope_needs_curves() -> None:
    with pytest.raises(FrontierError, match="two or more points each"):
        envelope(curves(HOFFMANN).groupby("run_id").head(1))
