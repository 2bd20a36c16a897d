"""Weights by forecasts, mixtures of forecasts, and fits beside each other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

import bayescale as bs
from bayescale.forecast.beside import AVERAGE, BesideError, beside
from bayescale.forecast.scores import GRID
from bayescale.forecast.stacking import (
    STACKED,
    mixture_quantiles,
    stacked,
    stacking_weights,
    weights_of,
)
from bayescale.forecast.weighted import weighted_quantiles

NAMES = [f"q{p:g}" for p in GRID]
POINTS = pd.DataFrame(
    {"params": [1e6, 3e6], "tokens": [2e7, 6e7], "architecture": "llama", "task": "code"}, index=[5, 9]
)


def forecasts(centres: dict[str, float], losses: np.ndarray, fold: str, sd: float = 0.02) -> pd.DataFrame:
    """Each method's normal forecast of every loss."""
    pieces = []
    for name, centre in centres.items():
        table = pd.DataFrame(np.tile(centre + sd * norm.ppf(GRID), (len(losses), 1)), columns=NAMES)
        pieces.append(table.assign(method=name, kind="model", fold=fold, loss=losses))
    return pd.concat(pieces, ignore_index=True)


def test_the_weights_are_the_best_mixtures() -> None:
    rng = np.random.default_rng(0)
    log_densities = rng.normal([0.5, 0.0, -1.0], size=(40, 3))

    def lost(x: np.ndarray) -> float:
        w = np.exp(x) / np.exp(x).sum()
        return float(-np.log(np.exp(log_densities) @ w).sum() - 4 / 3 * np.log(w).sum())

    best = np.exp(
        minimize(lost, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x
    )
    assert stacking_weights(log_densities) == pytest.approx(best / best.sum(), abs=1e-4)


def test_weights_of_what_tells_nothing_are_equal() -> None:
    assert stacking_weights(np.zeros((0, 2))) == pytest.approx([0.5, 0.5])
    assert stacking_weights(np.ones((9, 4))) == pytest.approx(np.full(4, 0.25))


def test_the_law_that_forecasts_gets_the_weight() -> None:
    losses = np.random.default_rng(1).normal(2.0, 0.02, 60)
    weights = weights_of(forecasts({"right": 2.0, "wrong": 2.1}, losses, "a"), ["right", "wrong"])
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["right"] > 0.9


def test_a_fold_is_forecast_by_the_weights_of_those_before_it() -> None:
    losses = np.full(40, 2.0)
    table = pd.concat([forecasts({"right": 2.0, "wrong": 2.3}, losses, fold) for fold in ("a", "b")])
    mixture = stacked(table, ["right", "wrong"], ["a", "b"])
    assert set(mixture["method"]) == {STACKED}
    medians = mixture.groupby("fold")["q0.5"].first()
    # Nothing is known before the first: half of its mass lies at either.
    assert 2.05 < medians["a"] < 2.25
    assert medians["b"] == pytest.approx(2.0, abs=0.01)


def test_quantiles_of_a_mixture() -> None:
    parts = [(2.0, 0.02), (2.1, 0.05)]
    quantiles = [np.array([m + s * norm.ppf(GRID)]) for m, s in parts]
    found = mixture_quantiles(quantiles, {"a": 0.3, "b": 0.7})[0]
    # To a hundredth, and the last one falls within what lies beyond the parts' own.
    level = sum(w * norm.cdf(found, m, s) for w, (m, s) in zip((0.3, 0.7), parts, strict=True))
    assert level[2:-2] == pytest.approx(GRID[2:-2], abs=0.012)


def test_weighted_quantiles_of_equal_weights_are_quantiles() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    levels = [0.05, 0.5, 0.9]
    assert weighted_quantiles(values, np.ones(4000), levels) == pytest.approx(
        np.quantile(values, levels, method="hazen")
    )


def test_a_fit_beside_itself_is_itself(posterior: bs.Posterior) -> None:
    found = beside({"one": posterior, "same": posterior}, POINTS, {"one": 3.0, "same": 1.0})
    assert found["fit"].tolist() == ["one", "one", "same", "same", AVERAGE, AVERAGE]
    assert found["weight"].tolist() == [0.75, 0.75, 0.25, 0.25, 1.0, 1.0]
    assert found["point"].tolist() == [0, 1] * 3
    quantiles = found[["q0.05", "q0.5", "q0.95"]].to_numpy()
    assert quantiles[4:] == pytest.approx(quantiles[:2], rel=1e-3)
    assert quantiles[:2] == pytest.approx(posterior.predict(POINTS)[["q0.05", "q0.5", "q0.95"]].to_numpy())


def test_an_average_lies_between_its_parts(posterior: bs.Posterior, runs: pd.DataFrame) -> None:
    other = bs.fit(runs, "guo", progress=lambda *_: None)
    alone = beside({"chinchilla": posterior, "guo": other}, POINTS)
    assert alone["weight"].isna().all() and AVERAGE not in set(alone["fit"])
    found = posterior.beside({"guo": other}, POINTS, {"chinchilla": 0.5, "guo": 0.5})
    medians = found.pivot_table(index="point", columns="fit", values="q0.5")
    low, high = medians[["chinchilla", "guo"]].min(axis=1), medians[["chinchilla", "guo"]].max(axis=1)
    assert ((low <= medians[AVERAGE]) & (medians[AVERAGE] <= high)).all()
    expected = posterior.beside({"guo": other}, POINTS, {"chinchilla": 0.5, "guo": 0.5}, of="mean")
    means = expected.pivot_table(index="point", columns="fit", values="loss_mean")
    assert means[AVERAGE].to_numpy() == pytest.approx(means[["chinchilla", "guo"]].mean(axis=1).to_numpy())


def test_refusals(posterior: bs.Posterior) -> None:
    fits = {"a": posterior, "b": posterior}
    for weights, match in [
        ({"a": 1.0}, "give every fit that has a weight"),
        ({"a": 1.0, "b": 0.0, "c": 1.0}, "and no other"),
        ({"a": 0.0, "b": 0.0}, "not all of them"),
        ({"a": -1.0, "b": 2.0}, "at least zero"),
    ]:
        with pytest.raises(BesideError, match=match):
            beside(fits, POINTS, weights)


def test_the_commands(posterior: bs.Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "with.nc")
    posterior.save(tmp_path / "without.nc")
    POINTS.to_csv(tmp_path / "points.csv", index=False)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bayescale.cli", *arguments], cwd=tmp_path, capture_output=True, text=True
        )

    name = "chinchilla (without)"
    (tmp_path / "weights.json").write_text(json.dumps({"weights": {"chinchilla": 0.5, name: 0.5}}))
    options = ["--beside", "without.nc", "--weights", "weights.json"]
    done = command("predict", "with.nc", "points.csv", *options, "--json")
    assert done.returncode == 0, done.stderr
    assert [row["fit"] for row in json.loads(done.stdout)["predictions"]] == ["chinchilla"] * 2 + [
        name
    ] * 2 + [AVERAGE] * 2
    done = command("report", "with.nc", *options)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "What other fits say" in page and name in page and AVERAGE in page
    (tmp_path / "weights.json").write_text("[]")
    done = command("predict", "with.nc", "points.csv", *options)
    assert done.returncode != 0 and "weights.json: no weights there" in done.stderr
