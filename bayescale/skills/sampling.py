"""NUTS for the small models of skills: one compilation for all chains and refits, and the same health gate.

The law of the loss has a sampler of its own (`bayescale.inference.nuts`), with coordinates made for it. These
models are smooth and small, and NumPyro's own kernel with a dense mass matrix does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import bayescale.backend  # noqa: F401  double precision, before JAX computes anything
from bayescale.inference.health import Health, check_health
from bayescale.inference.nuts import Settings

import jax  # isort: skip
from numpyro.infer import MCMC, NUTS, init_to_median  # isort: skip

LARGEST_DENSE = 150
"""Coordinates beyond which a dense mass matrix costs more than it saves."""

SETTINGS = Settings(chains=4, warmup=500, draws=500, target_accept=0.9)
"""These posteriors mix so well that more draws buy nothing that a figure shows."""

SURE = 0.995
"""Acceptance that steps are made smaller up to."""

Program = Callable[[Mapping[str, Any]], None]
"""A NumPyro model: a hashable, pure function of a mapping of arrays."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """Draws of every site that is reported, sampler statistics, and whether to believe them.

    Attributes
    ----------
    draws : dict of ndarray, shape (chains, draws, ...)
    stats : dict of ndarray, shape (chains, draws)
    health : Health
    settings : Settings
        As sampled with: more carefully than asked for where the first attempt missed the gate.
    """

    draws: dict[str, np.ndarray]
    stats: dict[str, np.ndarray]
    health: Health
    settings: Settings

    def flat(self, name: str) -> np.ndarray:
        """Draws of a site, chains one after the other, shape (draws, ...)."""
        values = self.draws[name]
        return values.reshape(-1, *values.shape[2:])


def sample(
    program: Program,
    data: Mapping[str, Any],
    reported: tuple[str, ...],
    seed: int,
    settings: Settings | None = None,
    labels: Mapping[str, list[str]] | None = None,
    size: int = 0,
    fixed: Mapping[str, np.ndarray] | None = None,
) -> Sampled:
    """Sample a model, and once more with smaller steps and twice the draws where it misses the health gate.

    Parameters
    ----------
    program : callable
        The model; the same object, or an equal one, compiles once.
    data : mapping of ndarray
        Its argument.
    reported : tuple of str
        Sites that are kept, and checked.
    seed : int
    settings : Settings, optional
        Others than 4 chains of 500 + 500.
    labels : mapping of list of str, optional
        Names of a site's elements, for the messages of the health gate.
    size : int
        How many coordinates there are, if there may be too many for a dense mass matrix.
    fixed : mapping of ndarray of bool, optional
        Elements of a site that the model holds at a constant, by design: they are not checked.
    """
    settings = settings or SETTINGS
    first = _attempt(program, data, reported, seed, settings, labels, size, fixed)
    if first.health.passed or not settings.again:
        return first
    careful = replace(settings.careful(SURE), warmup=2 * settings.warmup)
    return _attempt(program, data, reported, seed + 1, careful, labels, size, fixed)


def _attempt(
    program: Program,
    data: Mapping[str, Any],
    reported: tuple[str, ...],
    seed: int,
    settings: Settings,
    labels: Mapping[str, list[str]] | None,
    size: int,
    fixed: Mapping[str, np.ndarray] | None,
) -> Sampled:
    run = _runner(
        program,
        settings.warmup,
        settings.draws,
        settings.target_accept,
        settings.max_tree_depth,
        size <= LARGEST_DENSE,
    )
    keys = [jax.random.fold_in(jax.random.PRNGKey(seed), i) for i in range(settings.chains)]
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(settings.chains) as pool:
        chains = list(pool.map(lambda key: jax.block_until_ready(run(key, dict(data))), keys))
    draws = {name: np.stack([np.asarray(sites[name]) for sites, _ in chains]) for name in reported}
    raw = {name: np.stack([np.asarray(extra[name]) for _, extra in chains]) for name in chains[0][1]}
    stats = {
        "diverging": raw["diverging"],
        "energy": raw["energy"],
        "n_steps": raw["num_steps"],
        "tree_depth": np.floor(np.log2(raw["num_steps"])).astype(int) + 1,
        "acceptance_rate": raw["accept_prob"],
    }
    checked = {
        name: values[:, :, ~fixed[name]] if fixed and name in fixed else values
        for name, values in draws.items()
    }
    health = check_health(
        {name: values for name, values in checked.items() if values.size},
        stats,
        settings.max_tree_depth,
        labels=labels,
    )
    return Sampled(draws, stats, health, settings)


@cache
def _runner(program: Program, warmup: int, draws: int, target: float, depth: int, dense: bool) -> Any:
    """A compiled chain: a function of a key and the data."""

    @jax.jit
    def run(key: Any, data: dict[str, Any]) -> Any:
        kernel = NUTS(
            program,
            target_accept_prob=target,
            dense_mass=dense,
            max_tree_depth=depth,
            init_strategy=init_to_median(num_samples=3),
        )
        mcmc = MCMC(kernel, num_warmup=warmup, num_samples=draws, num_chains=1, progress_bar=False)
        fields = ("diverging", "energy", "num_steps", "accept_prob")
        mcmc.run(key, data, extra_fields=fields)
        return mcmc.get_samples(), mcmc.get_extra_fields()

    return run
