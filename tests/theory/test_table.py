"""Runs tables of a world whose truth is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.runs import read_runs, write_runs
from bayescale.theory import Problem, TheoryError, curve, runs_table

SIZES, FLOPS = [20, 40, 80], [2e3, 6e3, 2e4]


def test_without_noise_it_is_the_expected_risk() -> None:
    table = runs_table(0.7, 0.6, SIZES, FLOPS, held_out=1)
    assert (table["flops"] == table["params"] * table["tokens"]).all()
    assert set(table.loc[table["split"] == "holdout", "flops"].round(-3)) == {2e4}
    row = table.iloc[4]
    exact = curve(Problem(0.7, 0.6, row["params"], 5 * row["params"], row["learning_rate"]), [row["steps"]])
    assert row["loss"] == pytest.approx(exact[0], rel=1e-9)
    assert (table["steps"] >= 17).all() and len(table) == 9
    assert runs_table(0.7, 0.6, SIZES, FLOPS, scale=10)["loss"].to_numpy() == pytest.approx(
        10 * table["loss"]
    )


def test_with_noise_it_is_sgd_about_that() -> None:
    exact = runs_table(0.7, 0.6, SIZES, [6e3])
    noisy = runs_table(0.7, 0.6, SIZES, [6e3], seeds=12, average=4, seed=1)
    assert len(noisy) == 36 and (noisy["loss_se"] > 0).all()
    mean = noisy.groupby("params")["loss"].mean()
    error = noisy.groupby("params")["loss"].std() / np.sqrt(12)
    # Random features of twenty are not yet their equivalent: 5 % beside the noise.
    assert (np.abs(mean.to_numpy() - exact["loss"].to_numpy()) < 4 * error + 0.05 * mean.to_numpy()).all()
    again = runs_table(0.7, 0.6, SIZES, [6e3], seeds=12, average=4, seed=1)
    pd.testing.assert_frame_equal(noisy, again)


def test_it_is_a_runs_table(tmp_path) -> None:
    path = tmp_path / "runs.parquet"
    write_runs(runs_table(0.7, 0.6, SIZES, FLOPS, batch=2), path)
    read = read_runs(path)
    # The check wonders at models of eighty parameters, and at nothing else.
    assert all("are params in millions" in warning for warning in read.attrs["warnings"])
    assert read.attrs["conventions"]["flops"] == "r d B"
    assert read.attrs["theory"]["alpha"] == 0.7
    assert set(bs.law("plrf").inputs) <= set(read)


def test_what_cannot_be_run_is_refused() -> None:
    with pytest.raises(TheoryError, match="larger budgets or smaller sizes"):
        runs_table(0.7, 0.6, [1000], [1e3])
    with pytest.raises(TheoryError, match="nothing to fit"):
        runs_table(0.7, 0.6, SIZES, FLOPS, held_out=3)
    with pytest.raises(TheoryError, match="smaller budgets"):
        runs_table(0.7, 0.6, [100], [1e11], seeds=1)
