"""A fit whose noise differs by group: what it recovers, and how wide its bands are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast import expected_loss, loss_draws
from bayescale.forecast.noise import noise_scale
from bayescale.forecast.odd import odd_runs
from bayescale.inference import Settings
from tests.simulate import TRUTH, expected

SIGMA = {"code": 0.001, "docs": 0.004, "web": 0.016}

MODEL = bs.Model(name="noisy", law="chinchilla", pooling={"E": "1 + (1|task)", "sigma": "1 + (1|task)"})


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    rows = []
    for task, sigma in SIGMA.items():
        for flops in np.geomspace(3e10, 3e12, 5):
            for params in np.geomspace(0.3, 3, 6) * np.sqrt(flops / 180):
                tokens = flops / 6 / params
                loss = expected(params, tokens, TRUTH["gpt", "code"]) * np.exp(sigma * rng.standard_t(8))
                rows.append((task, params, tokens, flops, loss))
    return pd.DataFrame(rows, columns=["task", "params", "tokens", "flops", "loss"])


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> bs.Posterior:
    return bs.fit(table, model=MODEL, seed=0, settings=Settings(folds=False, draws=500))


def point(**labels: object) -> pd.DataFrame:
    return pd.DataFrame([{"params": 2e5, "tokens": 1e6, **labels}])


def test_every_groups_noise_is_recovered(fitted: bs.Posterior) -> None:
    assert fitted.health().verdict == "PASS"
    own = fitted.draws("sigma")[:, None] * np.exp(fitted.draws("sigma|task"))
    low, high = np.quantile(own, (0.005, 0.995), axis=0)
    truth = np.array([SIGMA[task] for task in ("code", "docs", "web")])
    assert (low < truth).all() and (truth < high).all()
    assert np.median(own, axis=0) == pytest.approx(truth, rel=0.4)


def test_a_new_run_scatters_as_its_group_does(fitted: bs.Posterior) -> None:
    scale = [np.median(noise_scale(fitted, point(task=task), 0.0)) for task in SIGMA]
    assert scale == pytest.approx(list(SIGMA.values()), rel=0.5)
    new = noise_scale(fitted, point(task="latin"), 0.0)[:, 0]
    # The population's: around the middle one, as widely as groups differ.
    assert np.std(np.log(new)) > 0.7
    assert fitted.predict(point(task="latin"), new_groups=True)["group"].item() == "new: task=latin"
    again = noise_scale(fitted, pd.concat([point(task="latin"), point(task="latin")]), 0.0)
    assert np.array_equal(again[:, 0], new) and np.array_equal(again[:, 1], new)


def test_without_a_label_noise_and_loss_are_of_one_group(fitted: bs.Posterior) -> None:
    mixed = noise_scale(fitted, point(), 0.0)[:, 0]
    loss, said = expected_loss(fitted, point())
    assert said == ["mixture over task"]
    for task in SIGMA:
        own = expected_loss(fitted, point(task=task))[0][:, 0]
        mine = np.isclose(loss[:, 0], own, rtol=1e-12)
        assert mine.mean() == pytest.approx(1 / 3, abs=0.05)
        assert np.allclose(mixed[mine], noise_scale(fitted, point(task=task), 0.0)[mine, 0])


def test_replicated_losses_scatter_by_group(fitted: bs.Posterior, table: pd.DataFrame) -> None:
    replicated = fitted.tree["posterior_predictive"]["loss"].to_numpy().reshape(-1, len(table))
    shown = np.median(np.abs(np.log(replicated / np.median(replicated, axis=0))), axis=0)
    by_task = pd.Series(shown).groupby(table["task"]).mean()
    assert by_task["docs"] / by_task["code"] > 2 and by_task["web"] / by_task["docs"] > 2


def test_saved_and_loaded_it_predicts_the_same(fitted: bs.Posterior, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    again = bs.load(tmp_path / "fit.nc")
    for points in (point(task="web"), point(task="latin"), point()):
        assert np.array_equal(loss_draws(again, points, "run")[0], loss_draws(fitted, points, "run")[0])


def test_odd_runs_and_the_report_know_it(fitted: bs.Posterior, table: pd.DataFrame, tmp_path: Path) -> None:
    # Four per cent off is much for code, and not for web.
    off = table.groupby("task").head(1).assign(loss=lambda t: 1.04 * t["loss"])
    assert list(odd_runs(fitted, off)["task"]) == ["code", "docs"]
    fitted.report(tmp_path / "report.html")
    assert "sigma|task_sd" in (tmp_path / "report.html").read_text()
