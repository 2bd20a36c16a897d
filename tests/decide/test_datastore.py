"""A budget split among params, tokens and a datastore."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app
from bayescale.decide import AllocationError, ConstraintError, Constraints
from bayescale.decide.datastore import Datastore, check_fixed
from bayescale.decide.limits import make_limits
from bayescale.decide.planning import Problem
from bayescale.decide.uncertainty import THUMB, plans
from bayescale.inference import Settings

SHORT = Settings(chains=2, warmup=400, draws=200, folds=False)
TRUTH = {"E": 1.0, "A": 60.0, "alpha": 0.35, "B": 120.0, "beta": 0.38, "S0": 2e4, "k": 0.06}
LAW = "datastore-log"


def problem(store: Datastore, law: str = LAW, draws: int = 5, flops: float = 1e13) -> Problem:
    rng = np.random.default_rng(0)
    values = TRUTH if law == LAW else {**TRUTH, "C": 2.0, "s": 0.2}
    cloud = {name: x * np.exp(0.05 * rng.normal(size=draws)) for name, x in values.items()}
    return Problem(bs.law(law), cloud, {}, make_limits(Constraints(), flops, 6.0), datastore=store)


@pytest.mark.parametrize("law", [LAW, "datastore-power"])
@pytest.mark.parametrize(
    "store", [Datastore(2 * 3e4, 0.0), Datastore(0.0, 2.0), Datastore(0.0, 2.0, at_most=1e6)]
)
def test_the_split_is_the_best_of_a_fine_grid(store: Datastore, law: str) -> None:
    asked = problem(store, law)
    best = asked.best
    assert best.datastore is not None
    spent = 6 * best.params * best.tokens + store.flops_per_token(best.params) * best.datastore
    assert spent == pytest.approx(1e13, rel=1e-6)
    assert (best.datastore <= store.at_most * (1 + 1e-9)).all()
    params = np.geomspace(0.05, 20, 300)[:, None]
    share = np.geomspace(1e-6, 0.999, 500)[None]
    for i in range(asked.draws):
        size = best.params[i] * params
        inputs = {
            "params": size,
            "tokens": (1 - share) * 1e13 / (6 * size),
            "datastore_tokens": np.minimum(share * 1e13 / store.flops_per_token(size), store.at_most),
        }
        own = {name: x[i] for name, x in asked.values.items()}
        grid = np.asarray(asked.law.loss(own, inputs))
        assert best.loss[i] <= grid.min() + 1e-9
        assert best.loss[i] == pytest.approx(grid.min(), rel=1e-4)


def test_a_datastore_that_helps_nobody_is_not_bought() -> None:
    asked = problem(Datastore(0.0, 2.0))
    idle = replace(asked, values={**asked.values, "k": np.full(5, 1e-12)})
    assert idle.best.datastore is not None
    assert (idle.best.datastore == 0).all()
    alone = replace(idle, datastore=None, fixed={"datastore_tokens": 0.0}).best
    assert idle.best.loss == pytest.approx(alone.loss, abs=1e-9)


def test_one_plan_buys_one_datastore() -> None:
    asked = problem(Datastore(0.0, 2.0))
    table = plans(asked, {"params": 1e6, "tokens": 1e7, "datastore_tokens": 1e5}).set_index("plan")
    assert (table["regret"] >= 0).all()
    assert table["regret"].idxmin() == "least expected loss"
    thumb = table.loc[f"{THUMB}, no datastore"]
    assert thumb["datastore_tokens"] == 0
    assert thumb["tokens"] == pytest.approx(20 * thumb["params"], rel=1e-6)


@pytest.fixture(scope="module")
def runs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    models = 24
    params = np.exp(rng.uniform(np.log(3e3), np.log(3e5), models))
    tokens = np.exp(rng.uniform(np.log(3e4), np.log(3e6), models))
    stores = np.array([0.0, 4e3, 3e4, 3e5])
    table = pd.DataFrame(
        {
            "run_id": np.repeat([f"m{i}" for i in range(models)], len(stores)),
            "params": np.repeat(params, len(stores)),
            "tokens": np.repeat(tokens, len(stores)),
            "datastore_tokens": np.tile(stores, models),
        }
    )
    table["flops"] = 6 * table["params"] * table["tokens"]
    table["datastore_flops"] = 2 * table["params"] * table["datastore_tokens"]
    law = bs.law(LAW)
    loss = np.asarray(law.loss(TRUTH, {c: table[c].to_numpy() for c in law.inputs}))
    return table.assign(loss=loss * np.exp(0.003 * rng.normal(size=len(table))))


@pytest.fixture(scope="module")
def posterior(runs: pd.DataFrame) -> bs.Posterior:
    return bs.fit(runs, model=LAW, seed=0, settings=SHORT)


def test_the_truth_is_inside_and_the_cost_is_learned(posterior: bs.Posterior, runs: pd.DataFrame) -> None:
    budget = float(runs["flops"].max())
    found = posterior.allocate([budget])
    row = found.table.iloc[0]
    own = {name: np.array([x]) for name, x in TRUTH.items()}
    limits = make_limits(Constraints(), budget, 6.0)
    truth = Problem(bs.law(LAW), own, {}, limits, datastore=Datastore(0.0, 2.0)).best
    assert truth.datastore is not None
    for name, x in (("params", truth.params), ("datastore_tokens", truth.datastore), ("loss", truth.loss)):
        assert row[f"{name}_q0.05"] < float(x[0]) < row[f"{name}_q0.95"], name
    assert found.draws["datastore_tokens"].shape == found.draws["params"].shape
    assert (found.draws["gain"] >= -1e-9).all()
    assert 0 < row["datastore_share"] < 1
    assert "2.00 FLOPs a param for each of its tokens" in str(found)
    # A retriever of the same size as the best model costs about the same.
    same = posterior.allocate([budget], constraints=Constraints(retriever=float(row["params"]))).table.iloc[0]
    assert same["loss"] == pytest.approx(row["loss"], rel=0.01)
    assert same["training_flops"] + same["datastore_flops"] == pytest.approx(budget, rel=0.02)


def test_a_corpus_limits_the_datastore(posterior: bs.Posterior) -> None:
    found = posterior.allocate([1e12], constraints=Constraints(max_datastore_tokens=1e4))
    assert (found.draws["datastore_tokens"] <= 1e4 * (1 + 1e-6)).all()
    assert "the datastore is all of the corpus" in str(found)
    assert "larger than the largest measured one" not in str(found)
    with pytest.raises(ConstraintError, match="is larger than the corpus"):
        posterior.allocate(
            [1e12], fixed={"datastore_tokens": 1e6}, constraints=Constraints(max_datastore_tokens=1e4)
        )


def test_a_datastore_that_is_there_costs_nothing(posterior: bs.Posterior) -> None:
    there = posterior.allocate([1e12], fixed={"datastore_tokens": 3e5})
    bought = posterior.allocate([1e12], constraints=Constraints(max_datastore_tokens=3e5))
    assert (there.draws["loss"] <= bought.draws["loss"] + 1e-6).all()
    assert "taken to be there already" in str(there)
    with pytest.raises(ConstraintError, match="give one"):
        posterior.allocate([1e12], fixed={"datastore_tokens": 3e5}, constraints=Constraints(retriever="self"))


def test_what_does_not_go_together_is_named(posterior: bs.Posterior) -> None:
    with pytest.raises(ConstraintError, match="unique_tokens goes with a datastore of a size that is given"):
        posterior.allocate([1e12], constraints=Constraints(unique_tokens=1e6))
    with pytest.raises(ConstraintError, match="batch goes with"):
        posterior.allocate([1e12], constraints=Constraints(batch=1e3))
    with pytest.raises(
        ConstraintError, match="retriever is about a datastore, which the law chinchilla does not"
    ):
        check_fixed(bs.law("chinchilla"), {}, Constraints(retriever="self"))
    unpriced = replace(posterior, runs=posterior.runs.drop(columns="datastore_flops"))
    with pytest.raises(AllocationError, match=r"no column datastore_flops.*--retriever"):
        unpriced.allocate([1e12])
    own = unpriced.allocate([1e12], constraints=Constraints(retriever="self")).table
    assert own["loss"][0] == pytest.approx(posterior.allocate([1e12]).table["loss"][0], rel=1e-6)


def test_the_command(posterior: bs.Posterior, tmp_path: Path) -> None:
    fit = tmp_path / "fit.nc"
    posterior.save(fit)
    ran = CliRunner().invoke(
        app, ["allocate", str(fit), "--flops", "1e12", "--retriever", "3e4", "--max-datastore-tokens", "1e6"]
    )
    assert "a retriever of 30\u00a0k params" in ran.output
    assert "datastore_tokens" in ran.output
    wrong = CliRunner().invoke(app, ["allocate", str(fit), "--flops", "1e12", "--retriever", "mine"])
    assert wrong.exit_code != 0
    assert "--retriever is a positive number, or self: got 'mine'" in str(wrong.exception or wrong.output)
