"""Plans under constraints: what each does, what several do together, and every plan against a fine grid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import AllocationError, ConstraintError, Constraints
from bayescale.decide.constraints import Price
from bayescale.decide.critical_batch import trade_off
from bayescale.decide.limits import make_limits
from bayescale.decide.optimum import numeric_optimum, optimum
from bayescale.decide.planning import Problem
from bayescale.decide.repetition import worth_draws
from bayescale.laws.rules.kaplan import critical_batch, examples_needed, minimum_steps

BUDGET = 1e21
GROUP = pd.DataFrame([{"architecture": "gpt", "task": "code"}])
H100 = {"device": "H100", "mfu": 0.4}


def hoffmann(draws: int = 40, law: str = "chinchilla") -> dict[str, np.ndarray]:
    """A cloud about the published values."""
    rng = np.random.default_rng(0)
    return {
        name: x * np.exp(0.02 * rng.normal(size=draws)) for name, x in bs.law(law).published[0].values.items()
    }


def problem(law: str = "chinchilla", flops: float | None = BUDGET, **constraints: Any) -> Problem:
    asked = Constraints(**constraints)
    values = hoffmann(law=law)
    fixed, unique = {}, asked.unique_tokens
    if "unique_tokens" in bs.law(law).inputs:
        fixed, unique = {"unique_tokens": unique}, None
    return Problem(
        bs.law(law),
        values,
        fixed,
        make_limits(asked, flops, 6.0),
        unique_tokens=unique,
        worth=worth_draws(15.4, 40) if unique else None,
        batch=asked.batch,
    )


EACH: list[dict[str, Any]] = [
    {"unique_tokens": 5e9},
    {"unique_tokens": 5e9, "max_epochs": 4},
    {"lifetime_tokens": 1e12},
    {"max_params": 5e8},
    {"min_params": 1e10},
    {**H100, "hours": 100, "devices": 2},
    {**H100, "kwh": 300, "pue": 1.2},
    {"money": 2e3, "price": {"flop": 1e-18, "token": 5e-9}},
    {**H100, "money": 300, "price": {"device_hour": 2.0, "kwh": 0.2}},
    {"batch": "critical"},
    {"batch": 4e6, "max_steps": 3e4},
    {"serving_device": {"peak_flops": 1e14, "memory_gb": 2.0, "kw": 0.1}},
    # Together.
    {**H100, "hours": 400, "unique_tokens": 1e10, "max_epochs": 8, "lifetime_tokens": 2e11, "batch": 2e6,
     "money": 3e3, "price": {"device_hour": 2.0, "token": 1e-8}},
]  # fmt: skip


@pytest.mark.parametrize("constraints", EACH, ids=lambda c: "+".join(c))
def test_no_size_of_a_fine_grid_does_better(constraints: dict[str, Any]) -> None:
    asked = problem(**constraints)
    best = asked.best
    grid = np.geomspace(asked.limits.low, asked.limits.high, 20_001)
    for draw in (0, 7, 39):
        one = Problem(
            asked.law,
            {name: x[[draw]] for name, x in asked.values.items()},
            {},
            asked.limits,
            unique_tokens=asked.unique_tokens,
            worth=None if asked.worth is None else asked.worth[[draw]],
            batch=asked.batch,
        )
        loss = one.loss(grid[None], asked.limits.tokens(grid[None]))[0]
        lowest = int(np.nanargmin(loss))
        assert best.loss[draw] <= loss[lowest] + 1e-10
        assert best.params[draw] == pytest.approx(grid[lowest], rel=3 * np.log(grid[1] / grid[0]))


def test_the_search_is_the_closed_form_where_both_apply() -> None:
    closed = problem()
    # A lower end far from the optimum makes it a search.
    searched = problem(min_params=2e7)
    assert closed.in_closed_form and not searched.in_closed_form
    golden = numeric_optimum(closed.law, closed.values, BUDGET)
    for a, b, c in zip(closed.best[:3], searched.best[:3], (*golden, None), strict=True):
        assert b == pytest.approx(a, rel=1e-5)
        assert c is None or c == pytest.approx(a, rel=1e-5)


def test_a_wrong_closed_form_is_an_error_and_not_a_result() -> None:
    from dataclasses import replace

    asked = problem()

    def far_off(values: Any, flops: Any, k: Any = 6.0, fixed: Any = None) -> Any:
        params, tokens = optimum(asked.law, values, flops, k)
        return params * 30, tokens / 30

    with pytest.raises(AllocationError, match="beaten by 20 tokens per parameter"):
        _ = replace(asked, law=replace(asked.law, optimum=far_off)).best


def test_limits_are_kept_and_used_up() -> None:
    k, hour = 6.0, 989e12 * 0.4 * 3600
    plan = problem(flops=None, **H100, hours=10, devices=4).best
    assert k * plan.params * plan.tokens == pytest.approx(40 * hour)
    # 16 bytes a parameter in 80 % of 80 GB.
    assert problem(flops=1e24, device="H100").best.params.max() == pytest.approx(0.8 * 80e9 / 16)
    assert problem(flops=1e26, device="H100", devices=8).best.params.max() == pytest.approx(0.8 * 640e9 / 16)
    assert problem(flops=1e24, device="H100", devices=8, sharded=False).best.params.max() <= 4e9 * (1 + 1e-9)
    dear = Price(flop=1e-18, token=5e-9)
    paid = problem(flops=None, money=2e3, price=dear).best
    assert dear.flop * k * paid.params * paid.tokens + dear.token * paid.tokens == pytest.approx(2e3)
    # Bought once, repeated for free.
    paid = problem(flops=None, money=2e3, price=dear, unique_tokens=1e10).best
    fresh = np.minimum(paid.tokens, 1e10)
    assert (paid.tokens > 1e10).all()
    assert dear.flop * k * paid.params * paid.tokens + dear.token * fresh == pytest.approx(2e3)
    energy = problem(flops=None, **H100, kwh=50, pue=1.25).best
    assert k * energy.params * energy.tokens / hour * 0.7 * 1.25 == pytest.approx(50)
    steps = problem(batch=4e6, max_steps=1000).best
    assert steps.tokens == pytest.approx(4e9)


def test_service_wants_smaller_models_trained_longer() -> None:
    plain, served = problem().best, problem(lifetime_tokens=1e12).best
    assert (served.params < plain.params).all() and (served.tokens > plain.tokens).all()
    total = 6 * served.params * served.tokens + 2 * served.params * 1e12
    assert total == pytest.approx(BUDGET)
    more = problem(lifetime_tokens=1e13).best
    assert (more.params < served.params).all()


def test_scarce_data_by_the_law_that_knows_and_by_the_one_that_is_told() -> None:
    # Muennighoff's own law penalises excess parameters too; where there is no excess the two are one.
    own = problem("muennighoff", unique_tokens=1e13).best
    values = hoffmann(law="muennighoff")
    fresh = optimum(bs.law("chinchilla"), {n: values[n] for n in ("E", "A", "alpha", "B", "beta")}, BUDGET)
    assert own.params == pytest.approx(fresh[0], rel=1e-4)
    # With little data, it wants more epochs of a smaller model than Hoffmann's would with fresh data.
    scarce = problem("muennighoff", unique_tokens=3e8)
    assert (scarce.best.params < fresh[0]).all()
    assert (scarce.best.loss > own.loss).all()


def test_guo_a_every_split_is_as_good_so_service_decides_for_small() -> None:
    with pytest.raises(AllocationError, match="no compute-optimal size"):
        _ = problem("guo", lifetime_tokens=1e12).best
    sizes = [1e8, 1e9, 1e10]
    assert (problem("guo", lifetime_tokens=1e12, menu=sizes).best.params == 1e8).all()
    free = problem("guo", menu=sizes)
    assert free.profile == pytest.approx(np.broadcast_to(free.profile[:, :1], free.profile.shape))


def test_guo_b_with_the_data_exhausted_only_size_grows() -> None:
    found = []
    for flops in (1e22, 1e23):
        # A little service breaks the tie among the sizes that use the data up.
        plan = problem(
            "guo", flops, unique_tokens=1e11, max_epochs=1, lifetime_tokens=1e6, min_params=1e8
        ).best
        assert plan.tokens == pytest.approx(1e11, rel=1e-4)
        found.append(plan.params)
    assert found[1] == pytest.approx(10 * found[0], rel=1e-3)


def test_critical_batch_takes_twice_the_tokens_and_steps() -> None:
    asked = problem(batch="critical")
    plan = asked.best
    loss, batch = asked.loss_and_batch(plan.params, plan.tokens)
    assert batch == pytest.approx(critical_batch(loss))
    plain = Problem(asked.law, asked.values, {}, asked.limits)
    assert loss == pytest.approx(plain.loss(plan.params, plan.tokens / 2))
    # A batch in tokens solves Kaplan's implicit equation (5.4): S_min = S / (1 + B_crit/B).
    fixed = problem(batch=4e6)
    loss, batch = fixed.loss_and_batch(plan.params, plan.tokens)
    least = minimum_steps(plan.tokens / batch, batch, loss)
    assert loss == pytest.approx(plain.loss(plan.params, least * critical_batch(loss)), rel=1e-9)


def test_time_against_compute_is_kaplans_hyperbola() -> None:
    table = trade_off(2.3, 1e11, float(critical_batch(2.3)))
    critical, fewest = float(critical_batch(2.3)), 5e10
    assert table["compute_ratio"].is_monotonic_increasing and table["steps_ratio"].is_monotonic_decreasing
    assert table["tokens"].to_numpy() == pytest.approx(
        examples_needed(table["steps"].to_numpy(), fewest / critical, critical)
    )
    assert table.loc[2, ["compute_ratio", "steps_ratio"]].tolist() == pytest.approx([1, 1])


def test_a_menu_with_names() -> None:
    menu = [
        {"name": "small", "params": 1e9},
        {"name": "middle", "params": 3e9},
        {"name": "large", "params": 9e9},
    ]
    asked = problem(menu=menu)
    assert set(np.unique(asked.best.params)) <= {1e9, 3e9, 9e9}
    assert (asked.best.loss <= asked.profile.min(axis=1) + 1e-12).all()
    # What memory does not hold is off the menu.
    assert problem(menu=menu, flops=1e25, device="H100").best.params.max() == 3e9


def test_a_posteriors_plan_says_what_limits_it_and_what_it_takes(posterior: bs.Posterior) -> None:
    constraints = Constraints(unique_tokens=1e6, max_epochs=4, lifetime_tokens=1e6, batch=5e4, **H100,
                              price=Price(device_hour=2.0, token=1e-9))  # fmt: skip
    found = posterior.allocate([1e13, 1e14], GROUP, constraints=constraints)
    row = found.table.iloc[1]
    # A plan at a corner: the data used up, and the budget too.
    assert row["limited_by"] == "flops and data" and row["epochs"] == pytest.approx(4)
    assert row["training_flops"] + row["service_flops"] <= row["flops"] * (1 + 1e-6)
    assert row["steps"] == pytest.approx(4e6 / 5e4)
    hours = row["training_flops"] / (989e12 * 0.4 * 3600)
    assert row["device_hours"] == pytest.approx(hours)
    whole = (row["training_flops"] + row["service_flops"]) / (989e12 * 0.4 * 3600)
    assert row["money"] == pytest.approx(2 * whole + 1e-9 * 1e6, rel=1e-6)
    said = str(found)
    assert ("Muennighoff" in said and "in service" in said) or "served" in said
    assert len(found.batches()) == 10
    # Without a budget of FLOPs another limit will do.
    alone = posterior.allocate(None, GROUP, constraints=Constraints(**H100, hours=1e-5))
    assert alone.table["flops"].item() == pytest.approx(1e-5 * 989e12 * 0.4 * 3600, rel=1e-6)


def test_constraints_from_a_file_and_overruled(tmp_path: Path) -> None:
    path = tmp_path / "constraints.toml"
    path.write_text("unique_tokens = 2e11\nmenu = [1e9, 3e9]\nprice = { flop = 1e-18 }\nmoney = 1e6\n")
    read = Constraints.from_toml(path)
    assert [shape.params for shape in read.sizes] == [1e9, 3e9]
    assert read.updated(unique_tokens=1e10, hours=None).unique_tokens == 1e10
    assert read.updated(unique_tokens=1e10).money == 1e6
    path.write_text('uniqe_tokens = 1\ndevice = "Z80"\n')
    with pytest.raises(ConstraintError, match=r"constraints\.toml.*uniqe_tokens: is not a key here"):
        Constraints.from_toml(path)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"device": "Z80"}, "no device named 'Z80'"),
        ({"hours": 3}, "give device and mfu"),
        ({"money": 3}, "money without prices"),
        ({"max_epochs": 3}, "without unique_tokens"),
        ({"max_steps": 3}, "give batch in tokens"),
        ({"menu": [1e9], "min_params": 1e8}, "leave min_params"),
        ({"min_params": 1e9, "max_params": 1e8}, "is above max_params"),
        ({**H100, "price": {"flop": 1e-18, "device_hour": 2}}, "priced twice"),
    ],
)
def test_contradictions_are_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConstraintError, match=said):
        Constraints().updated(**wrong)


def test_what_leaves_nothing_is_named(posterior: bs.Posterior) -> None:
    for constraints, said in (
        (Constraints(menu=(1e15,)), "no size of the menu"),
        (Constraints(min_params=1e12), "no size is left"),
        (Constraints(lifetime_tokens=1e30), "leave no tokens"),
    ):
        with pytest.raises(AllocationError, match=said):
            posterior.allocate([1e13], GROUP, constraints=constraints)
    with pytest.raises(ConstraintError, match="nothing limits compute"):
        posterior.allocate(None, GROUP, constraints=Constraints(menu=(1e5,)))
    with pytest.raises(AllocationError, match="below the cheapest fitted run"):
        posterior.allocate([1e8])
