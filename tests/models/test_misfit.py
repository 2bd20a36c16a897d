"""The law's misfit inside the runs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bayescale.forecast.expected import Predictor
from bayescale.models import Design, Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import expected_loss, log_density, misfit_of
from bayescale.models.layout import layout_of, split
from bayescale.models.misfit import MisfitAxis
from bayescale.posterior import prior_posterior


def every_row(design: Design, kept: np.ndarray) -> np.ndarray:
    """From the misfit's coordinates to every row's, shape (rows, coordinates)."""
    layout, data = layout_of(design), data_of(design, kept)
    found = jax.jacfwd(partial(misfit_of, layout=layout, data=data))(jnp.zeros(layout.linear))
    return np.asarray(found)[:, layout.mapped :]


def test_it_is_an_integrated_random_walk_from_the_top() -> None:
    axis = MisfitAxis("flops", reach=6.0, cells=1)
    distance = np.linspace(0, 6, 25)
    low, high = np.minimum.outer(distance, distance), np.maximum.outer(distance, distance)
    wanted = low**2 * (3 * high - low) / (2 * np.log(10) ** 3)
    basis = axis.basis(distance)
    # Four knots of it are nearly all of it.
    assert basis @ basis.T == pytest.approx(wanted, abs=0.003 * wanted.max())
    assert not basis[0].any()
    one = axis.basis(np.array([np.log(10)]))
    assert (one @ one.T).item() == pytest.approx(1.0, rel=0.02)


def test_cells_have_their_own_in_compute_and_share_one_in_size(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("generalised"), runs)
    flops, params = design.misfit
    assert (flops.axis, flops.cells, params.axis, params.cells) == ("flops", len(design.cells), "params", 1)
    rows = every_row(design, np.ones(len(runs), dtype=bool))
    assert rows.shape == (len(runs), flops.free + params.free)
    own = rows[:, : flops.free].reshape(len(runs), flops.cells, flops.knots)
    other = np.arange(flops.cells) != design.cell[:, None]
    assert not own[other].any() and own[~other].any()


def test_it_moves_the_loss_and_has_its_prior(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("generalised"), runs)
    layout, data = layout_of(design), data_of(design)
    z = np.random.default_rng(0).normal(scale=0.3, size=layout.size)
    at = slice(layout.linear - sum(layout.misfit), layout.linear)
    exact = z.copy()
    exact[at] = 0
    loss, law = (np.asarray(expected_loss(jnp.asarray(v), layout, data)) for v in (z, exact))
    rows = every_row(design, np.ones(len(runs), dtype=bool))
    assert np.log(loss / law) == pytest.approx(rows @ z[at])

    without = make_design(Model.load("generalised").model_copy(update={"misfit": None}), runs)
    # Where the coordinates are zero, the two models differ by the misfit's prior alone.
    shorter = np.concatenate(
        [exact[: at.start], np.delete(exact[at.stop :], len(design.effects) + np.arange(2))]
    )
    assert len(shorter) == layout_of(without).size
    spreads = split(exact, layout).spreads[-2:]
    normals = [getattr(design.model.misfit, axis).normal("positive") for axis in ("flops", "params")]
    prior = sum(
        stats.norm.logpdf(s) - stats.norm.logpdf(0) - free * (m + sd * s)
        for s, (m, sd), free in zip(spreads, normals, layout.misfit, strict=True)
    )
    # The reference point, and with it what the other coordinates stand for, is another without a misfit.
    there = data_of(without) | {"reference": data["reference"]}
    difference = float(log_density(jnp.asarray(exact), layout, data)) - float(
        log_density(jnp.asarray(shorter), layout_of(without), there)
    )
    assert difference == pytest.approx(prior, rel=1e-9)


def test_a_fold_puts_the_top_where_its_own_runs_end(runs: pd.DataFrame) -> None:
    design = make_design(Model.load("generalised"), runs)
    flops = design.axes["flops"]
    kept = flops < np.median(flops)
    rows = every_row(design, kept)[:, : design.misfit[0].free]
    beyond = flops >= flops[kept].max()
    assert not rows[beyond].any()
    assert rows[flops < flops[kept].max() - 0.5].any(axis=1).all()


def test_a_new_cell_inherits_what_all_curves_have_early_on(runs: pd.DataFrame) -> None:
    # Runs of several rows, at the same tokens and then at several.
    at_once = runs.assign(run_id=runs.groupby(["params", "tokens"]).ngroup())
    assert [m.axis for m in make_design(Model.load("generalised"), at_once).misfit] == ["flops", "params"]
    curves = runs.assign(run_id=runs.groupby(["architecture", "task", "params"]).ngroup())
    posterior = prior_posterior(curves, Model.load("generalised"), draws=50)
    assert [(m.axis, m.cells) for m in posterior.design.misfit[1:]] == [("params", 1), ("tokens", 1)]
    early = runs["tokens"].min()
    # As dear and as large as any, so that it is off for its few tokens alone.
    new = pd.DataFrame(
        {"params": runs["params"].max(), "flops": runs["flops"].max(), "tokens": [early]}
    ).assign(architecture="lstm", task="prose")
    axis, known = posterior.design.misfit[-1], split(posterior.z, layout_of(posterior.design)).misfit[-1]
    below = axis.basis(np.log([runs["tokens"].max() / early]))
    assert Predictor(posterior).misfit(new) == pytest.approx(np.asarray(known) @ below.T)
