"""Runs a NumPyro model by its NUTS, four chains one after the other: one compilation, and the least CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import numpyro
from numpyro.infer import MCMC, NUTS
from numpyro.infer.util import potential_energy

numpyro.enable_x64()

EXTRA = ("potential_energy", "energy", "num_steps", "diverging")


def run(
    model: Callable[[], None], seed: int, chains: int, warmup: int, draws: int, options: frozenset[str]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Draws of every site, leading with (chains, draws), and statistics."""
    mcmc = MCMC(
        NUTS(model, dense_mass="dense" in options),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=chains,
        chain_method="sequential",
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(seed), extra_fields=EXTRA)
    found = {name: np.asarray(x) for name, x in mcmc.get_samples(group_by_chain=True).items()}
    extra = {name: np.asarray(x) for name, x in mcmc.get_extra_fields(group_by_chain=True).items()}
    return found, {
        "diverging": extra["diverging"],
        "n_steps": extra["num_steps"],
        "energy": extra["energy"],
    }


def log_densities(model: Callable[[], None], sites: list[dict[str, Any]]) -> np.ndarray:
    """Of unconstrained values of every site, with the volume of the transforms."""
    potential = jax.jit(lambda values: potential_energy(model, (), {}, values))
    with numpyro.handlers.seed(rng_seed=0):
        return np.array([-float(potential(values)) for values in sites])
