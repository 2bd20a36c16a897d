"""From raw draws to named quantities in natural units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayescale.models.arrays import Data, coefficient_normals, data_of, linear_map
from bayescale.models.density import (
    cell_parameters,
    common_noise,
    correlation_roots,
    expected_loss,
    log_likelihood,
    log_prior,
    log_spreads,
    misfit_of,
    noise_effects,
    population,
    unlink,
)
from bayescale.models.design import Design
from bayescale.models.layout import Layout, layout_of, split

BATCH, ROWS = 500, 500_000
"""Draws per compiled call, and draws times rows at most; the last batch is padded, so that one compilation serves
all."""


@dataclass(frozen=True, eq=False)
class Quantities:
    """Everything that is read off a posterior, by name; arrays lead with (chains, draws).

    Attributes
    ----------
    posterior : dict
        For each law parameter p: `p` in every cell (at the mean of its covariates there), `p_mean` in the population,
        `p_term` the size of its term at the reference point where it is centred, for each covariate x of it the
        coefficient `p.x` (on the link scale, per standard deviation of x), and for each factor f of it `p|f` (effects
        on the link scale) and `p|f_sd`, of slopes `p.x|f` and `p.x|f_sd`; of effects that are correlated by a tag t
        `cor|t|f`; then the size of the misfit along each axis, and the noise parameters, with `sigma|f` (on the log
        scale) and `sigma|f_sd` for each factor that it differs by; and after a fit the drift of every axis
        (`bayescale.inference.drift`).
    dims : dict
        Names of the dimensions after the first two.
    coords : dict
        Labels of those dimensions.
    log_likelihood : ndarray, shape (chains, draws, runs)
        Of log loss, all rows of a run together.
    log_prior : dict of ndarray, shape (chains, draws)
    """

    posterior: dict[str, np.ndarray]
    dims: dict[str, list[str]]
    coords: dict[str, list[Any]]
    log_likelihood: np.ndarray
    log_prior: dict[str, np.ndarray]

    def adding(self, more: dict[str, np.ndarray]) -> Quantities:
        """With further scalar quantities, shape (chains, draws) each."""
        return replace(self, posterior=self.posterior | more)


@partial(jax.jit, static_argnums=1)
def _evaluate(z: Any, layout: Layout, data: Data) -> Any:
    def one(z: Any) -> Any:
        cells = cell_parameters(z, layout, data | data["cells"])
        means = unlink(layout.law, population(z, layout, data), data["reference"])
        noisier, noise_spreads = noise_effects(split(z, layout).noise, layout, data)
        terms = layout.law.sampled(cells, data["reference"])
        return {
            "cells": cells,
            "means": means,
            "terms": {p.name: terms[p.name] for p in layout.law.parameters if p.centring},
            "effects": tuple(
                basis @ u for basis, u in zip(data["level_bases"], split(z, layout).effects, strict=True)
            ),
            "coefficients": split(z, layout).coefficients,
            "spreads": jnp.exp(log_spreads(split(z, layout).spreads, data)),
            "noise": common_noise(split(z, layout).noise, layout, data),
            "noise_effects": tuple(basis @ u for basis, u in zip(data["noise_bases"], noisier, strict=True)),
            "noise_spreads": noise_spreads,
            "correlations": tuple(
                (root @ root.T)[np.tril_indices(len(root), -1)]
                for root in correlation_roots(split(z, layout).correlations, layout, data)
            ),
            "log_likelihood": log_likelihood(z, layout, data),
            "log_prior": log_prior(z, layout, data),
        }

    return jax.vmap(one)(z)


@partial(jax.jit, static_argnums=1)
def _expected(z: Any, layout: Layout, data: Data) -> Any:
    return jax.vmap(lambda v: expected_loss(v, layout, data))(z)


@partial(jax.jit, static_argnums=1)
def _misfit(z: Any, layout: Layout, data: Data) -> Any:
    return jax.vmap(lambda v: misfit_of(v[: layout.linear], layout, data))(z)


def _in_batches(function: Any, z: np.ndarray, layout: Layout, data: Data) -> Any:
    """Evaluate at every row of z, shape (draws, size), and put the pieces together."""
    batch = max(1, min(BATCH, ROWS // len(data["place"])))
    # Put together as they come: of many rows, pieces and a copy of them all would take twice the memory.
    whole: Any = None
    for start in range(0, len(z), batch):
        piece = z[start : start + batch]
        padded = np.concatenate([piece, np.repeat(piece[-1:], batch - len(piece), axis=0)])
        found = function(padded, layout, data)
        if whole is None:
            whole = jax.tree.map(lambda x: np.empty((len(z), *x.shape[1:]), x.dtype), found)
        rows = slice(start, start + len(piece))
        for into, x in zip(jax.tree.leaves(whole), jax.tree.leaves(found), strict=True):
            into[rows] = np.asarray(x)[: len(piece)]
    return whole


def _coefficients(design: Design, parameter: str, standard: np.ndarray) -> dict[str, np.ndarray]:
    """Draws of a parameter's coefficients, or of an input's, by name."""
    normals = coefficient_normals(design)
    return {
        c.name: normals[i, 0] + normals[i, 1] * standard[:, i]
        for i, c in enumerate(design.coefficients)
        if c.parameter == parameter
    }


def quantities(design: Design, z: np.ndarray) -> Quantities:
    """Named quantities of raw draws, shape (chains, draws, size)."""
    layout, shape = layout_of(design), z.shape[:2]
    data = data_of(design)
    at_cells = (
        linear_map(design, design.groups)
        if design.covariates
        else {name: data[name] for name in ("origin", "map")}
    )
    data |= {
        "level_bases": tuple(e.basis for e in design.effects),
        "noise_bases": tuple(e.basis for e in design.noise_effects),
        "cells": at_cells,
    }
    flat = _in_batches(_evaluate, z.reshape(-1, z.shape[-1]), layout, data)

    posterior: dict[str, np.ndarray] = {}
    dims: dict[str, list[str]] = {}
    coords: dict[str, list[Any]] = {"cell": design.cell_labels}
    for name in layout.law.parameter_names:
        posterior[name], dims[name] = flat["cells"][name], ["cell"]
        if name in flat["terms"]:
            posterior[f"{name}_term"], dims[f"{name}_term"] = flat["terms"][name], ["cell"]
        posterior[f"{name}_mean"] = flat["means"][name]
        posterior |= _coefficients(design, name, flat["coefficients"])
        for i, effects in enumerate(design.effects):
            if effects.parameter == name:
                factor = ":".join(effects.factor)
                posterior[effects.name], dims[effects.name] = flat["effects"][i], [factor]
                posterior[f"{effects.name}_sd"] = flat["spreads"][:, i]
                coords[factor] = list(effects.labels)
    for name in layout.moved:
        posterior |= _coefficients(design, name, flat["coefficients"])
    for i, misfit in enumerate(design.misfit):
        posterior[f"misfit_{misfit.axis}"] = flat["spreads"][:, len(design.effects) + i]
    for i, bundle in enumerate(design.bundles):
        members = [design.effects[j].name.split("|")[0] for j in bundle.members]
        posterior[f"cor{bundle.tag}"], dims[f"cor{bundle.tag}"] = (
            flat["correlations"][i],
            [f"pair{bundle.tag}"],
        )
        coords[f"pair{bundle.tag}"] = [f"{members[b]}, {members[a]}" for a, b in bundle.pairs]
    posterior |= flat["noise"]
    for i, effects in enumerate(design.noise_effects):
        factor = ":".join(effects.factor)
        posterior[effects.name], dims[effects.name] = flat["noise_effects"][i], [factor]
        posterior[f"{effects.name}_sd"] = flat["noise_spreads"][:, i]
        coords[factor] = list(effects.labels)

    def by_chain(x: np.ndarray) -> np.ndarray:
        return x.reshape(*shape, *x.shape[1:])

    groups = [(e.name, f"{e.name}_sd") for e in design.effects]
    groups += [(f"misfit {m.axis}", f"misfit_{m.axis}") for m in design.misfit]
    owner = {f"effects{i}": name for i, (name, _) in enumerate(groups)}
    owner |= {f"noise effects{i}": e.name for i, e in enumerate(design.noise_effects)}
    owner |= {f"noise spread{i}": f"{e.name}_sd" for i, e in enumerate(design.noise_effects)}
    for i, bundle in enumerate(design.bundles):
        owner |= {f"correlation{i}": f"cor{bundle.tag}", f"correlated{i}": f"effects{bundle.tag}"}
    owner |= {f"coefficient{i}": coefficient.name for i, coefficient in enumerate(design.coefficients)}
    owner |= {f"spread{i}": spread for i, (_, spread) in enumerate(groups)}
    return Quantities(
        posterior={name: by_chain(x) for name, x in posterior.items()},
        dims=dims,
        coords=coords,
        log_likelihood=by_chain(flat["log_likelihood"]),
        log_prior={owner.get(name, name): by_chain(x) for name, x in flat["log_prior"].items()},
    )


def fitted_loss(design: Design, z: np.ndarray, kept: np.ndarray | None = None) -> np.ndarray:
    """Expected loss at the design's rows for raw draws (draws, size) of a fit to the kept ones, shape (draws, rows)."""
    return _in_batches(_expected, z, layout_of(design), data_of(design, kept))


def fitted_misfit(design: Design, z: np.ndarray) -> np.ndarray:
    """Return what the misfit adds to the log of the expected loss at the design's rows, shape (draws, rows)."""
    return np.asarray(_in_batches(_misfit, z, layout_of(design), data_of(design)))


def measured_loss(expected: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Losses that runs would measure: expected ones with noise on their log, of the same shape."""
    # With few degrees of freedom a draw can be beyond what a float holds; e^50 is as absurd a factor, and finite.
    return expected * np.exp(np.clip(noise, -50, 50))


def prior_draws(design: Design, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Raw vectors from the prior, shape (draws, size)."""
    layout, data = layout_of(design), data_of(design)
    z = rng.normal(size=(draws, layout.size))
    tau = np.exp(np.asarray(log_spreads(split(z, layout).spreads, data)))
    start = layout.common
    for i, free in enumerate(layout.groups):
        z[:, start : start + free] *= tau[:, i : i + 1]
        start += free
    starts = layout.common + np.cumsum([0, *layout.groups])
    roots = correlation_roots(split(z, layout).correlations, layout, data)
    for bundle, root in zip(layout.tied, roots, strict=True):
        at = np.stack([starts[i] + np.arange(layout.groups[i]) for i in bundle])
        standard = z[:, at] / tau[:, np.array(bundle), None]
        z[:, at] = np.einsum("dij,djf->dif", root, standard) * tau[:, np.array(bundle), None]
    return z
