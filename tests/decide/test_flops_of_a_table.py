"""A table whose FLOPs leave the embedding out, which its params have: C / (N D) rises with size, towards six."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import isoflop_check
from bayescale.decide.allocation import optimum
from tests.made import posterior_about

VOCABULARY = 50257
TRUTH = {"E": 1.7, "A": 400.0, "alpha": 0.34, "B": 410.0, "beta": 0.28}


def body(width: np.ndarray) -> np.ndarray:
    return 12 * np.maximum(2, width / 64) * width**2


def loss(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return TRUTH["E"] + TRUTH["A"] * params ** -TRUTH["alpha"] + TRUTH["B"] * tokens ** -TRUTH["beta"]


def best(flops: float) -> tuple[float, float, float]:
    """Size, tokens and loss of the best run by the table's own counting, by a dense grid of widths."""
    width = np.geomspace(100, 20000, 200001)
    params, tokens = body(width) + VOCABULARY * width, flops / (6 * body(width))
    at = int(np.argmin(loss(params, tokens)))
    return float(params[at]), float(tokens[at]), float(loss(params, tokens)[at])


@pytest.fixture(scope="module")
def counted() -> bs.Posterior:
    width = np.array([128, 192, 256, 320, 384, 512, 640, 768])
    rng = np.random.default_rng(0)
    rows = []
    for flops in (1e17, 3e17, 1e18, 3e18, 1e19):
        params, tokens = body(width) + VOCABULARY * width, flops / (6 * body(width))
        noisy = loss(params, tokens) * np.exp(0.001 * rng.normal(size=len(width)))
        rows.append(pd.DataFrame({"params": params, "tokens": tokens, "flops": flops, "loss": noisy}))
    return posterior_about(pd.concat(rows, ignore_index=True), bs.Model(name="one", law="chinchilla"), TRUTH)


@pytest.mark.parametrize("flops", [1e18, 1e20])
def test_a_plan_costs_its_budget_by_the_tables_own_counting(counted: bs.Posterior, flops: float) -> None:
    allocation = counted.allocate([flops])
    params, tokens, least = best(flops)
    row = allocation.table.iloc[0]
    assert row["params"] == pytest.approx(params, rel=0.1)
    assert row["tokens"] == pytest.approx(tokens, rel=0.1)
    assert row["loss_q0.05"] < least < row["loss_q0.95"]
    spent = counted.flop_rule.flops(allocation.draws["params"], allocation.draws["tokens"])
    assert spent == pytest.approx(flops)
    assert "k(N)" in str(allocation)


def test_candidates_decisions_and_curves_cost_the_same(counted: bs.Posterior) -> None:
    from bayescale.decide.candidates import candidate_flops, generate_candidates
    from bayescale.decide.curves import curves

    size = 123e6
    point = pd.DataFrame({"params": [size], "tokens": [2e9]})
    cost = float(counted.flop_rule.flops(size, 2e9))
    assert candidate_flops(counted, point).item() == pytest.approx(cost)
    assert counted.flops_of(point).item() == pytest.approx(cost)
    params, tokens = curves(counted, pd.DataFrame(index=[0]))[0].plan(np.array([cost]))
    assert counted.flop_rule.flops(params, tokens) == pytest.approx(cost)
    grid = generate_candidates(counted, point, cost)
    assert candidate_flops(counted, grid).max() == pytest.approx(cost)
    reached = counted.cheapest(float(best(1e18)[2]))
    assert reached.table["flops"].item() == pytest.approx(1e18, rel=0.2)


def test_the_law_free_check_compares_like_with_like(counted: bs.Posterior) -> None:
    check = isoflop_check(counted)
    used = check.used
    assert not check.disagrees
    for _, row in used.iterrows():
        assert row["law_params"] == pytest.approx(best(row["flops"])[0], rel=0.15)
    # A parabola's own bias, and not that of another counting, which is half to two thirds.
    assert used["bias"].abs().median() < 0.2


def test_an_optimum_where_k_moves_beats_its_neighbours(counted: bs.Posterior) -> None:
    law, rule = counted.model.definition, counted.flop_rule
    values = {name: np.array([x]) for name, x in TRUTH.items()}
    params, tokens = optimum(law, values, 1e19, rule)
    assert rule.flops(params, tokens) == pytest.approx(1e19)
    least = law.loss(values, {"params": params, "tokens": tokens})
    for factor in (0.8, 0.97, 1.03, 1.25):
        size = factor * params
        assert (law.loss(values, {"params": size, "tokens": rule.tokens(size, 1e19)}) > least).all()
