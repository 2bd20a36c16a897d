"""The laws and the noise in JAX, as one would write them by hand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln

from benchmarks.sampling.target import Target

LN10 = float(np.log(10))


def log_expected(theta: Any, t: Target) -> Any:
    """Log of the expected loss of every row, from parameters on the link scale, shape (cells, parameters)."""
    rows = theta[t.cell]
    if t.law == "chinchilla":
        e, a, alpha, b, beta = (rows[:, i] for i in range(5))
        size = jnp.exp(a - jnp.exp(alpha) * t.inputs["log_n"])
        data = jnp.exp(b - jnp.exp(beta) * t.inputs["log_d"])
        return jnp.log(jnp.exp(e) + size + data)
    # Clark's law, bilinear in logs over the reference point.
    a, b, c, log_loss, start, most = (rows[:, i] for i in range(6))
    n = t.inputs["log_n"]
    e = _log_saturated(start, most, t.inputs["experts"]) - _log_saturated(start, most, t.experts)
    return log_loss + LN10 * (a * n + b * e + c * n * e)


def _log_saturated(log_start: Any, log_most: Any, experts: Any) -> Any:
    start, most = jnp.exp(log_start), jnp.exp(log_most)
    return -jnp.log10(1 / (experts - 1 + 1 / (1 / start - 1 / most)) + 1 / most)


def row_scale(noise: dict[str, Any], t: Target) -> Any:
    """Scale of each row's own noise."""
    sigma = noise["sigma"]
    if "sigma_decade" in noise:
        sigma = sigma * noise["sigma_decade"] ** t.decades
    return jnp.sqrt(sigma**2 + t.relative_se**2)


def log_student_t_of_runs(residual: Any, scale: Any, nu: Any, between: Any, t: Target) -> Any:
    """Multivariate Student-t of the rows of every run: diagonal scales and one shared effect."""
    runs = int(t.run.max()) + 1
    rows = jnp.asarray(np.bincount(t.run))

    def total(x: Any) -> Any:
        return jax.ops.segment_sum(x, t.run, num_segments=runs)

    weight = 1 / scale**2
    inflation = 1 + between**2 * total(weight)
    distance = total(weight * residual**2) - (between * total(weight * residual)) ** 2 / inflation
    return (
        gammaln((nu + rows) / 2)
        - gammaln(nu / 2)
        - rows / 2 * jnp.log(nu * jnp.pi)
        - total(jnp.log(scale))
        - jnp.log(inflation) / 2
        - (nu + rows) / 2 * jnp.log1p(distance / nu)
    )
