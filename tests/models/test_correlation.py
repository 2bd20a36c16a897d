"""Effects that are correlated over parameters."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.inference.quantities import prior_draws, quantities
from bayescale.inference.whitening import colour, whiten, whitening_at
from bayescale.laws import Range
from bayescale.models import Design, DesignError, Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.correlation import log_correlated, root_of
from bayescale.models.density import (
    correlation_roots,
    linear_precision,
    log_density,
    log_likelihood,
    log_prior,
    log_spreads,
    off_diagonal,
)
from bayescale.models.layout import layout_of, split

TASKS = ("a", "b", "c", "d", "e")
POOLING = {"E": "1 + (1|p|task)", "A": "1 + (1|p|task) + (1|architecture)", "beta": "1 + (1|p|task)"}


@pytest.fixture(scope="module")
def table(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.assign(task=[TASKS[i % 5] for i in range(len(runs))])


def designed(table: pd.DataFrame, **changes: object) -> Design:
    return make_design(Model(name="m", law="chinchilla", **{"pooling": POOLING, **changes}), table)  # type: ignore[arg-type]


def test_roots_are_of_correlations_and_densities_of_normals() -> None:
    rng = np.random.default_rng(0)
    for size in (2, 3, 4):
        z = rng.normal(size=(3, size * (size - 1) // 2))
        roots = np.asarray(root_of(z, size))
        for root in roots:
            correlation = root @ root.T
            assert np.diag(correlation) == pytest.approx(np.ones(size))
            effects = rng.normal(size=(size, 6))
            normal = stats.multivariate_normal(np.zeros(size), correlation)
            by_hand = normal.logpdf(effects.T).sum() - stats.norm.logpdf(effects).sum()
            assert float(log_correlated(effects, root)) == pytest.approx(by_hand)
    assert np.asarray(root_of(np.array([0.7]), 2))[1, 0] == pytest.approx(np.tanh(0.7))


def test_prior_and_likelihood_add_up_to_the_density(table: pd.DataFrame) -> None:
    design = designed(table)
    layout, data = layout_of(design), data_of(design)
    assert layout.tied == ((0, 1, 3),)
    for z in np.random.default_rng(2).normal(scale=0.3, size=(3, layout.size)):
        parts = sum(log_prior(z, layout, data).values()) + log_likelihood(z, layout, data).sum()
        assert float(parts) == pytest.approx(float(log_density(z, layout, data)), rel=1e-10)


def test_the_prior_precision_is_that_of_the_density(table: pd.DataFrame) -> None:
    design = designed(table)
    layout, data = layout_of(design), data_of(design)
    z = np.random.default_rng(3).normal(scale=0.5, size=layout.size)
    parts = split(z, layout)
    log_tau = log_spreads(parts.spreads, data)
    precision = np.diag(linear_precision(log_tau, layout)) + np.asarray(
        off_diagonal(log_tau, parts.correlations, layout, data)
    )

    def prior(theta: jax.Array) -> jax.Array:
        whole = jax.numpy.concatenate([theta, z[layout.linear :]])
        return log_density(whole, layout, data) - log_likelihood(whole, layout, data).sum()

    assert -np.asarray(jax.hessian(prior)(z[: layout.linear])) == pytest.approx(precision, abs=1e-9)


def test_white_coordinates_come_back_and_have_their_volume(table: pd.DataFrame) -> None:
    design = designed(table)
    layout, data = layout_of(design), data_of(design)
    rng = np.random.default_rng(4)
    whitening = whitening_at(rng.normal(scale=0.2, size=layout.size), layout, data)
    x = rng.normal(scale=0.5, size=layout.size)
    z, log_volume = colour(x, layout, data, whitening)
    assert np.asarray(whiten(z, layout, data, whitening)) == pytest.approx(x, abs=1e-7)
    jacobian = jax.jacfwd(lambda x: colour(x, layout, data, whitening)[0])(x)
    scale = np.log(np.asarray(whitening["scale"])).sum()
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(float(log_volume) + scale, abs=1e-6)


def test_prior_draws_have_the_correlations_that_they_name(table: pd.DataFrame) -> None:
    design = designed(table, priors={"|p|task": Range(0.5, 0.8)}, spread={"E": Range(0.1, 0.1001)})
    z = prior_draws(design, 6000, np.random.default_rng(5))
    layout, data = layout_of(design), data_of(design)
    parts = split(z, layout)
    found = quantities(design, z[None, :500])
    assert found.coords["pair|p|task"] == ["E, A", "E, beta", "A, beta"]
    low, high = np.quantile(found.posterior["cor|p|task"][0, :, 0], (0.05, 0.95))
    assert (low, high) == pytest.approx((0.5, 0.8), abs=0.04)
    assert {"cor|p|task", "effects|p|task"} <= set(found.log_prior)
    tau = np.exp(np.asarray(log_spreads(parts.spreads, data)))
    roots = np.asarray(correlation_roots(parts.correlations, layout, data)[0])
    first, second = parts.effects[0] / tau[:, :1], parts.effects[1] / tau[:, 1:2]
    expected = np.mean((roots @ np.swapaxes(roots, 1, 2))[:, 1, 0])
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"pooling": {"E": "1 + (1|p|task)"}}, "the tag of (|p|task) is on one term alone, E"),
        ({"pooling": {"E": "1", "sigma": "1 + (1|p|task)"}}, "leave the tag out"),
        ({"priors": {"|q|task": Range(-0.5, 0.5)}}, "there are (|p|task)"),
        ({"priors": {"|p|task": Range(-0.5, 1.5)}}, "between -1 and 1"),
    ],
)
def test_what_makes_no_sense_is_said(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError) as error:
        Model(name="m", law="chinchilla", **{"pooling": POOLING, **changes})  # type: ignore[arg-type]
    assert said in str(error.value)


def test_effects_that_are_not_alike_cannot_be_correlated(table: pd.DataFrame) -> None:
    pooling = {"E": "1 + (1|p|architecture:task)", "A": "1 + (1|task) + (1|p|architecture:task)"}
    with pytest.raises(DesignError, match="are not about the same"):
        layout_of(designed(table, pooling=pooling))


def test_the_model_prints_the_prior() -> None:
    text = " ".join(str(Model(name="m", law="chinchilla", pooling=POOLING)).split())
    assert "cor|p|task -0.8 to 0.8 correlation (partial) of the effects of task on E, A, beta" in text
