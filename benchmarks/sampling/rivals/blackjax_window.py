"""BlackJAX: its window adaptation, then its NUTS, on a log density of one packed vector."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.sampling.rivals import NOTHING, Sampled, jax_law
from benchmarks.sampling.target import Target

jax.config.update("jax_enable_x64", True)


def log_density(x: Any, t: Target) -> Any:
    means, effects, spreads, white = t.split(x)
    theta = jnp.tile(t.mean + t.sd * means, (t.cells, 1))
    total = -0.5 * (jnp.sum(means**2) + jnp.sum(white**2))
    for f, u, spread in zip(t.factors, effects, spreads, strict=True):
        log_tau = f.spread[:, 0] + f.spread[:, 1] * spread
        total += -0.5 * jnp.sum(spread**2)
        if f.centred:
            total += -0.5 * jnp.sum((u * jnp.exp(-log_tau)) ** 2) - f.free * jnp.sum(log_tau)
        else:
            total += -0.5 * jnp.sum(u**2)
            u = u * jnp.exp(log_tau)
        theta = theta.at[:, np.array(f.parameters)].add(f.basis @ u)
    noise = dict(zip(t.noise_names, jnp.exp(t.noise[:, 0] + t.noise[:, 1] * white), strict=True))
    residual = t.log_loss - jax_law.log_expected(theta, t)
    scale, nu = jax_law.row_scale(noise, t), noise["nu"]
    if t.several:
        return total + jnp.sum(jax_law.log_student_t_of_runs(residual, scale, nu, noise["sigma_run"], t))
    return total + jnp.sum(jax.scipy.stats.t.logpdf(residual / scale, nu) - jnp.log(scale))


def log_densities(target: Target, x: np.ndarray) -> np.ndarray:
    evaluate = jax.jit(lambda one: log_density(one, target))
    return np.array([float(evaluate(one)) for one in x])


def sample(
    target: Target, seed: int, chains: int, warmup: int, draws: int, options: frozenset[str] = NOTHING
) -> Sampled:
    import blackjax

    def density(x: Any) -> Any:
        return log_density(x, target)

    adaptation = blackjax.window_adaptation(blackjax.nuts, density)

    @jax.jit
    def chain(key: Any) -> Any:
        start, warm, run = jax.random.split(key, 3)
        # Stan's and NumPyro's starts: uniform within two of zero.
        x = jax.random.uniform(start, (target.size,), minval=-2.0, maxval=2.0)
        (state, tuned), _ = adaptation.run(warm, x, num_steps=warmup)
        kernel = blackjax.nuts(density, **tuned)

        def one(state: Any, key: Any) -> Any:
            state, info = kernel.step(key, state)
            kept = {
                "x": state.position,
                "diverging": info.is_divergent,
                "n_steps": info.num_integration_steps,
                "energy": info.energy,
            }
            return state, kept

        return jax.lax.scan(one, state, jax.random.split(run, draws))[1]

    keys = jax.random.split(jax.random.PRNGKey(seed), chains)
    found = [jax.tree.map(np.asarray, chain(key)) for key in keys]
    together = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return together.pop("x"), together
