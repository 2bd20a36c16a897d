"""The log density that is sampled, as a pure function of one vector and the data.

The vector z holds, in this order: a standardised population mean for each parameter (standard normal a priori), the
free coordinates of every factor's effects (on the link scale), and the standardised logs of sigma and nu, and of
sigma_run where runs give several rows.

The standard deviation between groups is not in it: it is integrated out (`bayescale.models.spread`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import bayescale.backend  # noqa: F401, sets JAX up
from bayescale.laws import Law
from bayescale.models.design import Design, Effects
from bayescale.models.noise import log_student_t, log_student_t_by_run
from bayescale.models.spread import log_effects, spread_grid

Array = Any
Data = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Layout:
    """What the density has to know at compile time; equal layouts share one compilation."""

    law: Law
    blocks: tuple[tuple[int, int], ...]
    """Of each factor's effects: index of its parameter, and number of free coordinates."""
    noise: tuple[str, ...] = ("sigma", "nu")
    """The noise parameters, all positive; ``sigma_run`` is among them where runs give several rows."""

    def __hash__(self) -> int:
        return hash((id(self.law), self.blocks, self.noise))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Layout)
            and self.law is other.law
            and self.blocks == other.blocks
            and self.noise == other.noise
        )

    @property
    def size(self) -> int:
        return len(self.law.parameters) + sum(free for _, free in self.blocks) + len(self.noise)


def layout_of(design: Design) -> Layout:
    names = design.law.parameter_names
    blocks = tuple((names.index(e.parameter), e.free) for e in design.effects)
    return Layout(design.law, blocks, noise_names(design))


def noise_names(design: Design) -> tuple[str, ...]:
    return ("sigma", "nu", "sigma_run") if design.several else ("sigma", "nu")


def data_of(design: Design, typical_spread: bool = False) -> Data:
    """The arrays of a design, all of them arguments of the density, so that refits do not compile again.

    `typical_spread` puts every standard deviation between groups at its prior median, in arrays of the
    same shapes: a plainer density whose mode and curvature are where sampling starts.
    """
    model, law = design.model, design.law
    normals = np.array([model.prior(p.name).normal(p.support) for p in law.parameters])
    cells = [
        np.array([_level_index(e, row) for row in design.cells.to_dict("records")]) for e in design.effects
    ]
    return {
        "inputs": {name: jnp.asarray(x) for name, x in design.inputs.items()},
        "log_loss": jnp.asarray(np.log(design.loss)),
        "relative_se": jnp.asarray(design.loss_se / design.loss),
        "run": jnp.asarray(design.run),
        "rows": jnp.asarray(np.bincount(design.run).astype(float)),
        "cell": jnp.asarray(design.cell),
        "reference": {name: jnp.asarray(x) for name, x in design.reference.items()},
        "no_effect": jnp.zeros(len(design.cells)),
        "mean": jnp.asarray(normals[:, 0]),
        "sd": jnp.asarray(normals[:, 1]),
        "bases": tuple(jnp.asarray(e.basis[index]) for e, index in zip(design.effects, cells, strict=True)),
        "spread": tuple(_spread_grid(design, e, typical_spread) for e in design.effects),
        "noise": jnp.asarray([getattr(model.noise, n).normal("positive") for n in noise_names(design)]),
    }


def _level_index(effects: Effects, cell: Mapping[Any, Any]) -> int:
    return effects.levels.index(tuple(cell[column] for column in effects.factor))


def _spread_grid(design: Design, effects: Effects, typical: bool) -> tuple[Array, Array]:
    mean, sd = design.model.spread_prior(effects.parameter, effects.factor).normal("positive")
    log_tau, log_weight = spread_grid(mean, sd, effects.free)
    return jnp.asarray(np.full_like(log_tau, mean) if typical else log_tau), jnp.asarray(log_weight)


def log_density(z: Array, layout: Layout, data: Data) -> Array:
    """Log posterior density of one vector z, shape (size,), up to a constant."""
    prior = jnp.sum(jnp.stack(list(log_prior(z, layout, data).values())))
    return prior + jnp.sum(log_likelihood(z, layout, data))


def log_prior(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The prior, by what it is about: each parameter's mean, each factor's effects, each noise parameter."""
    means, effects, noise = split(z, layout)
    out = {p.name: -0.5 * means[i] ** 2 for i, p in enumerate(layout.law.parameters)}
    for i, (u, (log_tau, log_weight)) in enumerate(zip(effects, data["spread"], strict=True)):
        out[f"effects{i}"] = log_effects(u, log_tau, log_weight)
    out |= {name: -0.5 * noise[i] ** 2 for i, name in enumerate(layout.noise)}
    return out


def log_likelihood(z: Array, layout: Layout, data: Data) -> Array:
    """Of every run's log loss, shape (runs,): its one row, or all its rows together where runs give several."""
    noise = noise_of(z, layout, data)
    scale = jnp.sqrt(noise["sigma"] ** 2 + data["relative_se"] ** 2)
    residual = data["log_loss"] - jnp.log(expected_loss(z, layout, data))
    if "sigma_run" not in noise:
        return log_student_t(residual, scale, noise["nu"])
    return log_student_t_by_run(residual, scale, noise["nu"], noise["sigma_run"], data["run"], data["rows"])


def expected_loss(z: Array, layout: Layout, data: Data) -> Array:
    """The law at every run, nats per token, shape (runs,)."""
    theta = jnp.stack(list(cell_parameters(z, layout, data).values()), axis=-1)[data["cell"]]
    values = {p.name: theta[:, i] for i, p in enumerate(layout.law.parameters)}
    return layout.law.loss(values, data["inputs"])


def cell_parameters(z: Array, layout: Layout, data: Data) -> dict[str, Array]:
    """The law's parameters in every cell, in the units of the equation, shape (cells,) each."""
    linked = population(z, layout, data)
    linked = [x + data["no_effect"] for x in linked]
    for (parameter, _), basis, u in zip(layout.blocks, data["bases"], split(z, layout)[1], strict=True):
        linked[parameter] = linked[parameter] + basis @ u
    return unlink(layout.law, linked, data["reference"])


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
    _, _, noise = split(z, layout)
    mean, sd = data["noise"][:, 0], data["noise"][:, 1]
    return {name: jnp.exp(mean[i] + sd[i] * noise[..., i]) for i, name in enumerate(layout.noise)}


def split(z: Array, layout: Layout) -> tuple[Array, list[Array], Array]:
    """Means, effects factor by factor, and noise."""
    start = len(layout.law.parameters)
    effects = []
    for _, free in layout.blocks:
        effects.append(z[..., start : start + free])
        start += free
    return z[..., : len(layout.law.parameters)], effects, z[..., start:]
