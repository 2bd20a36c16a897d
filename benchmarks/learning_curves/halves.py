"""Many curves pooled: rows taken as independent, against rows that share an effect of their run.

Whole curves of most runs and the first half of a few are fitted; the second halves of those few are forecast. On
simulated curves, where the truth is known, so is the expected loss of a run ten times as large as any.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import bayescale as bs
from benchmarks import kept
from benchmarks.learning_curves import fits
from benchmarks.learning_curves.fits import TRIES
from benchmarks.published.tables import ROOT

LAW = "kaplan-steps"
TRUTH = dict(bs.law(LAW).published[0].values)
"""Kaplan et al. 2020, Table 3."""

BETWEEN, WITHIN = 0.01, 0.003
RUNS, ROWS, STARTED = 16, 12, (2, 6, 10, 14)
TABLES = 12
TARGET = pd.DataFrame({"params": [1e10], "steps": [5e4]})

MEASURED = ROOT / ".bayescale" / "lab" / "results"
BUDGET, TASK, EVERY = 3e9, "python_docs", 4
"""Of the curves of our own trainer: one budget, one corpus; each fourth run by size is only started."""

INDEPENDENT, UNKNOWN, KNOWN = "rows independent", "run effects, run not named", "run effects, run named"


@dataclass(frozen=True)
class Way:
    """One way to forecast the second halves of one table.

    Attributes
    ----------
    inside, width, error : float
        Share of rows inside their 90 % band; its mean width and the median's mean absolute error, both relative.
    target_sd : float
        Relative standard deviation of the expected loss at the target, and whether its 90 % band holds the truth.
    """

    inside: float
    width: float
    error: float
    target_sd: float
    target_covered: bool


@dataclass(frozen=True)
class Halves:
    """One table; `ways` is empty where a fit did not pass the gate."""

    verdicts: dict[str, str]
    rows: int
    runs: int
    ways: dict[str, Way]
    sigma_run: float
    cpu_s: float


def expected(params: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Kaplan's L(N, S_min), eq. 1.6, at the published values."""
    return np.asarray(bs.law(LAW).loss(TRUTH, {"params": params, "steps": steps}))


def simulated(seed: int) -> pd.DataFrame:
    """Learning curves of sixteen sizes: each run off by its own 1 % in all its rows, each row by 0.3 % more."""
    rng = np.random.default_rng(seed)
    params, steps = np.repeat(np.geomspace(1e6, 1e9, RUNS), ROWS), np.tile(np.geomspace(5e2, 5e4, ROWS), RUNS)
    noise = np.repeat(BETWEEN * rng.normal(size=RUNS), ROWS) + WITHIN * rng.normal(size=RUNS * ROWS)
    run = np.repeat([f"run-{i}" for i in range(RUNS)], ROWS)
    return pd.DataFrame(
        {"run_id": run, "params": params, "steps": steps, "loss": expected(params, steps) * np.exp(noise)}
    )


def measured(folder: Path = MEASURED) -> pd.DataFrame | None:
    """Training losses of our own runs, averaged over even steps of log steps; None where there are none."""
    tables = []
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        budget = round(np.log10(run["flops"] / BUDGET), 1) == 0
        if run["task"] == TASK and budget and run["status"] == "finished" and run.get("seed", 0) == 0:
            tables.append(binned(run))
    return pd.concat(tables, ignore_index=True) if len(tables) >= 2 * EVERY else None


def binned(run: dict, rows: int = ROWS) -> pd.DataFrame:
    """One run's curve from a thirtieth of its length on, its losses averaged over even steps of log steps."""
    at, loss = np.array(run["curve"], dtype=float).T
    steps = at / run["batch_tokens"]
    edges = np.geomspace(steps[-1] / 30, steps[-1] * (1 + 1e-9), rows + 1)
    curve = pd.DataFrame({"steps": steps, "loss": loss, "bin": np.digitize(steps, edges)})
    curve = curve[(curve["bin"] > 0) & (curve["bin"] <= rows)]
    means = curve.groupby("bin").agg(
        steps=("steps", lambda s: np.exp(np.log(s).mean())), loss=("loss", "mean")
    )
    return means.assign(
        run_id=run["run_id"], architecture=run["architecture"], params=float(run["params"])
    ).reset_index(drop=True)


def second_halves(table: pd.DataFrame, runs: Sequence[str]) -> np.ndarray:
    """Which rows are the second half, in rows, of the named runs."""
    place = table.groupby("run_id", sort=False)["steps"].rank(method="first", pct=True)
    return (table["run_id"].isin(runs) & (place > 0.5)).to_numpy()


def started(table: pd.DataFrame, every: int = EVERY) -> list[str]:
    """Each so manyth run by size."""
    by_size = table.groupby("run_id")["params"].first().reset_index().sort_values(["params", "run_id"])
    return by_size["run_id"].iloc[every // 2 :: every].tolist()


def halves(
    table: pd.DataFrame,
    late: np.ndarray,
    target: pd.DataFrame | None = None,
    seed: int = 0,
    tries: Sequence[bs.Settings] = TRIES,
    keep: bool = True,
) -> Halves:
    """Fit both ways and forecast what is late; read back where that has been done before.

    Parameters
    ----------
    table : DataFrame
        ``run_id``, ``params``, ``steps``, ``loss`` and grouping columns.
    late : ndarray of bool, shape (rows,)
        Rows to forecast.
    target : DataFrame, optional
        One point whose true expected loss is Kaplan's at the published values.
    """
    said = (table.to_csv(), late.tobytes().hex(), str(target), str(tries), str(seed), bs.__version__)
    path = fits.CACHE / f"halves-{hashlib.sha256('|'.join(said).encode()).hexdigest()[:16]}.json"
    if keep and path.is_file():
        stored = json.loads(path.read_text())
        return Halves(**stored | {"ways": {name: Way(**way) for name, way in stored["ways"].items()}})
    found = _halves(table, late, target, seed, tries)
    if keep:
        kept.write(path, found)
    return found


def _halves(
    table: pd.DataFrame,
    late: np.ndarray,
    target: pd.DataFrame | None,
    seed: int,
    tries: Sequence[bs.Settings],
) -> Halves:
    began = time.process_time()
    seen, unseen = table[~late].reset_index(drop=True), table[late].reset_index(drop=True)
    model = bs.Model.of_law(LAW)
    apart = _passing(seen.drop(columns="run_id"), model, seed, tries)
    together = _passing(seen, model, seed, tries)
    verdicts = {INDEPENDENT: apart.health().verdict, KNOWN: together.health().verdict}
    ways = {}
    if set(verdicts.values()) == {"PASS"}:
        nameless = unseen.drop(columns="run_id")
        ways = {
            INDEPENDENT: _way(apart, nameless, target),
            UNKNOWN: _way(together, nameless, target),
            KNOWN: _way(together, unseen, target),
        }
    return Halves(
        verdicts=verdicts,
        rows=len(seen),
        runs=seen["run_id"].nunique(),
        ways=ways,
        sigma_run=float(np.median(together.draws("sigma_run"))),
        cpu_s=time.process_time() - began,
    )


def _passing(runs: pd.DataFrame, model: bs.Model, seed: int, tries: Sequence[bs.Settings]) -> bs.Posterior:
    """The first of the tries that passes the gate, or the last."""
    for settings in tries:
        posterior = bs.fit(runs, model, seed, settings, progress=lambda *_: None)
        if posterior.health().verdict == "PASS":
            break
    return posterior


def _way(posterior: bs.Posterior, points: pd.DataFrame, target: pd.DataFrame | None) -> Way:
    band = posterior.predict(points, quantiles=(0.05, 0.5, 0.95))
    low, median, high = (band[f"q{p}"] for p in (0.05, 0.5, 0.95))
    sd, covered = float("nan"), False
    if target is not None:
        there = posterior.predict(target, of="mean", quantiles=(0.05, 0.95)).iloc[0]
        truth = expected(target["params"].to_numpy(), target["steps"].to_numpy())[0]
        sd, covered = there["loss_sd"] / truth, bool(there["q0.05"] <= truth <= there["q0.95"])
    return Way(
        inside=float(((low <= points["loss"]) & (points["loss"] <= high)).mean()),
        width=float(((high - low) / median).mean()),
        error=float((median / points["loss"] - 1).abs().mean()),
        target_sd=float(sd),
        target_covered=covered,
    )
