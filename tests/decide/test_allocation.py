from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import AllocationError
from bayescale.decide.allocation import numeric_optimum, optimum


def draws_of(posterior: bs.Posterior, cell: int = 0) -> dict[str, np.ndarray]:
    return {name: posterior.draws(name)[:, cell] for name in posterior.model.definition.parameter_names}


@pytest.mark.parametrize("flops", [1e12, 1e15, 1e20])
def test_the_closed_form_and_the_optimiser_agree_on_every_draw(posterior: bs.Posterior, flops: float) -> None:
    law, values = posterior.model.definition, draws_of(posterior)
    for closed, numeric in zip(optimum(law, values, flops), numeric_optimum(law, values, flops), strict=True):
        assert numeric == pytest.approx(closed, rel=1e-5)


def test_a_law_without_an_optimum_says_so(posterior: bs.Posterior) -> None:
    law = posterior.model.definition
    flat = {name: x * (0 if name == "B" else 1) for name, x in draws_of(posterior).items()}
    with pytest.raises(AllocationError, match="no compute-optimal size"):
        numeric_optimum(law, flat, 1e15)


def test_every_cell_and_budget_gets_a_row(posterior: bs.Posterior) -> None:
    allocation = posterior.allocate([1e12, 1e13])
    table = allocation.table
    assert len(table) == 8
    assert allocation.flops_per_param_token == pytest.approx(6)
    assert (6 * allocation.draws["params"] * allocation.draws["tokens"]) == pytest.approx(
        np.broadcast_to(table["flops"].to_numpy(), allocation.draws["params"].shape)
    )
    assert (table["params_q0.05"] < table["params"]).all() and (table["params"] < table["params_q0.95"]).all()
    code = table[(table["architecture"] == "gpt") & (table["task"] == "code")]
    assert code["loss"].is_monotonic_decreasing


def test_no_other_size_does_better(posterior: bs.Posterior) -> None:
    allocation = posterior.allocate([1e13], pd.DataFrame([{"architecture": "gpt", "task": "code"}]))
    best, problem = allocation.draws["loss"][:, 0], allocation.problems[0]
    for factor in (0.5, 0.9, 1.1, 2.0):
        params = factor * allocation.draws["params"][:, 0]
        assert (problem.loss(params, 1e13 / 6 / params) > best).all()


@pytest.mark.parametrize("flops", [[], [0.0], [-1.0], [float("nan")]])
def test_bad_budgets(posterior: bs.Posterior, flops: list[float]) -> None:
    with pytest.raises(AllocationError, match="positive FLOPs"):
        posterior.allocate(flops)
