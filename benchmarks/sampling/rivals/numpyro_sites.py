"""NumPyro as its tutorials have it: a site for every parameter, factor and standard deviation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from benchmarks.sampling.rivals import NOTHING, Sampled, numpyro_run
from benchmarks.sampling.rivals.numpyro_packed import observe
from benchmarks.sampling.target import Target


def model_of(t: Target) -> Callable[[], None]:
    def model() -> None:
        columns = []
        for p, name in enumerate(t.names):
            theta = numpyro.sample(f"{name}_mean", dist.Normal(t.mean[p], t.sd[p])) * jnp.ones(t.cells)
            for f in t.factors:
                if p not in f.parameters:
                    continue
                mean, sd = f.spread[f.parameters.index(p)]
                tau = numpyro.sample(f"{name}|{f.name}_sd", dist.LogNormal(mean, sd))
                if f.centred:
                    u = numpyro.sample(
                        f"{name}|{f.name}", dist.Normal(0.0, tau).expand((f.free,)).to_event(1)
                    )
                else:
                    u = tau * numpyro.sample(
                        f"{name}|{f.name}", dist.Normal(0.0, 1.0).expand((f.free,)).to_event(1)
                    )
                theta = theta + f.basis @ u
            columns.append(theta)
        noise = {
            name: numpyro.sample(name, dist.LogNormal(*t.noise[i])) for i, name in enumerate(t.noise_names)
        }
        observe(jnp.stack(columns, axis=1), noise, t)

    return model


def log_densities(target: Target, x: np.ndarray) -> np.ndarray:
    return numpyro_run.log_densities(model_of(target), [_unconstrained(target, one) for one in x])


def _unconstrained(t: Target, x: np.ndarray) -> dict[str, Any]:
    means, effects, spreads, noise = t.split(x)
    found = {f"{name}_mean": t.mean[p] + t.sd[p] * means[p] for p, name in enumerate(t.names)}
    for f, effect, spread in zip(t.factors, effects, spreads, strict=True):
        for i, p in enumerate(f.parameters):
            found[f"{t.names[p]}|{f.name}"] = effect[:, i]
            found[f"{t.names[p]}|{f.name}_sd"] = f.spread[i, 0] + f.spread[i, 1] * spread[i]
    found |= {name: t.noise[i, 0] + t.noise[i, 1] * noise[i] for i, name in enumerate(t.noise_names)}
    return {name: jnp.asarray(value) for name, value in found.items()}


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    t = target
    found, stats = numpyro_run.run(model_of(t), seed, chains, warmup, draws, options)
    means = np.stack([(found[f"{n}_mean"] - t.mean[p]) / t.sd[p] for p, n in enumerate(t.names)], axis=-1)
    effects, spreads = [], []
    for f in t.factors:
        names = [f"{t.names[p]}|{f.name}" for p in f.parameters]
        effects.append(np.stack([found[name] for name in names], axis=-1))
        logs = np.stack([np.log(found[f"{name}_sd"]) for name in names], axis=-1)
        spreads.append((logs - f.spread[:, 0]) / f.spread[:, 1])
    logs = np.stack([np.log(found[name]) for name in t.noise_names], axis=-1)
    return t.join(means, effects, spreads, (logs - t.noise[:, 0]) / t.noise[:, 1]), stats
