"""The usual practice finds the law that made the runs, and falls back where it cannot be fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from bayescale.forecast import huber
from bayescale.forecast.baselines import BASELINES, COMPLETE, EXPONENTS, LAST, USUAL, baselines
from bayescale.forecast.scores import at, score
from tests.simulate import expected, simulate

BOTH = ["architecture", "task"]
LAW = {"E": 1.6, "A": 30.0, "alpha": 0.32, "B": 60.0, "beta": 0.33}


def of(runs: pd.DataFrame, group: np.ndarray) -> tuple[huber.Runs, tuple[float, float]]:
    x, y, z = np.log(runs[["params", "tokens", "loss"]].to_numpy()).T
    return huber.Runs(x - x.mean(), y - y.mean(), z, group, int(group.max()) + 1), (x.mean(), y.mean())


def exact(runs: pd.DataFrame, law: dict[str, float] = LAW) -> pd.DataFrame:
    return runs.assign(loss=expected(runs["params"].to_numpy(), runs["tokens"].to_numpy(), law))


def test_gradient() -> None:
    x, y = np.array([-1.0, 0.5]), np.array([0.3, -0.7])
    theta = np.log(np.array([[1.8, 0.6, 0.3, 0.35, 0.37], [1.2, 0.4, 0.6, 0.25, 0.3]]))
    gradient = huber.log_loss(theta, x, y)[1]
    for i in range(5):
        step = np.eye(5)[i] * 1e-6
        numeric = (huber.log_loss(theta + step, x, y)[0] - huber.log_loss(theta - step, x, y)[0]) / 2e-6
        assert gradient[:, i] == pytest.approx(numeric, rel=1e-6)


def test_the_law_is_found_where_there_is_no_noise() -> None:
    runs, centre = of(exact(simulate(np.geomspace(3e10, 3e13, 6), 6).iloc[:36]), np.zeros(36, int))
    floor, size, data, alpha, beta = np.exp(huber.fit(runs, frozenset())[0, 0])
    found = floor, size * np.exp(alpha * centre[0]), alpha, data * np.exp(beta * centre[1]), beta
    assert found == pytest.approx(list(LAW.values()), rel=0.02)


def test_it_is_the_least_huber_loss_that_a_general_optimiser_finds() -> None:
    table = simulate(np.geomspace(3e10, 3e12, 5), seed=1)
    group = np.repeat([0, 1], 20)
    runs, _ = of(table.iloc[:40], group)
    shared = frozenset({"alpha", "beta"})
    which = huber.layout(2, shared)

    def loss(free: np.ndarray) -> float:
        residual = np.abs(runs.z - huber.log_loss(free[which][group], runs.x, runs.y)[0])
        d = huber.DELTA
        return float(np.where(residual < d, residual**2 / 2, d * (residual - d / 2)).sum() * 1e4)

    found = huber.fit(runs, shared)[0]
    assert found[0, 3:] == pytest.approx(found[1, 3:])
    here = np.empty(which.max() + 1)
    here[which] = found
    better = minimize(loss, here, method="Nelder-Mead", options={"maxiter": 3000, "maxfev": 3000})
    assert loss(here) <= better.fun * 1.002


def test_every_baseline_forecasts_runs_of_its_own_law() -> None:
    runs = simulate(np.geomspace(3e10, 3e12, 6), 5, seed=2)
    held = simulate(np.array([1e13]), 5, seed=5)
    found = {one.name: one for one in baselines(runs, held, BOTH)}
    assert tuple(found) == BASELINES
    measured = held["loss"].to_numpy()
    errors = {name: score(one.quantiles, measured)["error"] for name, one in found.items()}
    # Floors differ between tasks, exponents do not.
    assert errors[EXPONENTS] < 0.012 and errors[USUAL] < 0.02
    assert errors[COMPLETE] > 0.05 and errors[LAST] > 0.05
    assert all(one.notes == () for one in found.values())
    again = {one.name: one for one in baselines(runs, held, BOTH)}
    assert np.array_equal(found[USUAL].quantiles, again[USUAL].quantiles)


def test_last_point_is_the_best_of_the_dearest_runs() -> None:
    runs = simulate(np.geomspace(3e10, 3e12, 3), 4, seed=2)
    held = simulate(np.array([1e13]), 1, seed=5)
    last = baselines(runs, held, BOTH)[0].quantiles
    dearest = runs[runs["flops"] == runs["flops"].max()].groupby(BOTH)["loss"].min()
    assert at(last, 0.5) == pytest.approx(dearest.loc[list(held[BOTH].itertuples(index=False, name=None))])
    assert np.ptp(last, axis=1).max() == 0


def test_groups_that_cannot_be_fitted() -> None:
    runs = simulate(np.geomspace(3e10, 3e12, 4), 3, seed=2)
    few = (runs["task"] == "docs") & (runs["architecture"] == "llama")
    runs = pd.concat([runs[~few], runs[few].iloc[:3]])
    held = simulate(np.array([1e13]), 1, seed=5)
    found = {one.name: one for one in baselines(runs, held, BOTH)}
    assert any("too few runs" in note and "llama:docs" in note for note in found[USUAL].notes)
    at_few = ((held["task"] == "docs") & (held["architecture"] == "llama")).to_numpy()
    same = (found[USUAL].quantiles == found[COMPLETE].quantiles).all(axis=1)
    assert (same == at_few).all()
    unseen = baselines(runs, held.assign(task="new"), BOTH)
    assert any("no groups by task" in note for note in unseen[1].notes)
    assert np.isfinite(unseen[1].quantiles).all()


def test_without_size_and_data_there_is_the_last_point() -> None:
    runs = simulate(np.geomspace(3e10, 3e12, 3), 2)[["flops", "loss"]]
    found = baselines(runs.iloc[:-2], runs.iloc[-2:], [])
    assert [one.name for one in found] == [LAST]
