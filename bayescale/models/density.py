"""The log density that is sampled, as a pure function of one vector and the data.

The vector z holds, in this order: a standardised population mean for each parameter (standard normal a priori), the
free coordinates of every factor's effects (on the link scale) and of the law's misfit, the standardised log of every
spread (the standard deviation between a factor's groups, the size of the misfit along an axis), and the standardised
logs of the noise parameters (`noise_names`). In which coordinates it is sampled is `bayescale.inference.whitening`'s
business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import bayescale.backend  # noqa: F401, sets JAX up
from bayescale.laws import Law
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

    def __hash__(self) -> int:
        return hash((id(self.law), self.blocks, self.misfit, self.clusters, self.noise))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Layout)
            and self.law is other.law
            and self.blocks == other.blocks
            and self.misfit == other.misfit
            and self.clusters == other.clusters
            and self.noise == other.noise
        )

    @property
    def linear(self) -> int:
        """How many coordinates the parameters on their link scale, and the misfit, are linear in."""
        return len(self.law.parameters) + sum(self.groups)

    @property
    def groups(self) -> tuple[int, ...]:
        """Sizes of the sets of coordinates that share a spread: every factor's effects, every axis's misfit."""
        return (*(free for _, free in self.blocks), *self.misfit)

    @property
    def size(self) -> int:
        return self.linear + len(self.groups) + len(self.noise)


class Parts(NamedTuple):
    """A vector z, taken apart; leading dimensions are kept."""

    means: Array
    effects: tuple[Array, ...]
    misfit: tuple[Array, ...]
    spreads: Array
    noise: Array


def layout_of(design: Design) -> Layout:
    names = design.law.parameter_names
    blocks = tuple((names.index(e.parameter), e.free) for e in design.effects)
    return Layout(
        design.law,
        blocks,
        tuple(m.free for m in design.misfit),
        _clusters(design, blocks),
        noise_names(design),
    )


def _clusters(design: Design, blocks: tuple[tuple[int, int], ...]) -> tuple[tuple[int, ...], ...]:
    """The misfit's coordinates by cells that share runs, smaller clusters put together to the size of the largest."""
    start = len(design.law.parameters) + sum(free for _, free in blocks)
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
    spreads = [model.spread_prior(e.parameter, e.factor).normal("positive") for e in design.effects]
    spreads += [getattr(model.misfit, m.axis).normal("positive") for m in design.misfit]
    return {
        "inputs": {name: jnp.asarray(x) for name, x in law.prepared(design.inputs).items()},
        "log_loss": jnp.asarray(np.log(design.loss)),
        "relative_se": jnp.asarray(design.loss_se / design.loss),
        "decades": jnp.asarray(design.decades),
        "kept": jnp.asarray(kept),
        "run": jnp.asarray(design.run),
        "rows": jnp.asarray(np.bincount(design.run, weights=kept)),
        "cell": jnp.asarray(design.cell),
        "reference": {name: jnp.asarray(x) for name, x in design.reference.items()},
        "mean": jnp.asarray(normals[:, 0]),
        "sd": jnp.asarray(normals[:, 1]),
        "map": jnp.asarray(_linear_map(design, normals[:, 1])),
        "misfit": jnp.asarray(misfit_rows(design, kept > 0)),
        "spread": jnp.asarray(np.array(spreads).reshape(-1, 2)),
        "noise": jnp.asarray([getattr(model.noise, n).normal("positive") for n in noise_names(design)]),
    }


def misfit_rows(design: Design, kept: np.ndarray) -> np.ndarray:
    """From the misfit's coordinates to every row's, shape (rows, coordinates); its top is that of the kept rows."""
    found = [
        m.rows(design.axes[m.axis][kept].max() - design.axes[m.axis], design.cell) for m in design.misfit
    ]
    return np.hstack(found) if found else np.zeros((len(design.loss), 0))


def _linear_map(design: Design, sd: np.ndarray) -> np.ndarray:
    """From means and effects to every cell's parameters less their prior means, shape (cells, parameters, linear)."""
    layout = layout_of(design)
    found = np.zeros((len(design.cells), len(sd), layout.linear))
    # The misfit's coordinates, the last of them, move no parameter.
    found[:, range(len(sd)), range(len(sd))] = sd
    start = len(sd)
    for (parameter, free), effects in zip(layout.blocks, design.effects, strict=True):
        rows = design.cells.to_dict("records")
        level = [effects.levels.index(tuple(row[column] for column in effects.factor)) for row in rows]
        found[:, parameter, start : start + free] = effects.basis[level]
        start += free
    return found


def log_density(z: Array, layout: Layout, data: Data) -> Array:
    """Log posterior density of one vector z, shape (size,), up to a constant."""
    # `log_prior` in one piece: a tenth of the operations to compile.
    theta, others = z[: layout.linear], z[layout.linear :]
    log_tau = log_spreads(others[: len(layout.groups)], data)
    prior = -0.5 * jnp.sum(linear_precision(log_tau, layout) * theta**2) - 0.5 * jnp.sum(others**2)
    prior = prior - jnp.sum(np.array(layout.groups, float) * log_tau)
    return prior + jnp.sum(log_likelihood(z, layout, data))


def linear_precision(log_tau: Array, layout: Layout) -> Array:
    """Prior precision of means, effects and misfit given the log spreads, shape (linear,)."""
    ones = jnp.ones(len(layout.law.parameters))
    if not layout.groups:
        return ones
    sizes = np.array(layout.groups)
    return jnp.concatenate(
        [ones, jnp.repeat(jnp.exp(-2 * log_tau), sizes, total_repeat_length=int(sizes.sum()))]
    )


def log_prior(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The prior, by what it is about: each mean, each factor's or axis's effects and spread, each noise parameter."""
    parts = split(z, layout)
    log_tau = log_spreads(parts.spreads, data)
    out = {p.name: -0.5 * parts.means[i] ** 2 for i, p in enumerate(layout.law.parameters)}
    for i, u in enumerate((*parts.effects, *parts.misfit)):
        out[f"effects{i}"] = -0.5 * jnp.sum(u**2) * jnp.exp(-2 * log_tau[i]) - u.shape[0] * log_tau[i]
        out[f"spread{i}"] = -0.5 * parts.spreads[i] ** 2
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
    theta = jnp.stack(list(cell_parameters(z, layout, data).values()), axis=-1)[data["cell"]]
    values = {p.name: theta[:, i] for i, p in enumerate(layout.law.parameters)}
    loss = layout.law.loss(values, data["inputs"])
    if layout.misfit:
        loss = loss * jnp.exp(data["misfit"] @ z[layout.linear - sum(layout.misfit) : layout.linear])
    return loss


def cell_parameters(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The law's parameters in every cell, in the units of the equation, shape (cells,) each."""
    linked = data["mean"] + data["map"] @ z[: layout.linear]
    return unlink(layout.law, [linked[:, i] for i in range(len(layout.law.parameters))], data["reference"])


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


def natural_noise(noise: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The noise parameters by name, from standardised logs of shape (..., parameters)."""
    mean, sd = data["noise"][:, 0], data["noise"][:, 1]
    return {name: jnp.exp(mean[i] + sd[i] * noise[..., i]) for i, name in enumerate(layout.noise)}


def split(z: Array, layout: Layout) -> Parts:
    """A vector, or an array of them along the last axis, taken apart."""
    start = len(layout.law.parameters)
    groups = []
    for free in layout.groups:
        groups.append(z[..., start : start + free])
        start += free
    end = layout.linear + len(layout.groups)
    count = len(layout.blocks)
    means, spreads, noise = z[..., : len(layout.law.parameters)], z[..., layout.linear : end], z[..., end:]
    return Parts(means, tuple(groups[:count]), tuple(groups[count:]), spreads, noise)
