"""Learning curves: the rows of a run are not as good as so many runs, and a run's start says where it ends."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import bayescale as bs
from bayescale.forecast.known_runs import given_runs

BETWEEN, WITHIN = 0.01, 0.002


def expected(params: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    return 1.5 + (3e6 / params) ** 0.35 + (3e8 / tokens) ** 0.35


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    sizes = np.geomspace(1e6, 1e8, 16)
    rows = []
    for run, params in enumerate(sizes):
        effect = BETWEEN * rng.normal()
        for tokens in np.geomspace(1e8, 1e10, 12):
            noise = effect + WITHIN * rng.normal()
            rows.append((f"run-{run}", params, tokens, expected(params, tokens) * np.exp(noise)))
    return pd.DataFrame(rows, columns=["run_id", "params", "tokens", "loss"])


@pytest.fixture(scope="module")
def halves(curves: pd.DataFrame) -> tuple[bs.Posterior, pd.DataFrame]:
    """A fit to whole curves of most runs and the first half of four, and the second halves of those."""
    late = curves["run_id"].isin([f"run-{i}" for i in (2, 6, 10, 14)]) & (curves["tokens"] > 1e9)
    return bs.fit(curves[~late], model="chinchilla", seed=0), curves[late].reset_index(drop=True)


def test_the_noise_is_split_into_run_and_row(halves: tuple[bs.Posterior, pd.DataFrame]) -> None:
    posterior, _ = halves
    assert posterior.health().verdict != "FAIL", str(posterior.health())
    for name, truth in (("sigma_run", BETWEEN), ("sigma", WITHIN)):
        low, high = np.quantile(posterior.draws(name), (0.005, 0.995))
        assert low < truth < high


def test_correlated_rows_count_for_less_than_independent_ones(
    halves: tuple[bs.Posterior, pd.DataFrame],
) -> None:
    posterior, _ = halves
    naive = bs.fit(posterior.runs.drop(columns="run_id"), model="chinchilla", seed=0)
    # The exponent of size is told by how runs differ: 16 runs, not 168.
    assert posterior.draws("alpha").std() > 1.5 * naive.draws("alpha").std()


def test_the_start_of_a_run_says_where_it_ends(halves: tuple[bs.Posterior, pd.DataFrame]) -> None:
    posterior, late = halves
    known = posterior.predict(late, quantiles=(0.05, 0.5, 0.95))
    fresh = posterior.predict(late.drop(columns="run_id"), quantiles=(0.05, 0.5, 0.95))
    assert known["group"].str.contains("run known").all()
    assert not fresh["group"].str.contains("run known").any()

    def width(table: pd.DataFrame) -> float:
        return float((table["q0.95"] - table["q0.05"]).mean())

    def error(table: pd.DataFrame) -> float:
        return float((table["q0.5"] / late["loss"] - 1).abs().mean())

    assert width(known) < 0.5 * width(fresh)
    assert error(known) < 0.5 * error(fresh)
    inside = ((late["loss"] >= known["q0.05"]) & (late["loss"] <= known["q0.95"])).mean()
    assert inside >= 0.75


def test_given_a_run_the_noise_is_the_conditional_t(halves: tuple[bs.Posterior, pd.DataFrame]) -> None:
    posterior, late = halves
    given = given_runs(posterior, late.iloc[:1], 0.0)
    draw = 17
    mine = np.flatnonzero((posterior.runs["run_id"] == late["run_id"].iloc[0]).to_numpy())
    values = {p: posterior.draws(p)[draw, 0] for p in posterior.model.definition.parameter_names}
    inputs = {c: posterior.runs[c].to_numpy()[mine] for c in ("params", "tokens")}
    measured = np.log(posterior.runs["loss"].to_numpy()[mine])
    residual = measured - np.log(np.asarray(posterior.model.definition.loss(values, inputs)))
    sigma, between, nu = (posterior.draws(n)[draw] for n in ("sigma", "sigma_run", "nu"))
    grown = posterior.draws("sigma_decade")[draw] ** np.append(
        posterior.design.decades[mine],
        np.log10(posterior.flops_of(late.iloc[:1]) / posterior.design.typical_flops),
    )
    joint = np.diag((sigma * grown) ** 2) + between**2
    # p(new | rows) = p(new, rows) / p(rows), on a grid of the new one.
    grid = np.linspace(-0.05, 0.05, 9)
    rows = stats.multivariate_t.logpdf(residual, np.zeros(len(mine)), joint[:-1, :-1], nu)
    both = [stats.multivariate_t.logpdf([*residual, x], np.zeros(len(mine) + 1), joint, nu) for x in grid]
    ours = stats.t.logpdf(grid, given.freedom[draw, 0], given.centre[draw, 0], given.scale[draw, 0])
    assert ours == pytest.approx(np.array(both) - rows, abs=1e-6)
