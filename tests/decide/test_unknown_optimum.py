"""Runs that cannot tell the optimum, and draws whose optimum lies beyond everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import Constraints
from bayescale.decide.limits import make_limits
from bayescale.decide.planning import Problem
from bayescale.decide.uncertainty import plans
from bayescale.models.spec import Model
from bayescale.posterior import prior_posterior

REFERENCE = {"params": 3e7, "tokens": 6e8}
TYPICAL = {"E": 0.6, "K": 2.748, "rho": 0.5, "a": 0.3, "b": 0.3, "p": 1.0}
CORNER = {"E": 1.6 / 2.748, "K": 2.748, "rho": 0.5, "a": 0.035, "b": 0.47, "p": 0.0226}
"""Shares that are equal at these runs, and one to a float at the law's fixed units."""


def values(draws: list[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    sampled = {name: np.array([draw[name] for draw in draws]) for name in TYPICAL}
    return {name: np.asarray(x) for name, x in bs.law("generalised").values(sampled, REFERENCE).items()}


def test_a_draw_in_the_corner_has_a_finite_plan_and_no_regret_below_zero() -> None:
    draws = [TYPICAL] * 39 + [CORNER]
    problem = Problem(bs.law("generalised"), values(draws), {}, make_limits(Constraints(), 3.2e18, 6.0))
    assert problem.best.params[-1] == pytest.approx(6.26e8, rel=0.01)
    found = plans(problem, REFERENCE)
    numbers = found.drop(columns="plan").to_numpy(float)
    assert np.isfinite(numbers).all()
    assert (found[["regret", "regret_q0.95"]] >= 0).all(axis=None)


def test_a_draw_beyond_all_sizes_stays_at_their_edge() -> None:
    # Size hardly helps, or nothing else does: the optimum is hundreds of decades away.
    far = [{**TYPICAL, "a": 1e-3, "rho": 0.02}, {**TYPICAL, "b": 1e-3, "rho": 0.98, "p": 4.0}]
    problem = Problem(
        bs.law("generalised"), values([TYPICAL, *far]), {}, make_limits(Constraints(), 3.2e18, 6.0)
    )
    ratio = problem.best.tokens / problem.best.params
    assert ((ratio > 0.99e-3) & (ratio < 1.01e6)).all()
    assert np.isfinite(plans(problem, REFERENCE).drop(columns="plan").to_numpy(float)).all()


def test_runs_of_one_ratio_say_that_they_cannot_tell() -> None:
    params = np.geomspace(6.6e6, 1.24e8, 8)
    runs = pd.DataFrame({"params": params, "tokens": 20 * params, "loss": 4.0})
    posterior = prior_posterior(runs, Model.load("generalised"), draws=400, kind=bs.Posterior)
    allocation = posterior.allocate([3.2e18])
    assert not allocation.known.any()
    assert str(allocation).startswith(allocation.unknown_sentence) and allocation.unknown_sentence
    assert np.isfinite(allocation.table.select_dtypes(float).to_numpy()).all()


def test_where_the_optimum_is_known_nothing_is_said(posterior: bs.Posterior) -> None:
    allocation = posterior.allocate([1e12])
    assert allocation.known.all() and not allocation.unknown_sentence
