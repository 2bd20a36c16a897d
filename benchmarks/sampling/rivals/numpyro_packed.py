"""NumPyro with one site a factor: all parameters' effects together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

from benchmarks.sampling.rivals import NOTHING, Sampled, jax_law, numpyro_run
from benchmarks.sampling.target import Target


def _standard(name: str, *shape: int) -> Any:
    return numpyro.sample(name, dist.Normal(0.0, 1.0).expand(shape).to_event(len(shape)))


def model_of(t: Target) -> Callable[[], None]:
    def model() -> None:
        theta = jnp.tile(t.mean + t.sd * _standard("means", len(t.names)), (t.cells, 1))
        for i, f in enumerate(t.factors):
            count = len(f.parameters)
            tau = jnp.exp(f.spread[:, 0] + f.spread[:, 1] * _standard(f"spread{i}", count))
            if f.centred:
                u = numpyro.sample(f"effects{i}", dist.Normal(0.0, tau).expand((f.free, count)).to_event(2))
            else:
                u = tau * _standard(f"effects{i}", f.free, count)
            theta = theta.at[:, np.array(f.parameters)].add(f.basis @ u)
        logs = t.noise[:, 0] + t.noise[:, 1] * _standard("noise", len(t.noise))
        observe(theta, dict(zip(t.noise_names, jnp.exp(logs), strict=True)), t)

    return model


def observe(theta: Any, noise: dict[str, Any], t: Target) -> None:
    """The likelihood: Student-t rows, or runs of several rows together."""
    mean, scale = jax_law.log_expected(theta, t), jax_law.row_scale(noise, t)
    if t.several:
        each = jax_law.log_student_t_of_runs(t.log_loss - mean, scale, noise["nu"], noise["sigma_run"], t)
        numpyro.factor("runs", jnp.sum(each))
    else:
        numpyro.sample(
            "log_loss", dist.StudentT(noise["nu"], mean, scale, validate_args=False), obs=t.log_loss
        )


def log_densities(target: Target, x: np.ndarray) -> np.ndarray:
    return numpyro_run.log_densities(model_of(target), [_sites(target, one) for one in x])


def _sites(t: Target, x: np.ndarray) -> dict[str, Any]:
    means, effects, spreads, noise = t.split(jnp.asarray(x))
    return (
        {"means": means, "noise": noise}
        | {f"effects{i}": e for i, e in enumerate(effects)}
        | {f"spread{i}": s for i, s in enumerate(spreads)}
    )


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    found, stats = numpyro_run.run(model_of(target), seed, chains, warmup, draws, options)
    count = range(len(target.factors))
    effects, spreads = ([found[f"{what}{i}"] for i in count] for what in ("effects", "spread"))
    return target.join(found["means"], effects, spreads, found["noise"]), stats
