"""One feature matrix: SGD as it is written, the Volterra equation, and the closed form are one."""

from __future__ import annotations

import numpy as np
import pytest

from bayescale.theory import Features, Optimiser, Problem, simulate, solve_volterra
from bayescale.theory.errors import TheoryError


def test_closed_form_is_the_volterra_equation() -> None:
    for problem in (
        Problem(1.0, 0.3, 40, 200),
        Problem(0.4, 0.8, 40, 200, batch=3),
        Problem(0.7, 1.2, 30, 90),
    ):
        features = Features.draw(problem, seed=1)
        r = np.arange(400)
        by_steps = solve_volterra(features.forcing(r), features.kernel(r))
        assert features.risk(r) == pytest.approx(by_steps, rel=1e-9)
        assert features.risk(0) == pytest.approx(problem.start, rel=1e-9)


def test_volterra_by_hand() -> None:
    forcing, kernel = np.array([1.0, 0.5, 0.25]), np.array([0.1, 0.2, 0.3])
    assert solve_volterra(forcing, kernel) == pytest.approx([1, 0.5 + 0.1, 0.25 + 0.2 * 1 + 0.1 * 0.6])


def test_a_hundred_million_steps_reach_the_limit() -> None:
    features = Features.draw(Problem(0.7, 0.6, 60, 300), seed=0)
    late = features.risk(np.array([1e6, 1e8, 1e12]))
    assert (np.diff(late) <= 1e-15).all()
    assert late[-1] == pytest.approx(features.floor / (1 - features.norm), rel=1e-8)


@pytest.mark.parametrize("alpha, beta, batch", [(1.0, 0.3, 1), (0.4, 0.8, 4)])
def test_expected_risk_is_the_mean_of_sgd_written_out(alpha, beta, batch) -> None:
    """SGD on x in R^v itself, step by step, against the closed form; the library's SGD against both."""
    problem = Problem(alpha, beta, 20, 60, batch=batch)
    rng = np.random.default_rng(0)
    v, d, seeds, marks = 60, 20, 3000, [1, 4, 16, 64]
    weights = rng.normal(size=(v, d)) / np.sqrt(d)
    j = np.arange(1.0, v + 1)
    root, target = j**-alpha, j**-beta
    theta, measured = np.zeros((seeds, d)), []
    for r in range(1, marks[-1] + 1):
        x = rng.normal(size=(seeds, batch, v)) * root
        inputs = x @ weights
        residual = np.einsum("sbd,sd->sb", inputs, theta) - x @ target
        theta -= problem.gamma * np.einsum("sb,sbd->sd", residual, inputs)
        if r in marks:
            measured.append(((root * (theta @ weights.T - target)) ** 2).sum(axis=1))
    features = Features.of(problem, weights)
    expected = features.risk(marks)
    ours = simulate(features, marks, seeds=seeds, seed=1)
    for runs in (np.array(measured), ours.T):
        error = runs.std(axis=1) / np.sqrt(seeds)
        assert np.abs(runs.mean(axis=1) - expected) == pytest.approx(0, abs=4 * error.max())
        assert (np.abs(runs.mean(axis=1) - expected) < 4 * error).all()
        assert (error < 0.05 * expected).all()


def test_divergence_is_predicted_and_shown() -> None:
    calm, wild = (
        Features.draw(Problem(0.7, 0.6, 50, 250, step=share / Problem(0.7, 0.6, 50, 250).trace), seed=2)
        for share in (1.0, 1.9)
    )
    assert calm.norm < 1 and calm.growth < 1
    assert wild.norm > 1 and wild.growth > 1
    marks = [1, 300]
    assert (simulate(calm, marks, 8)[:, 1] < calm.problem.start).all()
    assert wild.risk(3000) > 1e3 * wild.risk(300) > 0
    assert np.median(simulate(wild, [3000], 8)) > np.median(simulate(calm, [3000], 8)) * 10


def test_momentum_is_sgd_with_a_larger_step() -> None:
    """A heavy ball of 0.9 with a tenth of the step moves as far, and loses as much to noise, in the long run."""
    features = Features.draw(Problem(0.8, 0.4, 30, 150), seed=3)
    gamma = features.problem.gamma / 5
    marks = [200, 800]
    plain = simulate(features, marks, 400, step=gamma).mean(axis=0)
    heavy = simulate(features, marks, 400, Optimiser("momentum"), step=gamma / 10).mean(axis=0)
    assert heavy == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize("name", ["adam", "sign"])
def test_coordinate_wise_optimisers_learn(name) -> None:
    features = Features.draw(Problem(0.8, 0.8, 30, 150), seed=4)
    risk = simulate(features, [1, 100, 2000], 16, Optimiser(name, decay=0.5), step=0.05).mean(axis=0)
    assert risk[2] < 0.3 * risk[0] and risk[2] > features.floor


def test_the_first_step_of_sign_descent_is_a_sign() -> None:
    features = Features.draw(Problem(0.8, 0.8, 12, 60), seed=4)
    step = 1e-6
    # Each coordinate moves by the step: the risk by at most twice the step times the gradient's 1-norm.
    moved = simulate(features, [1], 64, Optimiser("sign"), step=step)[:, 0] - features.problem.start
    gradient = features.basis @ (np.sqrt(features.eigenvalues * features.energies) * features.signs)
    assert np.abs(moved).max() <= 2 * step * np.abs(gradient).sum() * (1 + 1e-3)
    assert moved.mean() < 0


def test_bad_questions_are_refused() -> None:
    with pytest.raises(TheoryError, match="no optimiser 'lion'"):
        Optimiser("lion")
    with pytest.raises(TheoryError, match="v >= d"):
        Problem(1.0, 1.0, 10, 5)
    with pytest.raises(TheoryError, match="finite v"):
        Problem(0.4, 1.0, 10, np.inf)
    with pytest.raises(TheoryError, match="ascending"):
        simulate(Features.draw(Problem(1.0, 1.0, 5, 20)), [3, 2])
