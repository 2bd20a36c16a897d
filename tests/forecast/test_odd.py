"""Odd runs are named, and only those."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import bayescale as bs
from bayescale.cli import app
from bayescale.forecast.odd import odd_runs
from bayescale.inference import Settings


@pytest.fixture(scope="module")
def spoiled() -> bs.Posterior:
    """A compute-only table with two runs that went wrong."""
    rng = np.random.default_rng(4)
    flops = np.geomspace(1e15, 1e19, 40)
    loss = (1.7 + 2.0 * (flops / 1e17) ** -0.15) * np.exp(rng.normal(scale=0.004, size=40))
    loss[7] *= 1.08
    loss[30] *= 0.95
    runs = pd.DataFrame({"flops": flops, "loss": loss, "run_id": [f"r{i}" for i in range(40)]})
    return bs.fit(runs, model=bs.Model.of_law("henighan-c"), settings=Settings(2, 300, 300))


def test_names_the_two(spoiled: bs.Posterior) -> None:
    found = odd_runs(spoiled)
    assert set(found["run_id"]) == {"r7", "r30"}
    assert (found["p_odd"] > 0.9).all()
    assert dict(zip(found["run_id"], found["row"], strict=True)) == {"r7": 8, "r30": 31}
    assert found.set_index("run_id")["off"]["r7"] == pytest.approx(0.08, abs=0.01)


def test_of_measured_runs_that_were_not_fitted(spoiled: bs.Posterior) -> None:
    new = pd.DataFrame({"flops": [3e17, 3e17], "loss": [0.0, 0.0], "run_id": ["good", "bad"]})
    expected = spoiled.predict(new.drop(columns="loss"), of="mean")["q0.5"].to_numpy()
    assert list(odd_runs(spoiled, new.assign(loss=expected * [1.002, 1.1]))["run_id"]) == ["bad"]


def test_no_loss_no_odd_runs(spoiled: bs.Posterior) -> None:
    with pytest.raises(ValueError, match="no column 'loss'"):
        odd_runs(spoiled, pd.DataFrame({"flops": [1e17]}))


def test_the_command_names_unseen_runs(spoiled: bs.Posterior, tmp_path: Path) -> None:
    spoiled.save(tmp_path / "fit.nc")
    new = pd.DataFrame({"flops": [3e17, 3e17], "run_id": ["good", "bad"]})
    expected = spoiled.predict(new, of="mean")["q0.5"].to_numpy()
    table = str(tmp_path / "new.csv")
    bs.write_runs(new.assign(loss=expected * [1.002, 1.1]), table)
    done = CliRunner().invoke(app, ["check", str(tmp_path / "fit.nc"), "--holdout", table])
    assert done.exit_code == 0, done.output
    assert "odd: run bad: loss" in done.stdout and "new.csv: 1 of 2 runs odd" in done.stdout
    assert CliRunner().invoke(app, ["check", table, "--holdout", table]).exit_code != 0
