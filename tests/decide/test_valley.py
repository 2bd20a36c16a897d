"""Sizes nearly as good as the best, one plan for all draws, and the cheapest way to a loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import AllocationError, Constraints, Price
from bayescale.decide.cheapest import reach
from bayescale.decide.limits import Limits, make_limits
from bayescale.decide.optimum import optimum
from bayescale.decide.planning import Problem
from bayescale.decide.repetition import worth_draws
from bayescale.decide.uncertainty import mean_values, plans
from bayescale.decide.valley import valley

GROUP = pd.DataFrame([{"architecture": "gpt", "task": "code"}])
A3 = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
"""Hoffmann's rounded values, which published figures on service were worked out with."""


def cloud(draws: int, spread: float = 0.05) -> dict[str, np.ndarray]:
    """Correlated as posteriors are: terms known at 1e9 params and 2e10 tokens, exponents not."""
    rng = np.random.default_rng(0)
    alpha, beta = (A3[name] * np.exp(spread * rng.normal(size=draws)) for name in ("alpha", "beta"))
    size = A3["A"] * 1e9 ** (alpha - A3["alpha"])
    data = A3["B"] * 2e10 ** (beta - A3["beta"])
    return {"E": np.full(draws, A3["E"]), "A": size, "B": data, "alpha": alpha, "beta": beta}


def problem(flops: float = 1e21, draws: int = 400, spread: float = 0.05) -> Problem:
    return Problem(bs.law("chinchilla"), cloud(draws, spread), {}, make_limits(Constraints(), flops, 6.0))


def test_the_ends_of_the_valley_are_where_the_loss_is_that_much_higher() -> None:
    asked = problem(draws=1, spread=0)
    table = valley(asked, (0.005, 0.01))
    for _, row in table.iterrows():
        for end in ("low", "high"):
            params = np.array([row[f"params_{end}"]])
            over = asked.loss(params, 1e21 / 6 / params) / asked.best.loss - 1
            # Between two nodes, a chord of the curve: within the curve's bend over 6 % of size.
            assert over.item() == pytest.approx(row["within"], rel=0.05)
            assert row[f"tokens_{end}"] == pytest.approx(1e21 / 6 / params.item())
        assert row["params_low"] < asked.best.params.item() < row["params_high"]
    assert table["params_high"].is_monotonic_increasing and table["params_low"].is_monotonic_decreasing


def test_safe_sizes_are_inside_in_nine_draws_of_ten() -> None:
    asked = problem()
    row = valley(asked, (0.01,)).iloc[0]
    for params, inside in (
        (row["safe_low"], True),
        (row["safe_high"], True),
        (row["safe_high"] * 1.3, False),
    ):
        size = np.full(asked.draws, params)
        share = (asked.loss(size, 1e21 / 6 / size) <= 1.01 * asked.best.loss).mean()
        assert (share >= 0.9) == inside
    assert row["params_low"] < row["safe_low"] < row["safe_high"] < row["params_high"]


def test_the_plan_for_all_draws_forgoes_least() -> None:
    # What repeating is worth is not known: the best size is not that of the middle of what is believed.
    asked = replace(problem(flops=1e22, spread=0), unique_tokens=1e10, worth=worth_draws(None, 400))
    table = plans(asked, {"params": 1e9, "tokens": 2e10}).set_index("plan")
    best = table.loc["least expected loss"]
    assert (table["regret"] > 0).all()
    assert best["regret"] < table.loc["plug-in", "regret"] < table.loc["20 tokens per param", "regret"]
    assert best["params"] / table.loc["plug-in", "params"] > 1.05
    for factor in (0.9, 0.97, 1.03, 1.1):
        size = np.full(asked.draws, factor * best["params"])
        assert asked.loss(size, 1e22 / 6 / size).mean() > best["loss"]


def test_the_plug_in_rule_is_the_law_at_the_mean_of_what_is_sampled() -> None:
    reference = {"params": 1e9, "tokens": 2e10}
    mean = mean_values(bs.law("chinchilla"), cloud(20_000), reference)
    for name, x in mean.items():
        assert x.item() == pytest.approx(A3[name], rel=0.05)
    # An amplitude on its own would be off by the spread of its exponent.
    assert np.quantile(cloud(20_000)["A"], 0.95) / A3["A"] > 1.5


def test_a_posteriors_valleys_and_plans(posterior: bs.Posterior) -> None:
    found = posterior.allocate([1e13, 1e14])
    table = found.valley((0.01,))
    assert len(table) == 8 and list(table.columns[:4]) == ["architecture", "task", "flops", "within"]
    assert (table["params_low"].to_numpy() < found.table["params"].to_numpy()).all()
    assert len(found.plans()) == 24
    with pytest.raises(AllocationError, match="between 0 and 1"):
        found.valley((1.5,))


@pytest.mark.parametrize(
    "size, params, tokens, ratio", [(30e9, 15.9e9, 6.05e12, 0.818), (70e9, 47.9e9, 11.8e12, 0.940)]
)
def test_sardana(size: float, params: float, tokens: float, ratio: float) -> None:
    # Sardana et al. 2024, eq. 1, at 1e13 tokens of service: the loss of Hoffmann's optimal model of a size, recomputed.
    law = bs.law("chinchilla")
    flops = np.geomspace(1e22, 1e26, 400_001)
    sizes, data = optimum(law, A3, flops)
    at = int(np.argmin(np.abs(np.log(sizes / size))))
    loss = float(law.loss(A3, {"params": sizes[at], "tokens": data[at]}))
    asked = Problem(law, cloud(1, 0), {}, Limits({}, 1e8, 1e13, "", "", np.array([]), 6.0))
    found = reach(asked, loss, Constraints(lifetime_tokens=1e13), 6.0)
    assert found["params"].item() == pytest.approx(params, rel=0.005)
    assert found["tokens"].item() == pytest.approx(tokens, rel=0.005)
    naive = 6 * sizes[at] * data[at] + 2 * sizes[at] * 1e13
    assert found["flops"].item() / naive == pytest.approx(ratio, abs=0.001)
    # Without service it is Hoffmann's own.
    alone = reach(asked, loss, Constraints(), 6.0)
    assert alone["params"].item() == pytest.approx(size, rel=0.005)


def test_the_cheapest_way_reaches_the_loss_and_is_an_allocation(posterior: bs.Posterior) -> None:
    found = posterior.cheapest(2.2, GROUP)
    again = posterior.allocate([float(found.table["flops"].item())], GROUP)
    assert again.table["loss"].item() == pytest.approx(2.2, rel=2e-3)
    assert again.table["params"].item() == pytest.approx(found.table["params"].item(), rel=0.05)
    served = posterior.cheapest(2.2, GROUP, constraints=Constraints(lifetime_tokens=1e8))
    assert served.table["params"].item() < found.table["params"].item()
    assert served.table["flops_ratio"].item() < 1
    assert "in service" in str(served)
    priced = posterior.cheapest(2.2, GROUP, constraints=Constraints(price=Price(flop=1e-9, token=1e-3)))
    # Dear data: a larger model on fewer tokens.
    assert priced.table["tokens"].item() < found.table["tokens"].item()


def test_what_cannot_be_reached_is_said(posterior: bs.Posterior) -> None:
    with pytest.raises(AllocationError, match="no draw of the posterior reaches"):
        posterior.cheapest(0.2, GROUP)
    with pytest.raises(AllocationError, match="highest measured one"):
        posterior.cheapest(50.0, GROUP)
    near = float(np.quantile(posterior.draws("E")[:, 0], 0.5))
    table = posterior.cheapest(near, GROUP).table
    assert 0.2 < table["p_reachable"].item() < 0.8
    assert table["flops_q0.95"].item() == np.inf
