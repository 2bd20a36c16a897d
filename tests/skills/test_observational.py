"""Observational laws: the factor model's truth comes back, and bad tables are named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bayescale.errors import UserError
from bayescale.skills.observational import (
    ObservationalFit,
    fit_observational,
    forecast_scores,
    held_out_scores,
    scores_of_runs,
)
from bayescale.skills.observational.table import check_scores
from bayescale.skills.table import with_runs
from tests.skills.conftest import SHORT
from tests.skills.simulate import scores_table


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return scores_table()[0]


@pytest.fixture(scope="module")
def fit(table: pd.DataFrame) -> ObservationalFit:
    cheaper = table[table["flops"] < 2e24]
    return fit_observational(
        check_scores(cheaper, post=["tuned"], chance=0.25), settings=SHORT, anchors=["b0"]
    )


def test_the_truth_comes_back(fit: ObservationalFit) -> None:
    _, truth = scores_table()
    assert fit.health().verdict != "FAIL", str(fit.health())
    for name, value in (("loading", truth["loading"][1:]), ("efficiency", truth["efficiency"])):
        draws = fit.sampled.flat(name)[..., 0]
        draws = draws[:, 1:] if name == "loading" else draws
        low, high = np.quantile(draws, (0.002, 0.998), axis=0)
        assert ((low < value) & (value < high)).all(), name
    low, high = np.quantile(fit.sampled.flat("post")[:, 0, 0], (0.002, 0.998))
    assert low < truth["tuned"] < high
    assert (fit.sampled.flat("loading")[:, 0, 0] == 1).all()


def test_dearer_models_are_forecast(fit: ObservationalFit, table: pd.DataFrame) -> None:
    held = check_scores(table, post=["tuned"], chance=0.25)
    record = held_out_scores(fit, held.keeping((held.models["flops"] >= 2e24).to_numpy()))
    assert len(record.rows) > 12
    assert record.inside(0.9) > 0.7
    assert record.error < 0.08


def test_new_families_are_less_certain(fit: ObservationalFit) -> None:
    models = pd.DataFrame({"model": ["k", "n"], "family": ["f0", "unheard-of"], "flops": 1e24, "tuned": 0})
    out = forecast_scores(fit, models)
    width = (out["q0.95"] - out["q0.05"]).to_numpy().reshape(2, 4)
    assert (width[1] > width[0]).all()
    assert set(out["group"]) == {"known", "new family"}


def test_our_own_runs_make_a_table(skills: pd.DataFrame, measured: pd.DataFrame) -> None:
    rows = with_runs(skills, measured)
    wide = scores_of_runs(rows)
    scores = check_scores(wide)
    assert (scores.chance == 0.25).all()
    assert scores.benchmarks == ("s0", "s1", "s2")
    one = rows[(rows["run_id"] == "r3") & (rows["skill"] == "s1")].iloc[0]
    place = scores.models["model"].tolist().index("r3")
    assert scores.scores[place, 1] == pytest.approx(one["correct"] / one["items"])
    assert (scores.items == 300).all()


def refused(frame: pd.DataFrame, **options: object) -> str:
    with pytest.raises(UserError) as raised:
        check_scores(frame, **options)  # type: ignore[arg-type]
    return str(raised.value)


def test_bad_tables_are_named(table: pd.DataFrame) -> None:
    assert "column family" in refused(table.drop(columns="family"))
    text = refused(table.assign(b0=table["b0"] * 100))
    assert "column b0" in text and "divide percentages by 100" in text
    assert "compute of the models" in refused(table.drop(columns="flops"))
    assert "row 1, column tuned" in refused(table.assign(tuned=2), post=["tuned"])
    assert "no benchmark 'b9'" in refused(table, benchmarks=["b9"])


def test_a_benchmark_of_one_family_is_named(table: pd.DataFrame) -> None:
    text = refused(table.assign(b1=table["b1"].where(table["family"] == "f0")))
    assert "'b1' has scores of one family only, 'f0'" in text and "--benchmarks" in text


def test_capabilities_need_benchmarks(table: pd.DataFrame) -> None:
    scores = check_scores(table, benchmarks=["b0", "b1"], chance=0.25)
    with pytest.raises(UserError, match="cannot be told apart"):
        fit_observational(scores, factors=2)
    with pytest.raises(UserError, match="one anchor a capability"):
        fit_observational(scores, anchors=["b7"])
