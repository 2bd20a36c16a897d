"""Extrapolation levels: how far a point lies from the runs along each axis, and how far forecasts are believed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast.extrapolation import (
    AS_FAR,
    LITTLE,
    UNCHECKED,
    Level,
    believed_decades,
    checked_decades,
    extrapolation,
    level_text,
)
from bayescale.models import DesignError
from bayescale.posterior import prior_posterior
from tests.simulate import simulate

SIZES, TOKENS = (2.5e7, 5e7, 1e8, 2e8, 4e8), (1e9, 2e9, 4e9)
GRID = pd.DataFrame([{"params": n, "tokens": d} for n in SIZES for d in TOKENS])
FOLD = {"axis": "flops", "r_hat": 1.0, "forecast": 4, "inside90": 1.0}


def prior(runs: pd.DataFrame, model: str | bs.Model = "chinchilla", *folds: dict[str, float]) -> bs.Posterior:
    """Draws of a prior, as if forecasts of known runs had been checked as far as the folds say."""
    chosen = bs.Model.load(model) if isinstance(model, str) else model
    made = prior_posterior(runs, chosen, draws=50, kind=bs.Posterior)
    found = [{**FOLD, "decades": decades} for decades in folds]
    return replace(made, provenance={**made.provenance, "folds": found})


def levels(posterior: bs.Posterior, *points: dict[str, float]) -> list[tuple[str, float, str]]:
    found = extrapolation(posterior, pd.DataFrame(points))
    return [
        (row["level"], round(row["decades_beyond"], 2), row["beyond_along"])
        for row in found.to_dict("records")
    ]


def test_the_scale_goes_by_how_far_forecasts_were_checked(posterior: bs.Posterior) -> None:
    checked = checked_decades(posterior)
    assert 0.1 < checked["flops"] < 1.5 and {"params", "tokens"} <= set(checked)
    dearest = posterior.runs.loc[posterior.runs["flops"].idxmax()]
    factors = (0.1, 10 ** (checked["flops"] * 0.9), 10 ** (believed_decades(checked["flops"]) * 0.9), 1e5)
    rows = [{"params": dearest["params"] * f**0.5, "tokens": dearest["tokens"] * f**0.5} for f in factors]
    points = pd.DataFrame(rows).assign(architecture="gpt", task="code")
    found = extrapolation(posterior, points)
    assert found["level"].tolist() == ["inside", "near", "beyond", "far"]
    assert found["decades_beyond"].iloc[3] == pytest.approx(5.0) and found["beyond_along"].iloc[3] == "flops"
    columns = posterior.predict(points)
    assert columns[["level", "decades_beyond", "beyond_along"]].equals(found)
    assert posterior.predict(columns)["level"].tolist() == found["level"].tolist()


def test_what_checking_earns_never_shrinks() -> None:
    checked = np.linspace(0, 3, 301)
    believed = np.array([believed_decades(float(x)) for x in checked])
    assert (np.diff(believed) >= 0).all()
    assert believed_decades(None) == believed.min() == UNCHECKED
    assert believed_decades(1.0) == AS_FAR


def test_what_rounds_to_nothing_checks_nothing() -> None:
    assert checked_decades(prior(GRID, "chinchilla", {"flops": 0.00012, "params": 0.3})) == {"params": 0.3}
    assert LITTLE < 0.01


def test_a_table_of_one_budget_keeps_its_axis_of_compute() -> None:
    runs = pd.DataFrame({"params": SIZES}).assign(tokens=lambda t: 1e18 / 6 / t["params"])
    for table in (runs, runs.assign(flops=1e18)):
        posterior = prior(table)
        middle = table.iloc[2]
        point = {"params": middle["params"], "tokens": middle["tokens"]}
        assert levels(posterior, point)[0][0] == Level.INSIDE
        # As shapes go, inside; at a thousand and five thousand times the compute.
        dear = [{"params": n, "tokens": f * 1e18 / 6 / n} for n, f in ((4e8, 1e3), (4e8, 5e3))]
        found = levels(posterior, *dear)
        assert [level for level, *_ in found] == ["far", "far"]
        flops = extrapolation(posterior, pd.DataFrame([{"params": 4e8, "flops": 1e21}])).iloc[0]
        assert (flops["level"], round(flops["decades_beyond"], 6), flops["beyond_along"]) == (
            "far",
            3.0,
            "flops",
        )


def test_more_tokens_than_any_run_is_not_inside() -> None:
    posterior = prior(GRID)
    found = levels(posterior, {"params": 1e8, "tokens": 4e9}, {"params": 2.5e7, "tokens": 1.6e10})
    # Cheaper than the dearest run, and four times the tokens of any.
    assert found == [("inside", 0.0, ""), ("beyond", 0.6, "tokens")]
    assert levels(posterior, {"params": 2.5e7, "tokens": 8e10}) == [("far", 1.3, "tokens")]


@pytest.mark.parametrize("column", ["x", "width"])
def test_an_input_of_a_law_of_ones_own_is_an_axis(column: str) -> None:
    runs = pd.DataFrame({column: [10.0, 20, 40, 80, 160, 320]})
    inputs = (column,) if column == "x" else ()
    posterior = prior(runs, bs.Model(name="own", law=f"E + A * {column}**-alpha", inputs=inputs))
    points = pd.DataFrame({column: [300.0, 1e3, 3.2e4, 3.2e5, 2.0, 0.01]})
    found = posterior.predict(points)
    assert found["level"].tolist() == ["inside", "beyond", "far", "far", "beyond", "far"]
    assert found["decades_beyond"].round(2).tolist() == [0.0, 0.49, 2.0, 3.0, -0.7, -3.0]
    assert set(found["beyond_along"]) == {"", column}
    assert level_text(found.iloc[2]) == f"far, 2 decades of {column} beyond the runs"


def test_a_ratio_that_no_run_has_is_never_inside() -> None:
    # Every run has 20 tokens per param: sizes and tokens span a decade each, and their ratio nothing.
    posterior = prior(pd.DataFrame({"params": SIZES}).assign(tokens=lambda t: 20 * t["params"]))
    rows = [{"params": 1e8, "tokens": 1e8 * ratio} for ratio in (20, 60, 7)]
    found = levels(posterior, *rows)
    assert [level for level, *_ in found] == ["inside", "beyond", "beyond"]
    assert [along for *_, along in found] == ["", "tokens_per_param", "tokens_per_param"]
    assert found[1][1] == 0.48 and found[2][1] == -0.46
    wide = prior(
        pd.DataFrame({"params": np.geomspace(1e6, 1e9, 8)}).assign(tokens=lambda t: 20 * t["params"])
    )
    assert levels(wide, {"params": 1e6, "tokens": 1e9})[0] == ("far", 1.7, "tokens_per_param")


def test_below_the_runs_counts_and_nothing_is_checked_there() -> None:
    posterior = prior(GRID, "chinchilla", {"flops": 0.8, "params": 0.8, "tokens": 0.8})
    up, down, further = levels(
        posterior,
        {"params": 8e8, "tokens": 8e9},
        {"params": 1.25e7, "tokens": 1e9},
        {"params": 1e6, "tokens": 4e7},
    )
    assert up[0] == Level.NEAR
    assert down[0] == Level.BEYOND and down[1] == -0.3
    assert further[0] == Level.FAR and further[1] < -UNCHECKED


def test_a_limit_of_ones_own_takes_the_place_of_the_rule() -> None:
    posterior = prior(GRID)
    point = pd.DataFrame([{"params": 4e9, "tokens": 4e10}])
    assert extrapolation(posterior, point)["level"].item() == Level.FAR
    assert extrapolation(posterior, point, limit=2.5)["level"].item() == Level.BEYOND
    assert extrapolation(posterior, point, limit=1.5)["level"].item() == Level.FAR


def test_without_folds_nothing_was_checked(runs: pd.DataFrame) -> None:
    quick = bs.Settings(chains=2, warmup=200, draws=100, folds=False)
    posterior = bs.fit(runs, model="chinchilla", settings=quick)
    assert checked_decades(posterior) == {}


def test_a_column_that_predictions_add_cannot_group() -> None:
    runs = simulate(np.array([1e12]), sizes=2).rename(columns={"task": "level"})
    model = bs.Model.load("chinchilla").model_copy(update={"pooling": {"E": "1 + (1|level)"}})
    with pytest.raises(DesignError, match="'level' cannot group"):
        prior_posterior(runs, model, draws=10)
