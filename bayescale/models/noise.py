"""The noise of measured losses: heavy-tailed, and shared by the rows of one run.

A run that gives several rows, as a learning curve or as one loss per evaluation set, is off in all of them together:
its seed, its tuning and its share of the data are the same. With r = log(measured / expected) for the n rows of one
run, the noise is a multivariate Student-t,

    r ~ t_nu(0, S),   S = diag(s^2 + (loss_se / loss)^2) + sigma_run^2 1 1',   s = sigma sigma_decade^decades,

where decades is the row's log10 compute less the table's mean (zero where compute is not known); that is, an effect
of the run with standard deviation sigma_run and noise of each row with scale s, both stretched
by the same heavy-tailed factor, so that an odd run is odd as a whole. The effect is integrated out: nothing of it is
sampled, and the cost is that of independent rows. Where every run gives one row, sigma_run does not exist and this is
the Student-t of one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

Array = Any


def row_scale(noise: Mapping[str, Array], decades: Array, relative_se: Array) -> Array:
    """Scale of each row's own noise of log loss; leading dimensions of the noise parameters broadcast."""
    sigma = noise["sigma"]
    if "sigma_decade" in noise:
        sigma = sigma * noise["sigma_decade"] ** decades
    return (sigma**2 + relative_se**2) ** 0.5


def log_student_t(residual: Array, scale: Array, nu: Array) -> Array:
    """Log density of independent rows, shape (rows,)."""
    standard = residual / scale
    return _normaliser(nu, 1.0) - jnp.log(scale) - (nu + 1) / 2 * jnp.log1p(standard**2 / nu)


def log_student_t_by_run(
    residual: Array, scale: Array, kept: Array, nu: Array, between: Array, run: Array, rows: Array
) -> Array:
    """Log density of each run's rows together, shape (runs,).

    Parameters
    ----------
    residual, scale : Array, shape (rows,)
        Log measured over expected loss, and the scale of the row's own noise.
    kept : Array, shape (rows,)
        One for rows that count, zero for others.
    nu, between : Array
        Degrees of freedom, and standard deviation sigma_run of the run's effect.
    run : Array of int, shape (rows,)
        Which run a row belongs to.
    rows : Array, shape (runs,)
        How many rows of each run count.
    """

    distance, inflation = distance_by_run(residual, scale, kept, between, run, rows)
    log_root = _total(kept * jnp.log(scale), run, rows) + 0.5 * jnp.log(inflation)
    return _normaliser(nu, rows) - log_root - (nu + rows) / 2 * jnp.log1p(distance / nu)


def distance_by_run(
    residual: Array, scale: Array, kept: Array, between: Array, run: Array, rows: Array
) -> tuple[Array, Array]:
    """r' S^-1 r of each run's rows, and by how much its effect inflates the determinant of S, shape (runs,) each.

    Parameters
    ----------
    residual, scale, kept, between, run, rows
        As for `log_student_t_by_run`.
    """
    # Sherman and Morrison: the inverse and the determinant of a diagonal plus one outer product.
    weight = kept / scale**2
    inflation = 1 + between**2 * _total(weight, run, rows)
    pull = _total(weight * residual, run, rows)
    return _total(weight * residual**2, run, rows) - between**2 * pull**2 / inflation, inflation


def _total(x: Array, run: Array, rows: Array) -> Array:
    return jax.ops.segment_sum(x, run, num_segments=rows.shape[0])


def _normaliser(nu: Array, size: Array) -> Array:
    return jax.lax.lgamma((nu + size) / 2) - jax.lax.lgamma(nu / 2) - 0.5 * size * jnp.log(nu * np.pi)


def draw_noise(
    scale: np.ndarray, nu: np.ndarray, between: np.ndarray | None, run: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Noise of log loss for rows of the given runs, shape (draws, rows).

    Parameters
    ----------
    scale : ndarray, shape (draws, rows)
    nu, between : ndarray, shape (draws, 1)
        `between` is None where every run gives one row.
    run : ndarray of int, shape (rows,)
    """
    if between is None:
        return scale * rng.standard_t(np.broadcast_to(nu, scale.shape))
    runs = int(run.max()) + 1
    stretch = np.sqrt(nu / rng.chisquare(np.broadcast_to(nu, (len(scale), runs))))
    effect = between * rng.normal(size=(len(scale), runs))
    return stretch[:, run] * (effect[:, run] + scale * rng.normal(size=scale.shape))
