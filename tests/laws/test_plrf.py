"""The law of power-law random features is the theory's risk, and finds the complexities that made its runs."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.optimize import least_squares

import bayescale as bs
from bayescale.errors import DesignWarning
from bayescale.laws.plrf import LAW, RATIO, risk
from bayescale.theory import phase_probabilities, runs_table
from bayescale.theory import risk as exact


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
