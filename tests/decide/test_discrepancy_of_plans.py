"""Plans include the model's own discrepancy: misfit inside the runs and drift beyond move each draw's optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide.curves import curves
from bayescale.forecast import expected_loss
from tests.made import posterior_about

TRUTH = {"E": 1.7, "K": 0.9, "rho": 0.45, "a": 0.33, "b": 0.3, "p": 0.8}
DRAWS = 200


@pytest.fixture(scope="module")
def fitted() -> bs.Posterior:
    rows = []
    for flops in (1e17, 1e18, 1e19):
        params = np.geomspace(0.2, 5, 6) * np.sqrt(flops / 6 / 20)
        rows.append(pd.DataFrame({"params": params, "tokens": flops / 6 / params, "flops": flops}))
    runs = pd.concat(rows, ignore_index=True)
    law = bs.law("generalised")
    loss = np.asarray(
        law.loss(TRUTH, {"params": runs["params"].to_numpy(), "tokens": runs["tokens"].to_numpy()})
    )
    return posterior_about(runs.assign(loss=loss), bs.Model.load("generalised"), TRUTH, draws=DRAWS)


@pytest.mark.parametrize("flops", [3e18, 1e21])
def test_every_draws_plan_is_the_best_of_a_dense_grid_of_expected_losses(
    fitted: bs.Posterior, flops: float
) -> None:
    allocation = fitted.allocate([flops])
    params = np.geomspace(1e-3, 1e3, 4001) * float(np.median(allocation.draws["params"]))
    points = pd.DataFrame({"params": params, "tokens": flops / 6 / params, "flops": flops})
    grid = expected_loss(fitted, points)[0]
    least = grid.min(axis=1)
    assert allocation.draws["loss"][:, 0] == pytest.approx(least, rel=1e-4)
    # The size itself, where no second minimum does as well.
    best = params[grid.argmin(axis=1)]
    other = (grid < least[:, None] * (1 + 1e-4)) & (np.abs(np.log(params / best[:, None])) > 0.3)
    alone = ~other.any(axis=1)
    assert alone.mean() > 0.8
    assert allocation.draws["params"][alone, 0] == pytest.approx(best[alone], rel=0.01)


def test_intervals_are_wider_than_the_laws_own(fitted: bs.Posterior) -> None:
    def width(draws: np.ndarray) -> float:
        low, high = np.quantile(np.log(draws), (0.05, 0.95))
        return float(high - low)

    allocation = fitted.allocate([1e21])
    alone = replace(allocation.problems[0], discrepancy=None).best
    assert width(allocation.draws["params"][:, 0]) > 1.2 * width(alone.params)
    assert width(allocation.draws["loss"][:, 0]) > 1.2 * width(alone.loss)


def test_the_discrepancy_is_that_of_forecasts(fitted: bs.Posterior) -> None:
    from bayescale.forecast.expected import Predictor

    rng = np.random.default_rng(0)
    points = pd.DataFrame({"params": 10 ** rng.uniform(7, 10, 30), "tokens": 10 ** rng.uniform(8, 11, 30)})
    points["flops"] = 6 * points["params"] * points["tokens"]
    predictor = Predictor(fitted)
    expected = predictor.misfit(points) + predictor.drift(points)
    run = {name: np.tile(points[name].to_numpy(), (DRAWS, 1)) for name in points}
    assert predictor.discrepancy({}).log_factor(run) == pytest.approx(expected, abs=1e-12)
    # Sizes that differ from draw to draw.
    order = rng.permuted(np.tile(np.arange(30), (DRAWS, 1)), axis=1)
    shuffled = {name: np.take_along_axis(x, order, axis=1) for name, x in run.items()}
    assert predictor.discrepancy({}).log_factor(shuffled) == pytest.approx(
        np.take_along_axis(expected, order, axis=1), abs=1e-12
    )


def test_regret_and_the_cheapest_way_include_it(fitted: bs.Posterior) -> None:
    allocation = fitted.allocate([1e21])
    plans = allocation.plans()
    assert (plans["regret"] > 0).all()
    target = float(np.median(allocation.draws["loss"]))
    reached = fitted.cheapest(target)
    assert 0.3 < reached.table["p_reachable"].item() <= 1
    assert reached.table["flops"].item() == pytest.approx(1e21, rel=0.5)


def test_the_frontier_is_that_of_plans(fitted: bs.Posterior) -> None:
    curve = curves(fitted, pd.DataFrame(index=[0]))[0]
    budgets = [3e18, 1e21]
    allocation = fitted.allocate(budgets)
    best = curve.best(np.array(budgets))
    assert best.plan is not None
    assert best.loss == pytest.approx(allocation.draws["loss"], rel=1e-4)
    apart = np.abs(np.log(best.plan[0] / allocation.draws["params"]))
    assert np.quantile(apart, 0.9) < 0.01
    # Between the budgets whose plan is searched sizes are interpolated: the loss hardly feels it.
    many = np.geomspace(1e17, 1e22, 61)
    along, one = curve.best(many), curve.best(many[40:41])
    assert along.loss[:, 40] == pytest.approx(one.loss[:, 0], rel=2e-3)
    assert np.median(along.loss[:, 40] / one.loss[:, 0]) == pytest.approx(1, abs=1e-4)
    assert curve.loss_at(1e9, 2e10) == pytest.approx(
        expected_loss(fitted, pd.DataFrame({"params": [1e9], "tokens": [2e10]}))[0][:, 0]
    )
