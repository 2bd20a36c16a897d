"""Laws that take more than params and tokens, and laws of compute alone, in every verb."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import Action, AllocationError, Decision, DecisionError
from bayescale.decide.allocation import RATIOS, numeric_optimum, optimum
from bayescale.inference import Settings

SHORT = Settings(chains=2, warmup=400, draws=200)


def mixture_of_experts(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    runs = pd.DataFrame(
        {
            "params": np.exp(rng.uniform(np.log(1e7), np.log(1e9), 60)),
            "tokens": np.exp(rng.uniform(np.log(1e9), np.log(1e11), 60)),
            "granularity": rng.choice([1.0, 2.0, 4.0, 8.0, 16.0], 60),
        }
    )
    law = bs.law("krajewski")
    truth = law.published[0].values
    loss = np.asarray(law.loss(truth, {c: runs[c].to_numpy() for c in law.inputs}))
    return runs.assign(loss=loss * np.exp(0.003 * rng.normal(size=60)))


@pytest.fixture(scope="module")
def experts() -> bs.Posterior:
    return bs.fit(mixture_of_experts(), model="krajewski", seed=0, settings=SHORT)


def test_allocation_at_a_fixed_input(experts: bs.Posterior) -> None:
    fine, coarse = (experts.allocate([1e20], fixed={"granularity": g}) for g in (16, 1))
    assert (fine.draws["loss"] < coarse.draws["loss"]).all()
    by_column = experts.allocate([1e20], groups=pd.DataFrame({"granularity": [16.0, 1.0]}))
    assert by_column.table["loss"].tolist() == [fine.table["loss"][0], coarse.table["loss"][0]]
    # The closed form and the search agree, draw by draw.
    values = {p: experts.draws(p)[:, 0] for p in experts.model.definition.parameter_names}
    law, at = experts.model.definition, {"granularity": 4.0}
    for closed, searched in zip(
        optimum(law, values, 1e20, fixed=at), numeric_optimum(law, values, 1e20, fixed=at), strict=True
    ):
        assert searched == pytest.approx(closed, rel=1e-4)


def test_what_is_missing_or_idle_is_named(experts: bs.Posterior) -> None:
    with pytest.raises(AllocationError, match="takes granularity beside params and tokens"):
        experts.allocate([1e20])
    with pytest.raises(AllocationError, match="experts does not matter"):
        experts.allocate([1e20], fixed={"granularity": 4, "experts": 8})
    with pytest.raises(AllocationError, match="granularity must be positive"):
        experts.allocate([1e20], fixed={"granularity": 0})
    plain = {"name": "big", "params": 1e10, "tokens": 2e11}
    with pytest.raises(DecisionError, match=r"say at which, inputs = \{ granularity"):
        experts.decide(Decision(actions=[Action(**plain)], target_loss=2.2))
    with pytest.raises(DecisionError, match="vocab does not matter"):
        experts.decide(
            Decision(actions=[Action(**plain, inputs={"granularity": 8, "vocab": 1e4})], target_loss=2.2)
        )


def test_a_decision_with_other_inputs(experts: bs.Posterior) -> None:
    actions = [Action(name=f"g{g}", params=1e10, tokens=2e11, inputs={"granularity": g}) for g in (1, 16)]
    table = experts.decide(Decision(actions=actions, target_loss=2.2)).table.set_index("action")
    assert table.loc["g16", "loss_median"] < table.loc["g1", "loss_median"]


def test_scarce_data_wants_more_epochs_of_a_smaller_model() -> None:
    # Muennighoff 2023, abstract and section 5: excess parameters lose their value faster than repeated tokens do.
    law = bs.law("muennighoff")
    values = law.published[0].values
    fresh, _ = optimum(law, values, 1e22, fixed={"unique_tokens": 1e13})
    scarce, tokens = optimum(law, values, 1e22, fixed={"unique_tokens": 1e9})
    assert scarce < 0.7 * fresh
    grid = np.geomspace(0.3, 3, 2001) * scarce
    loss = law.loss(values, {"params": grid, "tokens": 1e22 / 6 / grid, "unique_tokens": 1e9})
    assert grid[np.argmin(np.asarray(loss))] == pytest.approx(float(scarce), rel=2e-3)
    assert RATIOS[0] < tokens / scarce < RATIOS[1]


def test_a_law_of_compute_alone_decides_and_says_it_cannot_allocate(runs: pd.DataFrame) -> None:
    posterior = bs.fit(runs[runs["task"] == "code"], model="henighan-c", seed=0, settings=SHORT)
    action = Action(name="big", params=1e6, tokens=1e8)
    verdict = posterior.decide(Decision(actions=[action], target_loss=2.5))
    assert np.isfinite(verdict.table["loss_median"]).all()
    with pytest.raises(AllocationError, match="nothing to allocate"):
        posterior.allocate([1e15])
