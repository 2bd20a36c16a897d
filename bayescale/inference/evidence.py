"""The evidence of a mode: how much of the posterior's mass is about it.

Laplace's method, in the coordinates that are sampled (`bayescale.inference.whitening`). There the density is that of
spreads and noise with means and effects nearly integrated out, and is close to a Gaussian, which the raw density, with
its funnels, is not. All coordinates count, spreads and noise among them, each with the volume that its unit takes.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp
from scipy.stats import multivariate_t

from bayescale.inference.objective import NOWHERE, finite
from bayescale.inference.whitening import Whitening, log_white_density, whiten_one, whitening_at
from bayescale.models.arrays import Data
from bayescale.models.layout import Layout

Array = Any

STEPS = 100
"""Of the search for the mode in white coordinates, at most."""

SHIFT = 1e-3
"""Of white coordinates, for differences of slopes."""

FLATTEST = 0.1
"""Curvature that no direction counts as below: the prior holds every direction within a few units."""


BRIDGED, ROUNDS, BLOCKS = 4000, 1000, 8
"""Draws that a bridge takes, at most, rounds of its iteration, and blocks of draws that tell its error."""


CORRECTED, TAILS = 500, 5.0
"""Draws of the Student-t, and its degrees of freedom, that correct the Gaussian."""

EFFECTIVE = 25.0
"""Effective draws from which on the correction is believed: its error is then about .2, less than the Gaussian's."""


@partial(jax.jit, static_argnums=1)
def _value_and_slope(x: Array, layout: Layout, data: Data, whitening: Whitening) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda x: -log_white_density(x, layout, data, whitening))(x)


def laplace(z: np.ndarray, layout: Layout, data: Data) -> float:
    """Approximate the log of the posterior's mass about a mode, up to the constant of the density.

    If the dimensions are few, the Gaussian is corrected by importance sampling.

    Parameters
    ----------
    z : ndarray, shape (size,)
        Where spreads and noise have settled (`bayescale.inference.settle`).
    """
    whitening = whitening_at(z, layout, data)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return finite(*_value_and_slope(x, layout, data, whitening))

    begin = np.asarray(whiten_one(z, layout, data, whitening))
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
    steps = SHIFT * np.eye(len(begin))
    bends = np.array([objective(found.x + e)[1] - objective(found.x - e)[1] for e in steps]) / (2 * SHIFT)
    values, vectors = np.linalg.eigh((bends + bends.T) / 2)
    values = np.maximum(values, FLATTEST)
    volume = 0.5 * (len(begin) * np.log(2 * np.pi) - float(np.log(values).sum()))
    return volume - float(found.fun) + _corrected(objective, found.x, vectors / np.sqrt(values))


def _corrected(objective: Any, mode: np.ndarray, root: np.ndarray) -> float:
    """Log of how much more mass there is than the Gaussian says, by importance sampling; zero if that fails."""
    rng, size = np.random.default_rng(0), len(mode)
    standard = rng.normal(size=(CORRECTED, size))
    # A Student-t, for the posterior's tails are longer than a Gaussian's.
    standard *= np.sqrt(TAILS / rng.chisquare(TAILS, size=(CORRECTED, 1)))
    log_t = multivariate_t(np.zeros(size), np.eye(size), TAILS).logpdf(standard)
    values = np.array([objective(mode + root @ one)[0] for one in standard])
    log_weight = objective(mode)[0] - values - log_t - 0.5 * size * np.log(2 * np.pi)
    log_weight[values >= NOWHERE] = -np.inf
    weight = np.exp(log_weight - log_weight.max())
    effective = weight.sum() ** 2 / (weight**2).sum()
    return float(logsumexp(log_weight) - np.log(CORRECTED)) if effective > EFFECTIVE else 0.0


@partial(jax.jit, static_argnums=1)
def _densities(x: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    return jax.lax.map(lambda one: log_white_density(one, layout, data, whitening), x)


@partial(jax.jit, static_argnums=1)
def _whitened(z: Array, layout: Layout, data: Data, whitening: Whitening) -> Array:
    return jax.lax.map(lambda one: whiten_one(one, layout, data, whitening), z)


def bridge(z: np.ndarray, layout: Layout, data: Data, rng: np.random.Generator) -> tuple[float, float]:
    """Estimate the evidence of a mode from draws of it, by bridge sampling (Meng & Wong 1996).

    The bridge goes from the draws to a Gaussian in white coordinates. Half of the draws tell its middle and covariance,
    the other half is bridged (Overstall & Forster 2010).

    Parameters
    ----------
    z : ndarray, shape (chains, draws, size)
        Of chains that stayed in the mode.

    Returns
    -------
    log_evidence, error : float
        The second is the standard error of the first, from blocks of the draws.
    """
    chains, draws, size = z.shape
    thinned = z[:, :: max(1, chains * draws // BRIDGED)]
    half = thinned.shape[1] // 2
    whitening = whitening_at(np.median(thinned.reshape(-1, size), axis=0), layout, data)
    x = np.asarray(_whitened(thinned.reshape(-1, size), layout, data, whitening)).reshape(thinned.shape)
    known, bridged = x[:, :half].reshape(-1, size), x[:, half : 2 * half].reshape(-1, size)
    middle = known.mean(axis=0)
    root = np.linalg.cholesky(np.cov(known.T).reshape(size, size) + 1e-9 * np.eye(size))
    drawn = middle + rng.normal(size=(len(bridged), size)) @ root.T

    def ratio(x: np.ndarray) -> np.ndarray:
        standard = np.linalg.solve(root, (x - middle).T)
        normal = (
            -0.5 * (standard**2).sum(axis=0) - np.log(np.diag(root)).sum() - 0.5 * size * np.log(2 * np.pi)
        )
        found = np.asarray(_densities(x, layout, data, whitening)) - normal
        return np.where(np.isfinite(found), found, -np.inf)

    here, there = ratio(bridged), ratio(drawn)
    blocks = zip(np.array_split(here, BLOCKS), np.array_split(there, BLOCKS), strict=True)
    error = np.std([_bridged(*block) for block in blocks], ddof=1) / np.sqrt(BLOCKS)
    return _bridged(here, there), float(error)


def _bridged(here: np.ndarray, there: np.ndarray) -> float:
    """Log of the evidence, from log ratios of density and Gaussian at draws of either."""
    share = len(here) / (len(here) + len(there))
    found = float(np.median(here))
    for _ in range(ROUNDS):
        above = logsumexp(there - np.logaddexp(np.log(share) + there - found, np.log1p(-share))) - np.log(
            len(there)
        )
        below = logsumexp(-np.logaddexp(np.log(share) + here - found, np.log1p(-share))) - np.log(len(here))
        before, found = found, float(above - below)
        if abs(found - before) < 1e-8:
            break
    return found
