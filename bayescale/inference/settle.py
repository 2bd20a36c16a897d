"""Where the posterior's volume is: spreads and noise at the mode of their own posterior, effects integrated out.

With spreads between groups, and sizes of the misfit, at their prior's medians the mode of means and effects can lie far
from where the posterior is, and coordinates that are white there are steep where the chains have to go. So spreads and
noise are moved to where the runs want them by expectation and maximisation (Dempster, Laird & Rubin 1977), with the
Gaussian of `bayescale.inference.whitening` for what means and effects may be.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from bayescale.inference.objective import value_and_slope
from bayescale.inference.whitening import gaussian, linear_change, log_likelihood_lost, whitening_at
from bayescale.models.arrays import Data
from bayescale.models.density import expected_loss, natural_noise, noise_density
from bayescale.models.layout import Layout

Array = Any

ROUNDS, STILL = 60, 0.02
"""Rounds at most, and the largest move of a standardised log spread or noise that ends them."""

STEPS = 500
"""Of the first search, for means and effects, at most."""

HALVINGS = 10
"""Of a step that lowers the density, before it is given up."""

QUIETEST = -5.0
"""Standardised log noise that no place is below: losses without any noise have a mode at none, where nothing can be
computed any more."""


def settled(z: np.ndarray, layout: Layout, data: Data) -> np.ndarray:
    """Move spreads and noise to their own mode, and means and effects with them.

    Parameters
    ----------
    z : ndarray, shape (size,)
        Where to begin: in the valley of the mode that is looked for.

    Returns
    -------
    ndarray, shape (size,)
        The place, or how far it got where it did not settle: a start either way.
    """
    z, linear, spreads = np.array(z, float), layout.linear, len(layout.groups)
    own = np.repeat(np.arange(spreads), layout.groups) if spreads else np.zeros(0, int)
    normal = np.asarray(data["spread"], float).reshape(-1, 2)
    # First, for noise that took up what means and effects had still to explain would never give it back.
    z = _mode(z, layout, data)
    for _ in range(ROUNDS):
        mean, variance, rows = (np.asarray(x) for x in _effects(z, layout, data))
        new = _towards(z, mean, layout, data)
        squares = new[linear - len(own) : linear] ** 2 + variance[linear - len(own) :]
        new[linear : linear + spreads] = _spreads(
            np.bincount(own, squares, spreads), np.bincount(own, minlength=spreads), normal
        )
        new[linear + spreads :] = _noise(new, rows, layout, data)
        if not np.isfinite(new).all():
            return z
        change = np.abs(new - z)[linear:].max()
        z = new
        if change < STILL:
            break
    return z


def _mode(z: np.ndarray, layout: Layout, data: Data) -> np.ndarray:
    """Means and effects at their mode, given spreads and noise."""

    linear = layout.linear

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_and_slope(np.concatenate([theta, z[linear:]]), layout, data)
        return value, slope[:linear]

    found = minimize(objective, z[:linear], jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    return np.concatenate([found.x, z[linear:]])


@partial(jax.jit, static_argnums=1)
def _effects(z: Array, layout: Layout, data: Data) -> tuple[Array, Array, Array]:
    """Mean and variance of means and effects given spreads and noise, and a root of the variance of the rows' fits."""
    whitening = whitening_at(z, layout, data)
    mean, root = gaussian(z[layout.linear :], layout, data, whitening)
    rows = jax.vmap(partial(linear_change, slope=whitening["slope"], layout=layout, data=data), (1,), 1)(root)
    return mean, jnp.sum(root**2, axis=1), rows


def _towards(z: np.ndarray, mean: np.ndarray, layout: Layout, data: Data) -> np.ndarray:
    """The mean, or as far towards it as the density does not fall: where the law bends it may lie beyond."""
    before, share = value_and_slope(z, layout, data)[0], 1.0
    for _ in range(HALVINGS):
        moved = z.copy()
        moved[: layout.linear] += share * (mean - z[: layout.linear])
        if value_and_slope(moved, layout, data)[0] < before + 1e-6:
            return moved
        share /= 2
    return z.copy()


def _spreads(squares: np.ndarray, sizes: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Standardised log spreads s at the mode of -n log tau - S / (2 tau^2) - s^2 / 2, log tau = mean + sd s."""
    mean, sd = normal[:, 0], normal[:, 1]
    # The slope falls throughout; a spread of prior alone is where Newton's method starts.
    s = np.zeros(len(squares))
    for _ in range(50):
        pull = squares * np.exp(-2 * (mean + sd * s))
        s -= np.clip((sd * (pull - sizes) - s) / (-2 * sd**2 * pull - 1), -1, 1)
    return s


def _noise(z: np.ndarray, rows: np.ndarray, layout: Layout, data: Data) -> np.ndarray:
    """Standardised log noise at the mode of its expected density, by Newton's method."""
    noise = z[layout.linear + len(layout.groups) :]
    value, slope, curve = (np.asarray(x) for x in _expected(noise, z, rows, layout, data))
    for _ in range(5):
        # Where it bends up, the prior's curvature stands for its own.
        bends, axes = np.linalg.eigh(-curve)
        step = axes @ ((axes.T @ slope) / np.maximum(bends, 1.0))
        for halving in range(HALVINGS):
            trial = noise + np.clip(step, -1, 1) / 2**halving
            trial[0] = max(trial[0], QUIETEST)
            new = [np.asarray(x) for x in _expected(trial, z, rows, layout, data)]
            if new[0] >= value - 1e-9:
                break
        else:
            return noise
        done = np.abs(trial - noise).max() < STILL / 4
        noise, (value, slope, curve) = trial, new
        if done:
            break
    return noise


@partial(jax.jit, static_argnums=3)
def _expected(noise: Array, z: Array, rows: Array, layout: Layout, data: Data) -> tuple[Array, Array, Array]:
    """Expected log density of the noise over what means and effects may be, with its slope and curvature."""
    fitted = jnp.log(expected_loss(z, layout, data))

    def expected(noise: Array) -> Array:
        known = natural_noise(noise, layout, data)
        lost = log_likelihood_lost(known, fitted, rows, data)
        return jnp.sum(noise_density(fitted, known, data)) - 0.5 * lost - 0.5 * jnp.sum(noise**2)

    return expected(noise), jax.grad(expected)(noise), jax.hessian(expected)(noise)
