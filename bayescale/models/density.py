"""The log density that is sampled, as a pure function of one vector (`bayescale.models.layout`) and the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import bayescale.backend  # noqa: F401, sets JAX up
from bayescale.laws import Law
from bayescale.models.arrays import Data
from bayescale.models.correlation import log_correlated, pairs, precision_of, root_of
from bayescale.models.layout import Layout, split
from bayescale.models.noise import log_student_t, log_student_t_by_run, row_scale

Array = Any


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
        total = total.at[where[:, None, :], where[None, :, :]].add(added[:, :, None])
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
    values = jnp.stack(list(_of_places(linked, layout, data).values()), axis=-1)[data["place"]]
    each = {name: values[:, i] for i, name in enumerate(layout.law.value_names)}
    return layout.law.loss(each, data["inputs"])


def linked(theta: Array, layout: Layout, data: Data) -> Array:
    """The law's parameters at every place of the map on their link scale, and logs of what moved inputs count as.

    Of shape (places, parameters + moved).
    """
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
    return _of_places(linked(z[: layout.linear], layout, data), layout, data)


def _of_places(linked: Array, layout: Layout, data: Data) -> dict[str, Array]:
    return natural_at([linked[:, i] for i in range(linked.shape[1])], layout, data["reference"])


def natural_at(linked: list[Array], layout: Layout, reference: Mapping[str, Array]) -> dict[str, Array]:
    """From the link scale, one array a parameter and one an input that is moved, to the units of the equation.

    A model that counts as one of g times its size is at the reference point where it has a g-th of that size.
    """
    count = len(layout.law.parameters)
    moved = {
        name: reference[name] * jnp.exp(-x) for name, x in zip(layout.moved, linked[count:], strict=True)
    }
    return unlink(layout.law, linked[:count], {**reference, **moved})


def population(z: Array, layout: Layout, data: Data) -> list[Array]:
    """Population mean of every parameter, on the link scale."""
    return [data["mean"][i] + data["sd"][i] * z[i] for i in range(len(layout.law.parameters))]


def unlink(law: Law, linked: list[Array], reference: Mapping[str, Array]) -> dict[str, Array]:
    """From the link scale, one array a parameter, to what the law takes (`Law.values`)."""
    sampled = {p.name: INVERSE_LINK[p.support](x) for p, x in zip(law.parameters, linked, strict=True)}
    return law.values(sampled, reference)


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
