"""The sampler against a posterior that is known exactly, and against known truths."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.inference import fit, nuts
from bayescale.inference.fit import fit_design
from bayescale.inference.health import Limits, check_health
from bayescale.inference.nuts import STRETCH, TURN, _stretch
from bayescale.laws import Law, Parameter, Range
from bayescale.models import Noise, make_design
from tests.laws.test_recovers_itself import simulated
from tests.simulate import NOISE, TRUTH, expected, simulate

NORMAL_90 = 1.6448536269514722
SIGMA, SPREAD = 0.05, 0.3


def linear_world() -> tuple[bs.Model, pd.DataFrame]:
    """log L = a + b log N with known Gaussian noise and known spread: every posterior is Gaussian."""
    law = bs.register(
        Law(
            name="test-linear",
            title="Log-linear",
            citation="none",
            equation="log L = a + b log(N / 1e6)",
            latex="",
            inputs=("params",),
            parameters=(
                Parameter(
                    "a", "intercept", "1", "real", Range(1 - NORMAL_90 * 0.5, 1 + NORMAL_90 * 0.5), "a"
                ),
                Parameter(
                    "b", "slope", "1", "real", Range(-0.1 - NORMAL_90 * 0.2, -0.1 + NORMAL_90 * 0.2), "b"
                ),
            ),
            loss=lambda v, x: jnp.exp(v["a"] + v["b"] * jnp.log(x["params"] / 1e6)),
        )
    )
    exactly = 1e-9
    model = bs.Model(
        name="linear",
        law=law.name,
        pooling={"a": "1 + (1|task)", "b": "1"},
        spread={"a": Range(SPREAD, SPREAD * (1 + exactly))},
        # Ten million degrees of freedom are a Gaussian.
        noise=Noise(sigma=Range(SIGMA, SIGMA * (1 + exactly)), nu=Range(1e7, 1e7 * (1 + exactly))),
    )
    rng = np.random.default_rng(3)
    params = np.tile(np.geomspace(1e5, 1e7, 8), 3)
    task = np.repeat(["code", "docs", "web"], 8)
    effect = pd.Series({"code": -0.2, "docs": 0.3, "web": 0.05})[task].to_numpy()
    log_loss = 0.9 + effect - 0.08 * np.log(params / 1e6) + SIGMA * rng.normal(size=24)
    return model, pd.DataFrame({"task": task, "params": params, "loss": np.exp(log_loss)})


def exact_posterior(model: bs.Model, runs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (a, b, free effects), by conjugacy."""
    design = make_design(model, runs)
    basis = design.effects[0].basis[design.cell]
    x = np.column_stack([np.ones(len(runs)), np.log(runs["params"] / 1e6), basis])
    prior_mean = np.array([1.0, -0.1, 0.0, 0.0])
    precision = np.diag(1 / np.array([0.5, 0.2, SPREAD, SPREAD]) ** 2)
    covariance = np.linalg.inv(precision + x.T @ x / SIGMA**2)
    return covariance @ (precision @ prior_mean + x.T @ np.log(runs["loss"]) / SIGMA**2), covariance


def test_matches_a_posterior_that_is_known_exactly() -> None:
    model, runs = linear_world()
    mean, covariance = exact_posterior(model, runs)
    fit = fit_design(make_design(model, runs), seed=0, settings=bs.Settings())
    assert fit.health.passed, str(fit.health)
    # Raw coordinates: a and b standardised by their priors, then the free effects as they are.
    z = fit.draws.z.reshape(-1, fit.draws.z.shape[-1])
    theta = np.column_stack([1 + 0.5 * z[:, 0], -0.1 + 0.2 * z[:, 1], z[:, 2:4]])
    sd = np.sqrt(np.diag(covariance))
    # 4000 draws: a mean is good to about 1.5 % of a standard deviation, a standard deviation to 1.2 %.
    assert (theta.mean(axis=0) - mean) / sd == pytest.approx(np.zeros(4), abs=0.08)
    assert theta.std(axis=0) / sd == pytest.approx(np.ones(4), abs=0.06)
    correlation = covariance / np.outer(sd, sd)
    assert np.corrcoef(theta.T) == pytest.approx(correlation, abs=0.07)


def test_recovers_the_truth(posterior: bs.Posterior) -> None:
    assert posterior.health().passed, str(posterior.health())
    cells = [tuple(row) for row in posterior.design.cells.itertuples(index=False)]
    inside = total = 0
    for name in ("E", "A", "alpha", "B", "beta"):
        low, high = np.quantile(posterior.draws(name), (0.005, 0.995), axis=0)
        truth = np.array([TRUTH[cell][name] for cell in cells])
        inside += int(((low < truth) & (truth < high)).sum())
        total += len(cells)
    # A cell's parameters are strongly correlated: one unlucky table is off in several. The slow test counts tables.
    assert inside >= 0.85 * total
    assert posterior.draws("alpha_mean").std() < 0.03
    low, high = np.quantile(posterior.draws("sigma"), (0.025, 0.975))
    assert low < NOISE < high
    # The tasks differ in E, the architectures do not: that must be seen.
    task = posterior.draws("E|task")
    assert np.mean(task[:, 1] > task[:, 0]) > 0.99
    assert abs(posterior.draws("E|architecture").mean()) < 0.05


@pytest.mark.slow
def test_intervals_cover_the_truth_over_many_tables() -> None:
    inside = {0.5: [], 0.9: []}  # type: dict[float, list[float]]
    for seed in range(20):
        fitted = bs.fit(simulate(np.geomspace(3e10, 3e12, 5), seed=100 + seed), "chinchilla", seed=seed)
        cells = [tuple(row) for row in fitted.design.cells.itertuples(index=False)]
        for name in ("E", "alpha", "beta"):
            below = (fitted.draws(name) < [TRUTH[cell][name] for cell in cells]).mean(axis=0)
            for mass, hits in inside.items():
                hits.append(float((np.abs(below - 0.5) < mass / 2).mean()))
    # 240 intervals, but a table's are nearly one: about twenty independent ones, two standard errors of slack.
    assert np.mean(inside[0.5]) == pytest.approx(0.5, abs=0.22)
    assert np.mean(inside[0.9]) > 0.77


def test_bands_cover_new_runs_as_often_as_they_say(posterior: bs.Posterior) -> None:
    fresh = simulate(np.geomspace(5e10, 6e12, 8), sizes=5, seed=99)
    predicted = posterior.predict(fresh, quantiles=(0.05, 0.25, 0.5, 0.75, 0.95))
    for low, high, mass in (("q0.05", "q0.95", 0.9), ("q0.25", "q0.75", 0.5)):
        covered = ((predicted[low] <= fresh["loss"]) & (fresh["loss"] <= predicted[high])).mean()
        assert covered == pytest.approx(mass, abs=0.1)
    truth = [
        expected(row.params, row.tokens, TRUTH[(row.architecture, row.task)])
        for row in fresh.itertuples(index=False)
    ]
    assert (predicted["q0.5"] / truth - 1).abs().mean() < 0.003


def test_the_same_seed_gives_the_same_draws() -> None:
    model, runs = linear_world()
    settings = bs.Settings(chains=2, warmup=100, draws=50)
    one, two, other = (bs.fit(runs, model, seed=s, settings=settings) for s in (7, 7, 8))
    assert np.array_equal(one.z, two.z)
    assert one.draws("a|task_sd") == pytest.approx(two.draws("a|task_sd"), abs=0)
    assert not np.array_equal(one.z, other.z)


def test_progress_is_told() -> None:
    model, runs = linear_world()
    seen: list[tuple[int, int, int, int]] = []
    bs.fit(
        runs,
        model,
        settings=bs.Settings(chains=2, warmup=200, draws=50),
        progress=lambda *told: seen.append(told),
    )
    assert {chain for chain, *_ in seen} == {0, 1}
    assert max(done for _, done, _, _ in seen) == 250 == seen[0][2] == seen[-1][2]


def test_a_near_miss_is_sampled_again_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    model, runs = linear_world()
    # A gate that asks for more effective draws than there are draws.
    monkeypatch.setattr(fit, "check_health", partial(check_health, limits=Limits(ess=(10_000, 200))))
    short = bs.Settings(chains=2, warmup=200, draws=1000, folds=False)
    design = make_design(model, runs)
    once = fit_design(design, 0, replace(short, again=False))
    assert not once.notes and once.health.verdict == "REVIEW"
    twice = fit_design(design, 0, short)
    assert "sampled again, from there on, with target_accept 0.95 and 2000 draws" in twice.notes[0]
    assert twice.draws.z.shape[1] == 2000 and twice.settings.draws == 2000


def test_steps_are_stretched_to_halve_the_trees() -> None:
    settings = bs.Settings()
    # Of the reference posterior: 7 steps of nearly a half go as far as a trajectory has to.
    assert 0.23 * _stretch(0.23, 0.955, settings) == pytest.approx(TURN / 7)
    # Nothing near: by the square of the step.
    assert _stretch(0.15, 0.95, settings) == pytest.approx(2.0)
    assert _stretch(0.1, 0.9999, settings) == pytest.approx(STRETCH)
    # Who asks for smaller steps gets them.
    assert _stretch(0.23, 0.955, bs.Settings(target_accept=0.99)) == 1.0


def test_a_divergence_takes_longer_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    model, runs = linear_world()
    settings = bs.Settings(chains=2, warmup=200, draws=100, folds=False)
    steps = []
    for stretch in (1.0, 1.5, 60.0):
        monkeypatch.setattr(nuts, "_stretch", lambda *_, by=stretch: by)
        steps.append(np.unique(bs.fit(runs, model, settings=settings).tree["sample_stats"]["step_size"]))
    plain, longer, absurd = (one.item() for one in steps)
    assert longer > plain
    # Steps of sixty times the size are refused, and what they drew with them: both stages go by what they tuned.
    assert absurd == pytest.approx(plain, rel=1e-12)


@pytest.mark.parametrize("wrong", [{"chains": 0}, {"draws": 0}, {"target_accept": 1.0}])
def test_impossible_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        bs.Settings(**wrong)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_law_that_bends_too_much_is_sampled_in_plainer_coordinates() -> None:
    law = bs.register(replace(bs.law("m3"), name="test-m3-bent", leading=None))
    design = make_design(bs.Model.of_law(law.name), simulated(law))
    fit = fit_design(design, 0, bs.Settings(folds=False))
    assert fit.health.passed, str(fit.health)
    assert any(note.startswith("sampled without straightening") for note in fit.notes)
