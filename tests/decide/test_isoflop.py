"""The law-free check: exact where it can be, silent where the law holds, loud where it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

import bayescale as bs
from bayescale.decide import NoIsoFlopError, isoflop_check
from bayescale.decide.allocation import optimum
from bayescale.decide.isoflop import _apart, _Curve, _Regression

SHORT = bs.Settings(chains=2, warmup=300, draws=300)
UNEVEN = {"E": 1.2, "A": 12.0, "alpha": 0.25, "B": 250.0, "beta": 0.42}


def silent(*_: int) -> None:
    """No progress bar."""


def coupled() -> dict[str, float]:
    """Videau's law with a strong, lopsided coupling, and 20 tokens per param at 1e14 FLOPs."""
    alpha, beta, k = 1.2, 0.6, 0.3
    params = np.sqrt(1e14 / 120)
    ratio = alpha * params**-alpha / (beta * (20 * params) ** -beta)
    inside = params**-alpha + ratio * (20 * params) ** -beta
    return {"E": 1.0, "A": 2 * inside**-k, "alpha": alpha, "beta": beta, "R": ratio, "k": k}


def curves(law: str, truth: dict[str, float], seed: int, noise: float) -> pd.DataFrame:
    """Five budgets with nine sizes each, from a sixth to six times about the optimum."""
    rng, rows = np.random.default_rng(seed), []
    for flops in np.geomspace(3e12, 3e15, 5):
        best = float(np.asarray(optimum(bs.law(law), truth, flops)[0]))
        for params in best * np.geomspace(1 / 6, 6, 9) * np.exp(rng.normal(0, 0.3)):
            inputs = {"params": params, "tokens": flops / 6 / params}
            loss = float(bs.law(law).loss(truth, inputs)) * np.exp(noise * rng.standard_t(5))
            rows.append({**inputs, "flops": flops, "loss": loss})
    return pd.DataFrame(rows)


def fit(law: str, truth: dict[str, float], seed: int, noise: float) -> bs.Posterior:
    return bs.fit(curves(law, truth, seed, noise), "chinchilla", seed, SHORT, silent)


def test_agrees_with_the_law_that_made_the_runs(posterior: bs.Posterior) -> None:
    check = posterior.isoflop_check()
    assert not check.disagrees
    assert "agrees" in check.sentence
    assert len(check.used) == len(check.table) == 20  # 5 budgets in 4 cells
    assert np.abs(np.median(check.shift)) < 0.1
    # Each curve's ratio is inside its own band about as often as a band says: 19 of 20, and never fewer than 15.
    inside = (check.used["ratio_q0.025"] < 1) & (check.used["ratio_q0.975"] > 1)
    assert inside.sum() >= 15


def test_the_laws_side_is_its_allocation(posterior: bs.Posterior) -> None:
    table = posterior.isoflop_check().table
    first = table[table["cell"] == 0]
    allocated = posterior.allocate(first["flops"].tolist()).table.head(len(first))
    np.testing.assert_allclose(first["law_params"], allocated["params"], rtol=1e-6)
    np.testing.assert_allclose(first["law_params_q0.95"], allocated["params_q0.95"], rtol=1e-6)


def test_regression_is_a_parabola_a_curve_where_the_curvature_is_one() -> None:
    x = np.log(np.array([1e6, 2e6, 4e6, 9e6, 2e7]))
    runs = pd.DataFrame({"params": np.exp(np.concatenate([x, x + 0.7]))})
    log_loss = np.concatenate([0.02 * (x - 15.0) ** 2 + 1.0, 0.02 * (x + 0.7 - 15.4) ** 2 + 0.9])
    halves = (np.arange(5), np.arange(5, 10))
    found = [_Curve(rows, flops, 1.0, float(np.log(runs["params"][rows]).mean()))
             for rows, flops in zip(halves, (1e15, 1e16), strict=True)]  # fmt: skip
    for degree in (2, 3):
        fitted = _Regression(runs, found, np.zeros(10, int), degree, np.ones(10))
        place, bend = fitted.vertices(fitted.least_squares(log_loss[None]))
        np.testing.assert_allclose(place[0], [15.0, 15.4], atol=1e-6)
        np.testing.assert_allclose(bend[0], 0.02, rtol=1e-6)


def test_one_curve_is_polyfit_and_its_bands_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = np.linspace(13, 17, 12)
    y = 0.03 * (x - 15.2) ** 2 + 0.01 * rng.normal(size=12)
    runs = pd.DataFrame({"params": np.exp(x)})
    fitted = _Regression(runs, [_Curve(np.arange(12), 1e15, 1.0, 15.0)], np.zeros(12, int), 2, np.ones(12))
    coefficients, covariance = np.polyfit(x - 15, y, 2, cov=True)
    draws = fitted.posterior(y, np.zeros(12), 40_000, rng)
    np.testing.assert_allclose(fitted.least_squares(y[None])[0], coefficients[::-1], rtol=1e-9)
    np.testing.assert_allclose(draws.mean(axis=0), coefficients[::-1], atol=2e-4)
    # Draws are Student-t of 9 degrees of freedom: their variance is 9/7 of the covariance of least squares.
    np.testing.assert_allclose(np.cov(draws.T), covariance[::-1, ::-1] * 9 / 7, rtol=0.05, atol=1e-7)


def test_the_band_of_a_difference_is_that_of_the_difference_of_variances() -> None:
    rng = np.random.default_rng(1)
    law, rest = rng.normal(size=100_000), rng.normal(size=100_000)
    assert _apart(law + rest, law).std() == pytest.approx(1.0, rel=0.02)


def test_runs_off_any_budget_allow_no_check(posterior: bs.Posterior) -> None:
    runs = posterior.runs
    one_a_budget = runs.groupby(["architecture", "task", "flops"]).head(1).reset_index(drop=True)
    with pytest.raises(NoIsoFlopError, match=r"no IsoFLOP curves.*four or more sizes"):
        isoflop_check(replace(posterior, runs=one_a_budget))


def test_too_few_runs_to_tell_noise_from_shape(posterior: bs.Posterior) -> None:
    runs = posterior.runs
    kept = runs.groupby(["architecture", "task", "flops"]).head(3).reset_index(drop=True)
    three = kept[kept["flops"] == kept["flops"].min()].reset_index(drop=True)
    with pytest.raises(NoIsoFlopError, match="leave nothing to tell noise from shape"):
        isoflop_check(replace(posterior, runs=three))


def test_curves_without_a_bend_are_left_out(posterior: bs.Posterior) -> None:
    falling = posterior.runs.assign(loss=3.0 - 0.1 * np.log(posterior.runs["params"] / 1e5))
    with pytest.raises(NoIsoFlopError, match="do not bend upwards"):
        isoflop_check(replace(posterior, runs=falling))


def test_raised_where_the_law_lacks_an_interaction() -> None:
    check = isoflop_check(fit("skaling", coupled(), seed=0, noise=0.001))
    assert check.disagrees
    assert "disagrees" in check.sentence
    # Coupled size and data: Hoffmann's form says too large a model (by a factor of 0.8 without noise).
    assert np.exp(np.median(check.shift)) < 0.95


def test_the_parabolas_own_bias_raises_nothing() -> None:
    check = isoflop_check(fit("chinchilla", UNEVEN, seed=1, noise=0.001))
    # With these exponents and sizes a parabola misreads N* by several per cent ...
    assert check.table["bias"].abs().min() > 0.03
    # ... which is not held against the law.
    assert not check.disagrees


def raised(law: str, truth: dict[str, float], tables: int) -> dict[int, int]:
    """In how many simulated tables Hoffmann's law is accused, by parabolas and by cubics."""
    fits = (fit(law, truth, seed, 0.004) for seed in range(tables))
    counts = np.sum([[isoflop_check(p, degree).disagrees for degree in (2, 3)] for p in fits], axis=0)
    print(f"{law}: accused in {counts[0]} of {tables} tables by parabolas, in {counts[1]} by cubics")
    return dict(zip((2, 3), counts.tolist(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("truth", [UNEVEN, {"E": 1.2, "A": 30.0, "alpha": 0.32, "B": 60.0, "beta": 0.33}])
def test_false_alarms_are_rare(truth: dict[str, float]) -> None:
    for number in raised("chinchilla", truth, 60).values():
        assert binom.sf(number - 1, 60, 0.05) > 0.01


@pytest.mark.slow
def test_interactions_are_found() -> None:
    assert min(raised("skaling", coupled(), 30).values()) >= 24
