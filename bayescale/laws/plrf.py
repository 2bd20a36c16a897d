"""Paquette et al. 2024: power-law random features trained by one-pass SGD, with data and target complexity to infer."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np

from bayescale.laws import random_features as rf
from bayescale.laws.base import Law, Parameter, Range, Values
from bayescale.laws.terms import BETWEEN_EXPONENTS, sized
from bayescale.laws.tricubic import Axis, coefficients, interpolated
from bayescale.lazy_jax import jax, jnp

RATIO = 5.0
"""v / d: a finite one, so that the law is smooth where 2 alpha passes 1."""
ACCURACY = rf.Accuracy(exact=16, panels=8, points=6, contour=12, newton=3)
"""Relative errors of 1e-6; of 1e-4 with thousands of features and an alpha beyond 1.5, whose few modes stand out."""
STEPS = rf.shortest(ACCURACY)
"""Fewer steps than this are taken for as many."""
AT_ONCE = 512
NUDGE = 3e-4
"""Relative shift of the central differences."""

COMPLEXITY = Axis(0.1, 3.2, 48, lambda x: jnp.sqrt(x), lambda x: jnp.square(x))
"""alpha and beta, both. Where two terms cross, the risk bends within 1 / log d of an exponent, large or small; where
single modes count, within a share of it. The root is between."""
STABLE = Axis(0.005, 0.99, 24, lambda x: jax.scipy.special.logit(x), lambda x: jax.nn.sigmoid(x))
"""The step over the largest that is stable. Small ones act through the log of time; close to one, the noise of SGD
grows as one over what is left."""
AXES = (COMPLEXITY, COMPLEXITY, STABLE)
KEPT = 1024
"""Runs whose tables a process keeps, 0.26 MB each."""


def risk(alpha: Any, beta: Any, stride: Any, params: Any, tokens: Any) -> Any:
    """P after `tokens` samples, one a step, of SGD on `params` random features, by the deterministic equivalent.

    Parameters
    ----------
    alpha, beta : array_like
        Data and target complexity; those beyond the ends of `COMPLEXITY` are taken for these.
    stride : array_like, in (0, 1)
        gamma tr, over 2/3: below one SGD converges whatever the spectrum, but for the spread of a few features. Where
        it would not, it is taken for the largest stable one.
    params, tokens : array_like
        All broadcast against each other.

    Returns
    -------
    ndarray
        Paquette et al. 2024, arXiv:2405.15074, eqs. 7 to 11, with v = 5 d and a batch of one.
    """
    given = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (alpha, beta, stride, params, tokens)))
    shape = given[0].shape
    return _compiled()(*(x.ravel() for x in given)).reshape(shape)


def _risk(*given: Any) -> Any:
    if given[0].size <= AT_ONCE:
        return jax.vmap(_one)(*given)
    # Many draws of many runs do not fit into memory with their contours.
    return jax.lax.map(lambda x: _one(*x), given, batch_size=AT_ONCE)


def _derivative(primals: Any, tangents: Any) -> Any:
    """Central differences, which the risk is smooth enough for: errors of 1e-7, and 1e-5 in second derivatives.

    The derivatives of a contour's complex sums take minutes to compile, and no less time to evaluate than this.
    """
    from jax.custom_derivatives import SymbolicZero

    moved = [i for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero)]
    shifts = [[1 + s * NUDGE * (i == j) for i in range(len(primals))] for j in moved for s in (1, -1)]
    shifts.append([1.0] * len(primals))
    every = [x * jnp.asarray([row[i] for row in shifts])[:, None] for i, x in enumerate(primals)]
    found = _differentiable()(*(x.ravel() for x in every)).reshape(len(shifts), -1)
    slopes = [
        (found[2 * k] - found[2 * k + 1]) / (2 * NUDGE * primals[i]) * tangents[i]
        for k, i in enumerate(moved)
    ]
    return found[-1], sum(slopes, jnp.zeros_like(found[-1]))


@cache
def _differentiable() -> Any:
    found = jax.custom_jvp(_risk)
    found.defjvp(_derivative, symbolic_zeros=True)
    return found


@cache
def _compiled() -> Any:
    return jax.jit(_differentiable())


def _one(alpha: Any, beta: Any, stride: Any, d: Any, steps: Any) -> Any:
    alpha, beta = (jnp.clip(x, COMPLEXITY.low, COMPLEXITY.high) for x in (alpha, beta))
    spectrum = rf.modes(alpha, beta, d, RATIO * d, ACCURACY)
    step = _step(spectrum, d, jnp.clip(_of_stable(stride, d), STABLE.low, STABLE.high))
    return rf.parts(spectrum, d, step, 1.0, jnp.maximum(steps, STEPS), ACCURACY).risk


def _of_stable(stride: Any, d: Any) -> Any:
    """The step over the largest one at which SGD on d features is stable whatever their spectrum.

    The norm of the kernel is one where sum_j t_j / (w - t_j) = 2 and gamma w (1 + 2/d) = 1. The sum is convex in each
    t_j, so of all spectra of one trace a single mode has the largest w, 3/2 of it.
    """
    return stride * (1 + 2 / d)


def _step(spectrum: rf.Modes, d: Any, share: Any) -> Any:
    return share * (2 / 3) / (1 + 2 / d) / rf.total(spectrum)


def _start(alpha: Any, beta: Any, params: Any) -> Any:
    """P(0), the target's energy; broadcasts."""

    def one(alpha: Any, beta: Any, d: Any) -> Any:
        return rf.total(rf.modes(alpha, beta, d, RATIO * d, ACCURACY), target=True)

    given = jnp.broadcast_arrays(*(jnp.asarray(x, float) for x in (alpha, beta, params)))
    return jax.vmap(one)(*(x.ravel() for x in given)).reshape(given[0].shape)


def tables(inputs: Values) -> dict[str, Any]:
    """For a fit: log P of every run as a spline in the parameters, to 1e-5 of P and 1e-3 at worst.

    Parameters
    ----------
    inputs : dict of ndarray
        ``params`` and ``tokens``, shape (runs,).

    Returns
    -------
    dict of ndarray
        ``risk tables``, coefficients for each pair of size and data that differs, and ``risk table``, shape (runs,),
        which of them is a run's.
    """
    pairs = np.stack([np.asarray(inputs[name], float) for name in ("params", "tokens")])
    pairs, which = np.unique(pairs, axis=1, return_inverse=True)
    found = np.stack([_table(float(d), float(r)) for d, r in pairs.T])
    return {"risk tables": found, "risk table": which.ravel()}


@lru_cache(KEPT)
def _table(d: float, steps: float) -> np.ndarray:
    return np.asarray(_tabulator()(d, steps))


@cache
def _tabulator() -> Any:
    return jax.jit(_tabulated)


def _tabulated(d: Any, steps: Any) -> Any:
    """Coefficients; in single precision, whose rounding moves P by 1e-6 and leaves it smooth."""

    def of_alpha(alpha: Any) -> Any:
        spectrum = rf.modes(alpha, 0.0, d, RATIO * d, ACCURACY)
        last = jnp.maximum(steps, STEPS)

        def of_share(share: Any) -> Any:
            return rf.by_mode(spectrum, d, _step(spectrum, d, share), 1.0, last, ACCURACY)

        # For all beta at once, t b^2 is t^(1 + beta / alpha).
        energy = spectrum.t[:, None] ** (1 + COMPLEXITY.at / alpha)
        return (jax.vmap(of_share)(jnp.asarray(STABLE.at)) @ energy).T

    return coefficients(jnp.log(jax.lax.map(of_alpha, jnp.asarray(COMPLEXITY.at))), AXES).astype(jnp.float32)


def _factor(values: Values, inputs: Values) -> Any:
    parameters = values["alpha"], values["beta"], values["g"]
    if "risk tables" not in inputs:
        return risk(*parameters, inputs["params"], inputs["tokens"])
    points = (*parameters[:2], _of_stable(parameters[2], inputs["params"]))
    return jnp.exp(interpolated(inputs["risk tables"], inputs["risk table"], AXES, points))


def _complexity(name: str, latex: str, meaning: str) -> Parameter:
    # From a tenth of what is known of images and text (spectra of covariances fall with 2 alpha of about 1 to 1.5) to
    # beyond: both sides of every boundary between the phases, at 1/4, 1/2 and alpha = beta.
    return Parameter(name, meaning, "1", "positive", Range(0.2, 1.6), latex, BETWEEN_EXPONENTS)


LAW = Law(
    name="plrf",
    title="Paquette 2024: power-law random features",
    citation="Paquette et al. 2024, 4+3 Phases of Compute-Optimal Neural Scaling Laws, arXiv:2405.15074, eqs. 7 to 11",
    equation="L = S P(d, r; alpha, beta, g), P(r) = F(r) + sum_s K(r-1-s) P(s), d = params, r = tokens",
    latex=r"L = S \, P(d, r), \quad P(r) = F(r) + \sum_{s<r} K(r - 1 - s) \, P(s)",
    inputs=("params", "tokens"),
    parameters=(
        _complexity("alpha", r"\alpha", "complexity of the data: their variances fall as j^-2alpha"),
        _complexity("beta", r"\beta", "complexity of the target: its coefficients fall as j^-beta"),
        Parameter(
            "g",
            "step size over the one below which SGD converges for any spectrum, 2/3 over the trace",
            "1",
            "unit",
            # Nobody tunes a step size to a hundredth of what is stable.
            Range(0.1, 0.95),
            "g",
        ),
        sized(
            "S",
            "scale of the loss",
            "loss",
            "S P(0)",
            "loss before the first step",
            # Not the loss at the reference point: that would be one more contour for every evaluation.
            lambda v, x: _start(v["alpha"], v["beta"], x["params"]),
            # One for a target of unit energy, the log of the vocabulary for language, and what others scale it to.
            prior=Range(0.2, 500.0),
            size_unit="loss",
        ),
    ),
    loss=lambda v, x: v["S"] * _factor(v, x),
    # What would follow is S, which the log of the loss is linear in: there is nothing to straighten, at three times the
    # price.
    leading=frozenset(),
    prepare=tables,
    validity="A linear model on random features, no floor: losses fall to zero. v = 5 d, batches of one, constant "
    f"step size; the deterministic equivalent, exact for large d; {STEPS:.0f} steps or more, alpha and beta of "
    f"{COMPLEXITY.low:g} to {COMPLEXITY.high:g}: beyond, as at the ends.",
)
