"""The log density that is sampled, as a pure function of one vector and the data.

The vector z holds, in this order: a standardised population mean for each parameter and a standardised coefficient for
each of its covariates (standard normal a priori), the free coordinates of every factor's effects (on the link scale)
and of the law's misfit, the standardised log of every spread (the standard deviation between a factor's groups, the
size of the misfit along an axis), the standardised logs of the noise parameters (`noise_names`), and where the noise
differs by group its effects in units of their spread, and the standardised logs of these spreads; and the standardised
Fisher's z of the partial correlations of effects that are correlated (`bayescale.models.correlation`). In which
coordinates it is sampled is `bayescale.inference.whitening`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import bayescale.backend  # noqa: F401, sets JAX up
from bayescale.laws import Law
from bayescale.models.correlation import log_correlated, pairs, precision_of, root_of
from bayescale.models.design import Design
from bayescale.models.noise import log_student_t, log_student_t_by_run, row_scale

Array = Any
Data = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """What the density has to know at compile time; equal layouts share one compilation."""

    law: Law
    blocks: tuple[tuple[int, int], ...]
    """Of each factor's effects: index of its parameter, and number of free coordinates."""
    misfit: tuple[int, ...] = ()
    """Number of coordinates of the law's misfit along each axis."""
    clusters: tuple[tuple[int, ...], ...] = ()
    """Linear coordinates that only rows of one cluster of cells tell of, by cluster, as many in each."""
    noise: tuple[str, ...] = ("sigma", "nu")
    """The noise parameters, all positive (`noise_names`)."""
    coefficients: tuple[int, ...] = ()
    """Of each covariate's coefficient: index of its parameter."""
    noisy: tuple[int, ...] = ()
    """Of each factor's effects on sigma: number of free coordinates."""
    tied: tuple[tuple[int, ...], ...] = ()
    """Sets of blocks whose effects are correlated."""

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.blocks, self.misfit, self.clusters, self.noise, self.coefficients, self.noisy, self.tied

    def __hash__(self) -> int:
        return hash((id(self.law), self._key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layout) and self.law is other.law and self._key == other._key

    @property
    def common(self) -> int:
        """How many coordinates all groups have in common: means and coefficients."""
        return len(self.law.parameters) + len(self.coefficients)

    @property
    def linear(self) -> int:
        """How many coordinates the parameters on their link scale, and the misfit, are linear in."""
        return self.common + sum(self.groups)

    @property
    def mapped(self) -> int:
        """How many of them the parameters are linear in."""
        return self.linear - sum(self.misfit)

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the sets of coordinates that share a spread: every factor's effects, every axis's misfit."""
        return (*(free for _, free in self.blocks), *self.misfit)

    @property
    def size(self) -> int:
        return self.linear + len(self.groups) + self.noises + sum(map(pairs, self.tied))

    @property
    def noises(self) -> int:
        """How many coordinates the noise has."""
        return len(self.noise) + sum(self.noisy) + len(self.noisy)


class Parts(NamedTuple):
    """A vector z, taken apart; leading dimensions are kept."""

    means: Array
    coefficients: Array
    effects: tuple[Array, ...]
    misfit: tuple[Array, ...]
    spreads: Array
    noise: Array
    correlations: Array


def layout_of(design: Design) -> Layout:
    names = design.law.parameter_names
    blocks = tuple((names.index(e.parameter), e.free) for e in design.effects)
    return Layout(
        design.law,
        blocks,
        tuple(m.free for m in design.misfit),
        _clusters(design, blocks),
        noise_names(design),
        tuple(names.index(c.parameter) for c in design.coefficients),
        tuple(e.free for e in design.noise_effects),
        tuple(bundle.members for bundle in design.bundles),
    )


def _clusters(design: Design, blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    """The misfit's coordinates by cells that share runs, smaller clusters put together to the size of the largest."""
    start = len(design.law.parameters) + len(design.coefficients) + sum(free for _, free in blocks)
    found: list[np.ndarray] = []
    for axis in design.misfit:
        if axis.cells > 1:
            each = start + np.arange(axis.free).reshape(axis.cells, axis.knots)
            found += [each[cells].ravel() for cells in _tied(design)]
        start += axis.free
    largest = max((len(cluster) for cluster in found), default=0)
    bins: list[list[int]] = []
    for cluster in sorted(found, key=len, reverse=True):
        open_bin = next((b for b in bins if len(b) + len(cluster) <= largest), None)
        if open_bin is None:
            bins.append(open_bin := [])
        open_bin += cluster.tolist()
    # What fills no bin is left among the coordinates that cells share: correct, and a little dearer.
    return tuple(tuple(b) for b in bins if len(b) == largest)


def _tied(design: Design) -> list[np.ndarray]:
    """Cells by the runs that have rows in several of them."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    shape = (len(design.cells), int(design.run.max()) + 1)
    member = coo_array((np.ones(len(design.run)), (design.cell, design.run)), shape=shape)
    count, label = connected_components(member @ member.T, directed=False)
    return [np.flatnonzero(label == i) for i in range(count)]


def noise_names(design: Design) -> tuple[str, ...]:
    """``sigma_decade`` where compute is known and varies, ``sigma_run`` where runs give several rows."""
    return ("sigma", "nu", *["sigma_decade"] * design.graded, *["sigma_run"] * design.several)


def data_of(design: Design, kept: np.ndarray | None = None) -> Data:
    """The arrays of a design, all of them arguments of the density, so that refits do not compile again.

    Parameters
    ----------
    design : Design
    kept : ndarray of bool, shape (rows,), optional
        Rows that count; the others stay in the arrays, so that shapes do not change, and say nothing.
    """
    model, law = design.model, design.law
    kept = np.ones(len(design.loss)) if kept is None else kept.astype(float)
    normals = np.array([model.prior(p.name).normal(p.support) for p in law.parameters])
    spreads = [model.spread_prior(*e.about).normal("positive") for e in design.effects]
    spreads += [getattr(model.misfit, m.axis).normal("positive") for m in design.misfit]
    return {
        "inputs": {name: jnp.asarray(x) for name, x in law.prepared(design.inputs).items()},
        "log_loss": jnp.asarray(np.log(design.loss)),
        "relative_se": jnp.asarray(design.loss_se / design.loss),
        "decades": jnp.asarray(design.decades),
        "kept": jnp.asarray(kept),
        "run": jnp.asarray(design.run),
        "rows": jnp.asarray(np.bincount(design.run, weights=kept)),
        "place": jnp.asarray(design.place),
        "reference": {name: jnp.asarray(x) for name, x in design.reference.items()},
        "mean": jnp.asarray(normals[:, 0]),
        "sd": jnp.asarray(normals[:, 1]),
        **linear_map(design, design.places),
        "misfit": misfit_rows(design, kept > 0),
        "spread": jnp.asarray(np.array(spreads).reshape(-1, 2)),
        "noise_rows": jnp.asarray(design.noise_rows),
        "noise_spread": jnp.asarray(
            np.array([model.spread_prior(*e.about).normal("positive") for e in design.noise_effects]).reshape(
                -1, 2
            )
        ),
        "correlation": jnp.asarray(
            np.array([model.correlation_prior(bundle.tag) for bundle in design.bundles]).reshape(-1, 2)
        ),
        "noise": jnp.asarray([getattr(model.noise, n).normal("positive") for n in noise_names(design)]),
    }


def misfit_rows(design: Design, kept: np.ndarray) -> list[Data]:
    """Of the misfit along each axis, what `misfit_of` needs; its top is that of the kept rows.

    Returns
    -------
    list of dict
        ``basis``, shape (rows, knots), and ``own``, shape (rows,), which of the deviations is the row's.
    """
    return [
        {
            "basis": jnp.asarray(m.basis(design.axes[m.axis][kept].max() - design.axes[m.axis])),
            "own": jnp.asarray(design.cell if m.cells > 1 else np.zeros_like(design.cell)),
        }
        for m in design.misfit
    ]


def coefficient_normals(design: Design) -> np.ndarray:
    """Mean and standard deviation of the prior of every coefficient, shape (coefficients, 2)."""
    found = [
        design.model.coefficient_prior(c.parameter, c.covariate.covariate).normal("real")
        for c in design.coefficients
    ]
    return np.array(found).reshape(-1, 2)


def linear_map(design: Design, places: pd.DataFrame) -> Data:
    """From means, coefficients and effects to the parameters of places, on their link scale.

    Parameters
    ----------
    places : DataFrame
        Labels that the design knows, and the columns of its covariates.

    Returns
    -------
    dict
        ``origin``, shape (places, parameters), where the map begins: the prior's middle; and ``map``, shape (places,
        parameters, mapped): the misfit's coordinates, the last of the linear ones, move no parameter.
    """
    layout, law = layout_of(design), design.law
    normals = np.array([design.model.prior(p.name).normal(p.support) for p in law.parameters])
    found = np.zeros((len(places), len(normals), layout.mapped))
    origin = np.repeat(normals[None, :, 0], len(places), axis=0)
    at = {scaled: scaled.standard(places) for scaled in design.covariates}
    found[:, range(len(normals)), range(len(normals))] = normals[:, 1]
    start = len(normals)
    for parameter, coefficient, (mean, sd) in zip(
        layout.coefficients, design.coefficients, coefficient_normals(design), strict=True
    ):
        origin[:, parameter] += mean * at[coefficient.covariate]
        found[:, parameter, start] = sd * at[coefficient.covariate]
        start += 1
    rows = places.to_dict("records")
    for (parameter, free), effects in zip(layout.blocks, design.effects, strict=True):
        level = [effects.levels.index(tuple(row[column] for column in effects.factor)) for row in rows]
        basis = effects.basis[level]
        found[:, parameter, start : start + free] = (
            basis if effects.covariate is None else at[effects.covariate][:, None] * basis
        )
        start += free
    return {"origin": jnp.asarray(origin), "map": jnp.asarray(found)}


def log_density(z: Array, layout: Layout, data: Data) -> Array:
    """Log posterior density of one vector z, shape (size,), up to a constant."""
    # `log_prior` in one piece: a tenth of the operations to compile.
    theta, others = z[: layout.linear], z[layout.linear :]
    log_tau = log_spreads(others[: len(layout.groups)], data)
    prior = -0.5 * jnp.sum(linear_precision(log_tau, layout) * theta**2) - 0.5 * jnp.sum(others**2)
    prior = prior - jnp.sum(np.array(layout.groups, float) * log_tau)
    if layout.tied:
        prior = prior + jnp.sum(_correlated(z, layout, data))
    return prior + jnp.sum(log_likelihood(z, layout, data))


def _correlated(z: Array, layout: Layout, data: Data) -> Array:
    """What correlations add to the log prior of effects, as if independent, by bundle."""
    parts = split(z, layout)
    log_tau = log_spreads(parts.spreads, data)
    found = []
    for bundle, root in zip(layout.tied, correlation_roots(parts.correlations, layout, data), strict=True):
        standard = jnp.stack([parts.effects[i] * jnp.exp(-log_tau[i]) for i in bundle])
        found.append(log_correlated(standard, root))
    return jnp.stack(found)


def correlation_roots(correlations: Array, layout: Layout, data: Data) -> list[Array]:
    """Roots of the correlations of every bundle, shape (..., members, members), from their standardised Fisher's z."""
    found, start = [], 0
    for i, bundle in enumerate(layout.tied):
        count = pairs(bundle)
        z = data["correlation"][i, 0] + data["correlation"][i, 1] * correlations[..., start : start + count]
        found.append(root_of(z, len(bundle)))
        start += count
    return found


def off_diagonal(log_tau: Array, correlations: Array, layout: Layout, data: Data) -> Array:
    """What correlations add to the diagonal prior precision (`linear_precision`), shape (linear, linear)."""
    total = jnp.zeros((layout.linear, layout.linear))
    starts = layout.common + np.cumsum([0, *layout.groups])
    for bundle, root in zip(layout.tied, correlation_roots(correlations, layout, data), strict=True):
        where = np.stack([starts[i] + np.arange(layout.groups[i]) for i in bundle])
        scale = jnp.exp(-log_tau[np.array(bundle)])
        added = (precision_of(root) - jnp.eye(len(bundle))) * scale[:, None] * scale
        total = total.at[where[:, None, :], where[None, :, :]].add(added[:, :, None])  # noqa: PD008  JAX's
    return total


def linear_precision(log_tau: Array, layout: Layout) -> Array:
    """Prior precision of means, coefficients, effects and misfit given the log spreads, shape (linear,)."""
    ones = jnp.ones(layout.common)
    if not layout.groups:
        return ones
    sizes = np.array(layout.groups)
    return jnp.concatenate(
        [ones, jnp.repeat(jnp.exp(-2 * log_tau), sizes, total_repeat_length=int(sizes.sum()))]
    )


def log_prior(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The prior, by what it is about: means, coefficients, each factor's or axis's effects and spread, the noise."""
    parts = split(z, layout)
    log_tau = log_spreads(parts.spreads, data)
    out = {p.name: -0.5 * parts.means[i] ** 2 for i, p in enumerate(layout.law.parameters)}
    out |= {f"coefficient{i}": -0.5 * parts.coefficients[i] ** 2 for i in range(len(layout.coefficients))}
    for i, u in enumerate((*parts.effects, *parts.misfit)):
        out[f"effects{i}"] = -0.5 * jnp.sum(u**2) * jnp.exp(-2 * log_tau[i]) - u.shape[0] * log_tau[i]
        out[f"spread{i}"] = -0.5 * parts.spreads[i] ** 2
    effects, spreads = _noise_tail(parts.noise, layout)
    for i, v in enumerate(effects):
        out[f"noise effects{i}"] = -0.5 * jnp.sum(v**2)
        out[f"noise spread{i}"] = -0.5 * spreads[i] ** 2
    if layout.tied:
        ends = np.cumsum([pairs(bundle) for bundle in layout.tied])[:-1]
        for i, own in enumerate(jnp.split(parts.correlations, ends)):
            out[f"correlation{i}"] = -0.5 * jnp.sum(own**2)
            out[f"correlated{i}"] = _correlated(z, layout, data)[i]
    return out | {name: -0.5 * parts.noise[i] ** 2 for i, name in enumerate(layout.noise)}


def log_spreads(spreads: Array, data: Data) -> Array:
    """Log standard deviation between the groups of every factor."""
    return data["spread"][:, 0] + data["spread"][:, 1] * spreads


def log_likelihood(z: Array, layout: Layout, data: Data) -> Array:
    """Of every run's log loss, shape (runs,): its one row, or all its rows together where runs give several."""
    return noise_density(jnp.log(expected_loss(z, layout, data)), noise_of(z, layout, data), data)


def noise_density(log_expected: Array, noise: Mapping[str, Array], data: Data) -> Array:
    """Of every run's log loss, shape (runs,), where log losses of shape (rows,) are expected."""
    scale = row_scale(noise, data["decades"], data["relative_se"])
    residual = data["log_loss"] - log_expected
    if "sigma_run" not in noise:
        return data["kept"] * log_student_t(residual, scale, noise["nu"])
    return log_student_t_by_run(
        residual, scale, data["kept"], noise["nu"], noise["sigma_run"], data["run"], data["rows"]
    )


def expected_loss(z: Array, layout: Layout, data: Data) -> Array:
    """Of every row, nats per token, shape (rows,): the law's, and its misfit."""
    theta = z[: layout.linear]
    return law_loss(linked(theta, layout, data), layout, data) * jnp.exp(misfit_of(theta, layout, data))


def law_loss(linked: Array, layout: Layout, data: Data) -> Array:
    """Of every row by the law alone, shape (rows,), given the parameters of places on their link scale."""
    columns = [linked[:, i] for i in range(linked.shape[1])]
    values = jnp.stack(list(unlink(layout.law, columns, data["reference"]).values()), axis=-1)[data["place"]]
    each = {name: values[:, i] for i, name in enumerate(layout.law.parameter_names)}
    return layout.law.loss(each, data["inputs"])


def linked(theta: Array, layout: Layout, data: Data) -> Array:
    """The law's parameters at every place of the map on their link scale, shape (places, parameters)."""
    return data["origin"] + data["map"] @ theta[: layout.mapped]


def misfit_of(theta: Array, layout: Layout, data: Data) -> Array:
    """What the misfit adds to every row's log of the expected loss, shape (rows,)."""
    total, start = jnp.zeros(data["place"].shape), layout.mapped
    for free, axis in zip(layout.misfit, data["misfit"], strict=True):
        basis = axis["basis"]
        deviations = theta[start : start + free].reshape(-1, basis.shape[1])
        # Every row has one deviation: a product with all of them would be zeros but for that.
        total = total + jnp.sum(basis * deviations[axis["own"]], axis=1)
        start += free
    return total


def cell_parameters(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The law's parameters at every place of the map, in the units of the equation, shape (places,) each."""
    found = linked(z[: layout.linear], layout, data)
    return unlink(layout.law, [found[:, i] for i in range(found.shape[1])], data["reference"])


def population(z: Array, layout: Layout, data: Data) -> list[Array]:
    """Population mean of every parameter, on the link scale."""
    return [data["mean"][i] + data["sd"][i] * z[i] for i in range(len(layout.law.parameters))]


def unlink(law: Law, linked: list[Array], reference: Mapping[str, Array]) -> dict[str, Array]:
    """From the link scale, one array a parameter, to the units of the equation."""
    sampled = {p.name: INVERSE_LINK[p.support](x) for p, x in zip(law.parameters, linked, strict=True)}
    natural = law.natural(sampled, reference)
    return {name: natural[name] for name in law.parameter_names}


INVERSE_LINK: dict[str, Callable[[Array], Array]] = {
    "positive": jnp.exp,
    "unit": jax.nn.sigmoid,
    "real": lambda x: x,
}


def noise_of(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The noise parameters, by name."""
    return natural_noise(split(z, layout).noise, layout, data)


def noise_of_draws(z: np.ndarray, layout: Layout, data: Data) -> dict[str, np.ndarray]:
    """The noise parameters of draws, shape (draws, 1); sigma where it differs by group of shape (draws, rows)."""
    found = {name: np.asarray(x) for name, x in noise_of(z, layout, data).items()}
    return {name: x if x.ndim == 2 else x[:, None] for name, x in found.items()}


def natural_noise(noise: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The noise parameters by name, from coordinates of shape (..., noise); sigma by row where it differs by group."""
    common = common_noise(noise, layout, data)
    if not layout.noisy:
        return common
    moved = jnp.concatenate(noise_effects(noise, layout, data)[0], axis=-1) @ data["noise_rows"].T
    return common | {"sigma": common["sigma"][..., None] * jnp.exp(moved)}


def common_noise(noise: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """What all groups have in common of the noise, from coordinates of shape (..., noise)."""
    mean, sd = data["noise"][:, 0], data["noise"][:, 1]
    return {name: jnp.exp(mean[i] + sd[i] * noise[..., i]) for i, name in enumerate(layout.noise)}


def noise_effects(noise: Array, layout: Layout, data: Data) -> tuple[list[Array], Array]:
    """Of each factor, free coordinates of its effects on log sigma; and their spreads, shape (..., factors)."""
    effects, spreads = _noise_tail(noise, layout)
    spread = jnp.exp(data["noise_spread"][:, 0] + data["noise_spread"][:, 1] * spreads)
    return [spread[..., i : i + 1] * v for i, v in enumerate(effects)], spread


def _noise_tail(noise: Array, layout: Layout) -> tuple[list[Array], Array]:
    """Standard normal coordinates of the effects on the noise, by factor, and of their spreads."""
    effects, start = [], len(layout.noise)
    for free in layout.noisy:
        effects.append(noise[..., start : start + free])
        start += free
    return effects, noise[..., start : start + len(layout.noisy)]


def split(z: Array, layout: Layout) -> Parts:
    """A vector, or an array of them along the last axis, taken apart."""
    start = layout.common
    groups = []
    for free in layout.groups:
        groups.append(z[..., start : start + free])
        start += free
    end = layout.linear + len(layout.groups)
    count = len(layout.blocks)
    means, slopes = z[..., : len(layout.law.parameters)], z[..., len(layout.law.parameters) : layout.common]
    spreads, noise = z[..., layout.linear : end], z[..., end : end + layout.noises]
    correlations = z[..., end + layout.noises :]
    return Parts(means, slopes, tuple(groups[:count]), tuple(groups[count:]), spreads, noise, correlations)
