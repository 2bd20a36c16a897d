"""The search for modes: tables of which a part of the runs is of another kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal

import bayescale as bs
from bayescale.inference.evidence import bridge, laplace
from bayescale.inference.nuts import sample
from bayescale.inference.start import CLOSE, Start, find_start
from bayescale.inference.trimmed import TrimmedSearch
from bayescale.models.arrays import data_of
from bayescale.models.density import noise_of
from bayescale.models.design import Design, make_design
from bayescale.models.layout import layout_of
from tests.inference.test_nuts import SIGMA, SPREAD, exact_posterior, linear_world
from tests.simulate import TRUTH, expected

NOISE, WORSE = 0.002, 0.12


def contaminated(worse: int, seed: int = 0) -> pd.DataFrame:
    """Forty-eight runs of one group with noise of .2 %, of which some are 12 % worse."""
    rng = np.random.default_rng(seed)
    flops = np.repeat(np.geomspace(1e17, 1e20, 12), 4)
    params = np.tile(np.geomspace(0.3, 3, 4), 12) * np.sqrt(flops / 6 / 30)
    tokens = flops / 6 / params
    loss = expected(params, tokens, TRUTH[("gpt", "code")]) * np.exp(NOISE * rng.normal(size=48))
    loss[rng.permutation(48)[:worse]] *= 1 + WORSE
    return pd.DataFrame({"params": params, "tokens": tokens, "flops": flops, "loss": loss})


def designed(worse: int, seed: int = 0, model: str = "chinchilla") -> Design:
    return make_design(bs.Model.load(model), contaminated(worse, seed))


def sigmas(design: Design, start: Start) -> np.ndarray:
    layout, data = layout_of(design), data_of(design)
    return np.array([float(noise_of(mode, layout, data)["sigma"]) for mode in start.modes])


def check_narrow(worse: int, seed: int) -> None:
    design = designed(worse, seed)
    start = find_start(layout_of(design), data_of(design), np.random.default_rng(0))
    found = sigmas(design, start)
    assert start.log_evidence[0] == 0 and (np.diff(start.log_evidence) <= 0).all()
    # Up to eighteen the broad mode has less than a thousandth of the mass; from there on it comes near, or first.
    narrow, broad = found[found < 2 * NOISE], found[found >= 2 * NOISE]
    assert len(narrow) == 1 and broad == pytest.approx([0.056] * len(broad), rel=0.1)
    assert len(broad) == 0 or worse > 18


@pytest.mark.parametrize("worse", [0, 6, 12, 18, 20])
def test_the_narrow_mode_is_found(worse: int) -> None:
    check_narrow(worse, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("worse", range(21))
def test_the_narrow_mode_is_found_at_any_contamination(worse: int, seed: int) -> None:
    check_narrow(worse, seed)


@pytest.mark.parametrize("worse, first", [(20, "narrow"), (23, "broad")])
def test_modes_come_in_the_order_of_their_evidence(worse: int, first: str) -> None:
    design = designed(worse)
    start = find_start(layout_of(design), data_of(design), np.random.default_rng(0))
    assert (sigmas(design, start)[0] < 0.01) == (first == "narrow")


def test_the_default_model_finds_it_too() -> None:
    design = designed(18, model="generalised")
    start = find_start(layout_of(design), data_of(design), np.random.default_rng(0))
    assert sigmas(design, start)[0] < 2 * NOISE


def test_evidence_of_a_gaussian_is_exact() -> None:
    """Against the marginal likelihood by conjugacy; all coordinates are standard normal but for it."""
    model, runs = linear_world()
    design = make_design(model, runs)
    layout, data = layout_of(design), data_of(design)
    x = np.column_stack([np.ones(24), np.log(runs["params"] / 1e6), design.effects[0].basis[design.cell]])
    covariance = x @ np.diag(np.array([0.5, 0.2, SPREAD, SPREAD]) ** 2) @ x.T + SIGMA**2 * np.eye(24)
    marginal = multivariate_normal(x @ [1.0, -0.1, 0.0, 0.0], covariance).logpdf(np.log(runs["loss"]))
    exact = marginal + layout.size / 2 * np.log(2 * np.pi)
    start = find_start(layout, data, np.random.default_rng(0))
    assert len(start.modes) == 1
    assert laplace(start.centre, layout, data) == pytest.approx(exact, abs=0.05)
    rng = np.random.default_rng(0)
    mean, covariance = exact_posterior(model, runs)
    drawn = rng.multivariate_normal(mean, covariance, size=(2, 500))
    z = np.concatenate([(drawn[..., :2] - [1.0, -0.1]) / [0.5, 0.2], drawn[..., 2:]], axis=-1)
    z = np.concatenate([z, rng.normal(size=(2, 500, layout.size - 4))], axis=-1)
    bridged, error = bridge(z, layout, data, rng)
    assert error < 0.05 and bridged == pytest.approx(exact, abs=0.1)


@pytest.mark.slow
def test_evidence_by_laplace_is_that_of_bridge_sampling() -> None:
    """The mode of heavy tails and the broad one, of much the same mass."""
    design = designed(20)
    layout, data = layout_of(design), data_of(design)
    start = find_start(layout, data, np.random.default_rng(0))
    assert len(start.modes) == 2
    for mode in start.modes:
        drawn = sample(layout, data, Start(mode[None], np.zeros(1)), 0, bs.Settings()).z
        bridged, error = bridge(drawn, layout, data, np.random.default_rng(0))
        assert error < 0.1
        assert laplace(mode, layout, data) == pytest.approx(bridged, abs=CLOSE / 10)


def test_trimmed_fits_find_the_majority() -> None:
    """Whatever the search begins with: here with nothing."""
    design = designed(18, seed=3)
    layout, data = layout_of(design), data_of(design)
    best = TrimmedSearch(layout, data, 1e-4).search(np.zeros(layout.linear), np.random.default_rng(0))[0]
    off = np.log(design.loss) - best.fitted
    assert best.scale < 3 * NOISE
    assert int((off > WORSE / 2).sum()) == 18 and np.median(np.abs(off)) < 2 * NOISE
