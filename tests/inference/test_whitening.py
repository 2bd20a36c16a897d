"""The coordinates of the sampler: an exact change of variables, and white where the model is linear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew

from bayescale.inference.nuts import Settings, _curved
from bayescale.inference.start import find_start
from bayescale.inference.whitening import (
    _skewness,
    _straight,
    colour,
    log_white_density,
    whiten,
    whitening_at,
)
from bayescale.laws import Range
from bayescale.models import Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import log_density
from bayescale.models.layout import layout_of
from tests.inference.test_nuts import linear_world


@pytest.fixture(scope="module", params=["plain", "by run", "misfit"])
def pieces(request: pytest.FixtureRequest, runs: pd.DataFrame):  # type: ignore[no-untyped-def]
    table = runs.assign(run_id=np.arange(len(runs)) // 2) if request.param == "by run" else runs
    name = "generalised" if request.param == "misfit" else "chinchilla"
    design = make_design(Model.load(name), table)
    layout, data = layout_of(design), data_of(design)
    rng = np.random.default_rng(0)
    mode = rng.normal(scale=0.2, size=layout.size)
    others = layout.size - layout.linear
    leaning = {"middle": rng.normal(size=others), "skew": rng.uniform(-0.7, 0.7, others)}
    return layout, data, whitening_at(mode, layout, data) | leaning


def test_there_and_back(pieces) -> None:  # type: ignore[no-untyped-def]
    layout, data, whitening = pieces
    z = np.random.default_rng(1).normal(scale=0.3, size=layout.size)
    x = whiten(z, layout, data, whitening)
    assert np.asarray(colour(x, layout, data, whitening)[0]) == pytest.approx(z, abs=1e-8)


def test_the_volume_is_the_jacobian(pieces) -> None:  # type: ignore[no-untyped-def]
    layout, data, whitening = pieces
    x = np.random.default_rng(2).normal(scale=0.5, size=layout.size)
    jacobian = jax.jacfwd(lambda v: colour(v, layout, data, whitening)[0])(x)
    z, volume = colour(x, layout, data, whitening)
    # The noise parameters' constant scale is left out.
    constant = float(np.log(np.asarray(whitening["scale"])).sum())
    exact = float(np.linalg.slogdet(np.asarray(jacobian))[1])
    assert float(volume) + constant == pytest.approx(exact, abs=1e-8)
    whole = float(log_white_density(x, layout, data, whitening))
    assert whole == pytest.approx(float(log_density(z, layout, data)) + float(volume), abs=1e-8)


def test_what_leans_stands_straight() -> None:
    rng = np.random.default_rng(3)
    # Logs of gamma variates lean to the left, their squares far to the right.
    draws = np.stack(
        [rng.normal(size=4000), np.log(rng.gamma(2, size=4000)), rng.gamma(1.5, size=4000)], axis=1
    )
    white = np.asarray(_straight(draws, _skewness(draws)))
    before, after = skew(draws), skew(white)
    assert abs(after[0] - before[0]) < 0.1
    assert abs(after[1]) < 0.4 * abs(before[1]) and abs(after[2]) < 0.4 * abs(before[2])


def test_a_linear_model_is_standard_normal_whatever_the_spread() -> None:
    model, runs = linear_world()
    loose = model.model_copy(update={"spread": {"a": Range(0.03, 3.0)}})
    design = make_design(loose, runs)
    layout, data = layout_of(design), data_of(design)
    start = find_start(layout, data, np.random.default_rng(0))
    whitening = whitening_at(start.modes[0], layout, data)
    noise = np.asarray(whitening["centre"]) * 0
    for spread in (-2.0, 0.0, 2.0):

        def density(w: jax.Array, spread: float = spread) -> jax.Array:
            return log_white_density(
                jnp.concatenate([w, jnp.array([spread]), noise]), layout, data, whitening
            )

        hessian = np.asarray(jax.hessian(density)(np.zeros(layout.linear)))
        gradient = np.asarray(jax.grad(density)(np.zeros(layout.linear)))
        # At ten million degrees of freedom and the noise known, the likelihood is Gaussian in means and effects.
        assert hessian == pytest.approx(-np.eye(layout.linear), abs=1e-4)
        assert gradient == pytest.approx(np.zeros(layout.linear), abs=1e-4)


def test_the_bend_is_the_same_whatever_is_eliminated_first(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("generalised"), runs)
    arrow, data = layout_of(design), data_of(design)
    assert arrow.clusters
    dense = replace(arrow, clusters=())
    rng = np.random.default_rng(3)
    centre, z = rng.normal(scale=0.2, size=arrow.size), rng.normal(scale=0.5, size=arrow.size)
    found = []
    for layout in (arrow, dense):
        x = np.asarray(whiten(z, layout, data, whitening_at(centre, layout, data)))
        found.append(np.sum(x[: layout.linear] ** 2))
    # The same white vector but for a rotation within what is eliminated together.
    assert found[0] == pytest.approx(found[1], rel=1e-8)


def test_spreads_and_noise_are_white_where_chains_start(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("chinchilla"), runs)
    layout, data = layout_of(design), data_of(design)
    centre = find_start(layout, data, np.random.default_rng(0)).centre
    whitening = _curved(centre, layout, data, 200, Settings())

    def bends(with_mix: dict[str, Any]) -> np.ndarray:
        x = np.asarray(whiten(centre, layout, data, with_mix))

        def density(others: jax.Array) -> jax.Array:
            return log_white_density(jnp.concatenate([x[: layout.linear], others]), layout, data, with_mix)

        return np.linalg.eigvalsh(-np.asarray(jax.hessian(density)(x[layout.linear :])))

    before, after = bends(whitening | {"mix": jnp.eye(layout.size)}), bends(whitening)
    assert before.max() > 1.5, "nothing to mend"
    # Flat directions keep the prior's width.
    assert after.max() == pytest.approx(1, abs=0.01)


def test_runs_of_very_different_noise_are_white(runs: pd.DataFrame) -> None:
    # Rows of every other run scatter ten times as wide, which nothing but they themselves say.
    rng = np.random.default_rng(3)
    table = pd.concat([runs] * 6, ignore_index=True).assign(run_id=np.tile(np.arange(len(runs)), 6))
    wide = np.where(table["run_id"] % 2, 10.0, 1.0)
    table["loss"] *= np.exp(5e-4 * wide * rng.normal(size=len(table)))
    design = make_design(Model.load("chinchilla"), table)
    layout, data = layout_of(design), data_of(design)
    centre = find_start(layout, data, np.random.default_rng(0)).centre
    whitening = whitening_at(centre, layout, data)
    x = np.asarray(whiten(centre, layout, data, whitening))

    def density(linear: jax.Array) -> jax.Array:
        return log_white_density(jnp.concatenate([linear, x[layout.linear :]]), layout, data, whitening)

    bends = np.linalg.eigvalsh(-np.asarray(jax.hessian(density)(x[: layout.linear])))
    assert bends.min() > 0.3 and bends.max() < 3
