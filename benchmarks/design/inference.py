"""A posterior in about a second: Laplace at the mode, then adaptive importance sampling of the library's own density.

It is for designs that are fitted hundreds of times, of laws with few unknowns; everywhere else there is NUTS. The
effective number of draws comes along and is reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
import pandas as pd
import xarray as xr
from scipy.optimize import minimize
from scipy.stats import multivariate_t

import bayescale as bs
from bayescale.inference import Check, Health
from bayescale.inference.drift import drift_draws
from bayescale.inference.quantities import quantities
from bayescale.models import Design, make_design
from bayescale.models.arrays import data_of
from bayescale.models.density import cell_parameters, log_density
from bayescale.models.layout import layout_of

FREEDOM = 5
ROUNDS = (1500, 1500, 4000)
"""Draws of each round; a later round's proposal has the moments of the earlier ones."""
DRAWS = 2000
"""Draws that are kept, by resampling."""
LEAST = 200.0
"""Effective draws below which a fit is sampled again from where it got to, and marked where that does not help."""
AGAIN = 3
"""How often."""
PAD = 32
"""Rows come in multiples of this, the surplus counting nothing, so that few shapes are compiled."""


@partial(jax.jit, static_argnums=1)
def _down(z, layout, data):
    return jax.value_and_grad(lambda x: -log_density(x, layout, data))(z)


@partial(jax.jit, static_argnums=1)
def _bend(z, layout, data):
    return jax.hessian(lambda x: -log_density(x, layout, data))(z)


@partial(jax.jit, static_argnums=1)
def _densities(z, layout, data):
    return jax.vmap(lambda x: log_density(x, layout, data))(z)


@dataclass(frozen=True, eq=False)
class Quick:
    """A posterior, how many draws it is worth, and the best fit in the design's coordinates."""

    posterior: bs.Posterior
    ess: float
    mode: np.ndarray
    design: Design

    def best_fit(self, points: pd.DataFrame) -> np.ndarray:
        """Loss that the law forecasts at its best fit, shape (points,); of runs without groups."""
        values = cell_parameters(self.mode, layout_of(self.design), data_of(self.design))
        inputs = {name: points[name].to_numpy(float) for name in self.design.law.inputs}
        return np.asarray(self.design.law.loss({name: x[0] for name, x in values.items()}, inputs))


def padded(runs: pd.DataFrame, rows: int = 0) -> pd.DataFrame:
    """The runs, and some of them again, up to so many rows and a multiple of `PAD`."""
    count = PAD * -(-max(rows, len(runs)) // PAD)
    found = runs.loc[np.arange(count) % len(runs)].reset_index(drop=True)
    found.attrs = dict(runs.attrs)
    return found


def quick_fit(runs: pd.DataFrame, model: bs.Model, seed: int, rows: int = 0) -> Quick:
    """A posterior of the runs in about a second; fits of tables of up to `rows` share their compilation.

    Columns that say which rows belong together are set aside: every row is a run.
    """
    runs = runs.drop(columns=[c for c in ("run_id", "seed") if c in runs]).reset_index(drop=True)
    table = padded(runs, rows)
    design = make_design(model, table)
    kept = np.arange(len(design.loss)) < len(runs)
    layout, data = layout_of(design), data_of(design, kept)
    rng = np.random.default_rng([seed, 11])

    def objective(z):
        value, gradient = _down(z, layout, data)
        value, gradient = float(value), np.asarray(gradient, float)
        good = np.isfinite(value) and np.isfinite(gradient).all()
        return (value, gradient) if good else (1e10, np.zeros_like(gradient))

    best = None
    for attempt in range(3):
        start = np.zeros(layout.size) if not attempt else rng.normal(scale=0.7, size=layout.size)
        start[layout.size - len(layout.noise)] = 2.0  # rough noise first: no narrow valleys to be caught in
        found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 500})
        if best is None or found.fun < best.fun:
            best = found
    mode = best.x
    values, vectors = np.linalg.eigh(np.asarray(_bend(mode, layout, data)))
    cover = (vectors / np.maximum(values, 0.5)) @ vectors.T
    z, weight, ess = _sample(mode, cover, layout, data, rng)
    for _ in range(AGAIN):
        if ess >= LEAST:
            break
        mean, cover = _moments(z, weight)
        before = z, weight, ess
        z, weight, ess = max(
            (before, _sample(mean, cover, layout, data, rng), _sample(mode, 2 * cover, layout, data, rng)),
            key=lambda one: one[2],
        )
    picked = z[rng.choice(len(z), DRAWS, p=weight)]
    return Quick(_posterior(design, table, picked, seed, ess), ess, mode, design)


def _moments(z, weight):
    mean = weight @ z
    cover = (z - mean).T @ ((z - mean) * weight[:, None])
    return mean, cover + 1e-4 * np.diag(np.diag(cover) + 1e-6)


def _sample(mean, cover, layout, data, rng):
    proposals, all_z, all_density = [], [], []
    for count in ROUNDS:
        proposals.append((count, multivariate_t(mean, 1.2 * cover, df=FREEDOM, allow_singular=True)))
        z = np.atleast_2d(proposals[-1][1].rvs(count, random_state=rng))
        all_z.append(z)
        all_density.append(np.asarray(_densities(z, layout, data)))
        z, density = np.concatenate(all_z), np.concatenate(all_density)
        # Every draw is weighed against the mixture of all rounds' proposals.
        mixture = np.logaddexp.reduce([np.log(n) + p.logpdf(z) for n, p in proposals], axis=0)
        log_weight = np.where(np.isfinite(density), density - mixture, -np.inf)
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        if 1 / (weight**2).sum() > 2 * len(mean):
            mean, cover = _moments(z, weight)
        else:  # too few draws for moments: temper them
            soft = np.exp(0.3 * (log_weight - log_weight.max()))
            mean, cover = _moments(z, soft / soft.sum())
    return z, weight, float(1 / (weight**2).sum())


def _posterior(design, runs, z, seed, ess):
    # The padded table is the posterior's own: its reference point is what the draws are stated at.
    named = quantities(design, z[None])
    drifts = drift_draws(design, (), len(z), np.random.default_rng([seed, 12]))
    named = named.adding({f"drift_{axis}": k[None] for axis, k in drifts.items()})
    variables = {
        name: (("chain", "draw", *named.dims.get(name, [])), x) for name, x in named.posterior.items()
    }
    tree = xr.DataTree(
        children={
            "posterior": xr.DataTree(xr.Dataset(variables)),
            "unconstrained_posterior": xr.DataTree(
                xr.Dataset({"z": (("chain", "draw", "coordinate"), z[None])})
            ),
        }
    )
    good = "PASS" if ess >= LEAST else "REVIEW"
    health = Health(
        (Check("ESS", good, ess, f"at least {LEAST:g}", "", "Use bayescale fit, which is NUTS."),)
    )
    return bs.Posterior(tree, design.model, runs, health, {"notes": [], "folds": [], "seed": seed})
