"""Folds, the record they give, refusals, and the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast.backtest import Backtest, BacktestError
from bayescale.forecast.backtest_folds import make_folds
from bayescale.forecast.baselines import BASELINES, USUAL
from bayescale.forecast.stacking import STACKED
from tests.simulate import simulate

QUICK = bs.Settings(chains=2, warmup=200, draws=150)
MODEL = """
name = "line"
law = "guo"
[pooling]
beta = "1 + (1|task)"
"""


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return simulate(np.geomspace(3e10, 3e12, 5), 3, seed=1)


@pytest.fixture(scope="module")
def found(table: pd.DataFrame) -> Backtest:
    line = bs.Model(name="line", law="guo", pooling={"beta": "1 + (1|task)"})
    return bs.backtest(table, [line], rolling=1, settings=QUICK, progress=lambda *_: None)


def test_rolling_budgets(table: pd.DataFrame) -> None:
    folds = make_folds(table, rolling=3)
    budgets = np.sort(table["flops"].unique())
    assert [fold.held["flops"].unique().tolist() for fold in folds] == [[b] for b in budgets[2:]]
    assert [fold.fitted["flops"].max() for fold in folds] == budgets[1:4].tolist()
    assert folds[0].beyond("flops") == pytest.approx(np.log10(budgets[2] / budgets[1]))
    with pytest.raises(BacktestError, match=r"has 5 budgets.*at most 4"):
        make_folds(table, rolling=5)


def test_rolling_over_a_table_without_budgets() -> None:
    flops = np.geomspace(1e15, 1e19, 41)
    table = pd.DataFrame({"flops": flops, "loss": 3.0})
    folds = make_folds(table, rolling=2)
    assert [len(fold.fitted) for fold in folds] == [21, 31]
    assert [len(fold.held) for fold in folds] == [10, 10]


def test_above_and_split(table: pd.DataFrame) -> None:
    fold = make_folds(table, above=1e12)[0]
    assert fold.fitted["flops"].max() <= 1e12 < fold.held["flops"].min()
    said = table.assign(part=["fit", "holdout", "neither"] * 20)
    fold = make_folds(said, split="part")[0]
    assert (len(fold.fitted), len(fold.held)) == (20, 20)


def test_refusals(table: pd.DataFrame) -> None:
    for match, runs, options in [
        ("no column 'split'", table, {}),
        ("one of the two", table, {"above": 1e12, "rolling": 2}),
        ("no run is held out", table, {"above": 1e20}),
        ("no run is left to fit", table, {"above": 1.0}),
        ("no run is held out", table.assign(split="fit"), {}),
        ("at least one budget", table, {"rolling": 0}),
        ("no column 'loss'", table.drop(columns="loss"), {"rolling": 1}),
        (
            r"have no loss \(first: row 4\)",
            table.assign(loss=table["loss"].where(table.index != 3)),
            {"rolling": 1},
        ),
        ("too few for guo", table.iloc[[0, 14]], {"above": 1e12}),
    ]:
        with pytest.raises(BacktestError, match=match):
            bs.backtest(runs, ["guo"], settings=QUICK, **options)
    with pytest.raises(BacktestError, match="different models"):
        bs.backtest(table, ["guo", "guo"], rolling=1)


def test_models_are_stacked(table: pd.DataFrame) -> None:
    # Short of what the gate asks for, so not of the command: what is made of forecasts is what counts here.
    settings = bs.Settings(chains=2, warmup=300, draws=500)
    found = bs.backtest(
        table, ["guo", "kaplan-c"], rolling=2, settings=settings, progress=lambda *_: None, baselines=False
    )
    assert found.passed, found.fits
    assert list(found.weights) == ["guo", "kaplan-c"]
    assert sum(found.weights.values()) == pytest.approx(1)
    assert found.scores.loc[found.scores["group"] == "all", "method"].tolist() == ["guo", "kaplan-c", STACKED]
    better = max(found.weights, key=found.weights.__getitem__)
    assert found.score(better)["log_score"] == max(found.score(m)["log_score"] for m in found.weights)
    assert "stacking weights by these forecasts: guo" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["weights"] == found.weights


def test_the_record(found: Backtest, table: pd.DataFrame) -> None:
    held = table[table["flops"] == table["flops"].max()]
    assert found.folds.to_dict("records")[0] == {
        "fold": "3e+12 FLOPs",
        "fitted": 48,
        "held_out": 12,
        "flops_beyond": pytest.approx(0.5),
        "params_beyond": pytest.approx(0.25),
    }
    whole = found.scores[found.scores["group"] == "all"]
    assert whole["method"].tolist() == ["line", *BASELINES]
    assert (whole["n"] == 12).all()
    groups = found.scores[found.scores["method"] == USUAL]
    assert set(groups["group"]) == {"all", "code", "docs"}
    assert groups["skill"].tolist() == [0, 0, 0]
    line = found.forecasts[found.forecasts["method"] == "line"]
    assert line["loss"].tolist() == held["loss"].tolist()
    off = (line["q0.5"].to_numpy() / held["loss"].to_numpy()) - 1
    assert found.score("line")["error"] == pytest.approx(np.abs(off).mean())
    skill = 1 - found.score("line")["crps"] / found.score(USUAL)["crps"]
    assert found.score("line")["skill"] == pytest.approx(skill)
    with pytest.raises(KeyError, match="no score of 'other'"):
        found.score("other")
    assert set(found.odd["model"]) <= {"line"}


def test_a_held_out_run_that_went_wrong_is_named(table: pd.DataFrame) -> None:
    last = table.index[table["flops"] == table["flops"].max()][0]
    spoiled = table.assign(
        run_id=[f"r{i}" for i in table.index],
        loss=table["loss"].where(table.index != last, 1.5 * table["loss"]),
    )
    line = bs.Model(name="line", law="guo", pooling={"beta": "1 + (1|task)"})
    odd = bs.backtest(spoiled, [line], rolling=1, settings=QUICK, progress=lambda *_: None, baselines=False)
    assert f"r{last}" in set(odd.odd["run_id"]) and len(odd.odd) < 4
    assert f"line, 3e+12 FLOPs: run r{last}: loss" in str(odd)


def test_a_failed_fit_is_marked(found: Backtest) -> None:
    # So few draws cannot pass the gate.
    assert found.fits["health"].tolist() == ["FAIL"]
    assert not found.passed
    assert found.score("line")["health"] == "FAIL"
    assert any(note.startswith("line, 3e+12 FLOPs: the fit FAILED") for note in found.notes)
    text = str(found)
    assert "FAIL" in text and "CRPS by group" in text and "up to 0.50 decades of compute" in text


def test_the_figure(found: Backtest, tmp_path: Path) -> None:
    from bayescale.report.figures.backtest import draw

    draw(found, tmp_path / "backtest.png")
    assert (tmp_path / "backtest.png").read_bytes().startswith(b"\x89PNG")


def test_baselines_alone(table: pd.DataFrame) -> None:
    found = bs.backtest(table, [], rolling=2)
    assert len(found.folds) == 2 and found.fits.empty and found.passed
    assert found.score(USUAL)["n"] == 24
    assert found.score(USUAL)["error"] < 0.02
    assert json.dumps(found.to_dict()["folds"])


def test_the_command(table: pd.DataFrame, tmp_path: Path) -> None:
    table.to_csv(tmp_path / "runs.csv", index=False)
    (tmp_path / "line.toml").write_text(MODEL)

    def run(*arguments: str, status: int) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "bayescale.cli",
                "backtest",
                "runs.csv",
                "--model",
                "line.toml",
                *arguments,
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    quick = ("--chains", "2", "--warmup", "200", "--draws", "100", "--where", 'architecture == "gpt"')
    done = run("--above", "2e12", *quick, "--out", "out.json", status=1)
    assert "health FAIL" in done.stderr and "wrote out.json" in done.stderr
    assert USUAL in done.stdout
    written = json.loads((tmp_path / "out.json").read_text())
    assert {row["method"] for row in written["scores"]} == {"line", *BASELINES}
    assert len(written["forecasts"]) == 6 * 5
    assert "runs.csv: there is no column 'split'" in run(status=2).stderr
