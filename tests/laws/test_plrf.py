"""The law of power-law random features is the theory's risk, and finds the complexities that made its runs."""

from __future__ import annotations

import warnings

import jax
import numpy as np
import pytest
from scipy.optimize import least_squares

import bayescale as bs
from bayescale.errors import DesignWarning
from bayescale.laws import random_features as rf
from bayescale.laws.plrf import COMPLEXITY, LAW, RATIO, risk
from bayescale.models.arrays import data_of
from bayescale.models.design import make_design
from bayescale.theory import phase_probabilities, runs_table
from bayescale.theory import risk as exact
from bayescale.theory.equivalent import largest_step
from bayescale.theory.problem import power_sum
from tests.laws.ranges import design


@pytest.mark.parametrize(
    "alpha, beta",
    [(0.7, 0.3), (0.4, 0.3), (0.2, 0.8), (0.8, 0.65), (0.7, 1.2), (0.4, 0.8), (0.27, 0.7), (0.5, 0.5)],
)
def test_it_is_the_deterministic_equivalent(alpha, beta) -> None:
    d, r = np.meshgrid([30.0, 300.0, 3000.0], [20.0, 1e3, 1e6])
    # Half the inverse of the trace is three quarters of the law's unit.
    assert np.asarray(risk(alpha, beta, 0.75, d, r)) == pytest.approx(
        exact(alpha, beta, d, r, RATIO * d), rel=1e-4
    )


def test_draws_beyond_one_block_are_the_same() -> None:
    alpha = np.linspace(0.3, 1.0, 720)
    some = np.asarray(risk(alpha[::80], 0.6, 0.5, 100.0, 1e4))
    assert np.asarray(risk(alpha, 0.6, 0.5, 100.0, 1e4))[::80] == pytest.approx(some, rel=1e-12)


def test_fewer_steps_than_the_contour_takes_are_as_many() -> None:
    found = np.asarray(risk(0.7, 0.6, 0.5, 100.0, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 20.0]))
    assert found[0] == found[1] == found[2] and (np.diff(found[4:]) < 0).all()


def of_the_prior(count, mass=0.99, seed=0):
    """Values within the central `mass` of every parameter's prior."""
    rng, found = np.random.default_rng(seed), {"S": np.ones(count)}
    for name in ("alpha", "beta", "g"):
        p = LAW.parameter(name)
        levels = mass * rng.uniform(-1, 1, count)
        found[name] = np.array([p.prior.interval(p.support, abs(x))[int(x > 0)] for x in levels])
    return found


def test_a_fits_tables_are_the_risk() -> None:
    runs = {name: column.to_numpy() for name, column in design(LAW, 20).items()}
    prepared, which = LAW.prepared(runs), np.arange(2000) % 20
    given = {name: x if name == "risk tables" else np.asarray(x)[which] for name, x in prepared.items()}
    values = of_the_prior(len(which))
    quick = np.asarray(LAW.loss(values, given))
    slow = np.asarray(LAW.loss(values, {name: runs[name][which] for name in LAW.inputs}))
    off = np.abs(quick / slow - 1)
    assert off.max() < 1e-3 and np.quantile(off, 0.99) < 2e-4 and np.median(off) < 1e-5


def test_a_fits_tables_have_the_risks_derivatives() -> None:
    runs = {"params": np.array([50.0, 400.0]), "tokens": np.array([3e5, 2e4])}
    values, given, nudge = {"alpha": 0.7, "beta": 0.6, "g": 0.5}, LAW.prepared(runs), 1e-3
    slopes = jax.jacfwd(lambda v: jax.numpy.log(LAW.loss({**v, "S": 1.0}, given)))(values)
    shifted = np.array([list(values.values())] * 6) + nudge * np.kron(np.eye(3), [[1], [-1]])
    up, down = np.log(risk(*shifted.T[:, :, None], *runs.values())).reshape(3, 2, 2).swapaxes(0, 1)
    assert np.stack(list(slopes.values())) == pytest.approx((up - down) / (2 * nudge), rel=1e-3, abs=1e-4)


def test_runs_of_one_size_and_data_share_a_table() -> None:
    runs = {"params": np.array([50.0, 400.0, 50.0]), "tokens": np.array([3e5, 2e4, 3e5])}
    found = LAW.prepared(runs)
    assert len(found["risk tables"]) == 2 and found["risk table"].tolist() == [0, 1, 0]


def test_a_fit_is_handed_them() -> None:
    table = make_design(bs.Model.of_law("plrf"), simulated().iloc[:3])
    assert data_of(table)["inputs"].keys() == {"params", "tokens", "risk tables", "risk table"}


@pytest.mark.parametrize("alpha, d", [(0.2, 25.0), (0.6, 300.0), (1.2, 40.0), (3.0, 30.0)])
def test_what_is_left_of_each_mode_adds_up(alpha, d) -> None:
    added, whole = both_ways(alpha, d)
    assert float(added) == pytest.approx(float(whole), rel=1e-9)


@jax.jit
def both_ways(alpha, d):
    spectrum = rf.modes(alpha, 0.7, d, RATIO * d)
    given = (spectrum, d, 0.5 / rf.total(spectrum), 1.0, 1e4)
    return rf.by_mode(*given) @ spectrum.target, rf.parts(*given).risk


@pytest.mark.parametrize("d", [10.0, 30.0, 300.0])
@pytest.mark.parametrize("alpha", [0.1, 0.4, 0.7, 1.5, 3.2])
def test_no_spectrum_is_less_stable_than_a_single_mode(alpha, d) -> None:
    sure = (2 / 3) / (1 + 2 / d) / power_sum(2 * alpha, RATIO * d)
    assert sure < largest_step(alpha, d, RATIO * d, 1) * (1 + 1e-9)


def test_steps_that_are_not_stable_are_taken_for_the_largest_that_is() -> None:
    few = np.asarray(risk(2.5, 0.35, [0.9, 0.93, 0.96, 0.99], 30.0, [[100.0], [1000.0], [1e6]]))
    assert (few > 0).all() and (few[:, 2] == few[:, 3]).all()


def test_complexities_beyond_the_tables_are_taken_for_their_ends() -> None:
    ends = np.array([COMPLEXITY.low, COMPLEXITY.high])
    assert np.asarray(risk(ends * [0.5, 2], 0.6, 0.5, 100.0, 1e4)) == pytest.approx(
        np.asarray(risk(ends, 0.6, 0.5, 100.0, 1e4))
    )


def simulated():
    runs = runs_table(0.75, 1.1, [40, 80, 160, 320], [1e4, 4e4, 1.6e5])
    return runs.assign(loss=runs["loss"] * np.exp(0.01 * np.random.default_rng(0).normal(size=len(runs))))


TRUTH = {"alpha": 0.75, "beta": 1.1, "g": 0.75, "S": 1.0}


def test_least_squares_finds_the_complexities() -> None:
    runs = simulated()
    inputs = {name: runs[name].to_numpy() for name in LAW.inputs}

    def residual(linked):
        alpha, beta, s = np.exp(linked[[0, 1, 3]])
        values = {"alpha": alpha, "beta": beta, "g": 1 / (1 + np.exp(-linked[2])), "S": s}
        return np.asarray(np.log(LAW.loss(values, inputs)) - np.log(runs["loss"]))

    found = least_squares(residual, [np.log(0.5), np.log(0.5), 0.0, 0.0], x_scale=0.3)
    assert np.sqrt(np.mean(found.fun**2)) < 0.013
    alpha, beta = np.exp(found.x[:2])
    assert (alpha, beta) == (pytest.approx(0.75, abs=0.08), pytest.approx(1.1, abs=0.15))


@pytest.mark.slow
def test_the_posterior_knows_the_complexities_and_the_phase() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DesignWarning)
        posterior = bs.fit(simulated(), bs.Model(name="plrf", law=LAW.name), 0)
    assert posterior.health().passed
    for name, true in TRUTH.items():
        low, high = np.quantile(posterior.draws(name), (0.005, 0.995))
        assert low < true < high, name
    shares = phase_probabilities(posterior.draws("alpha"), posterior.draws("beta"))
    assert shares["III"] > 0.9
