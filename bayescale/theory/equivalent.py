"""The expected risk without random features: the deterministic equivalent, for any sizes, at any iteration.

The mathematics is in `bayescale.laws.random_features`, which a law is fitted with too; here are arrays in, arrays out,
and a refusal where SGD would diverge.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

import bayescale.backend  # noqa: F401, double precision
from bayescale.laws import random_features as rf
from bayescale.theory.errors import DivergesError, TheoryError
from bayescale.theory.problem import SHARE, Problem, check_complexity, dimension, power_sum

BLOCK = 128
"""Evaluations at once: one shape, so one compilation."""
ACCURACY = rf.Accuracy(contour=20, newton=5)
"""Relative errors below 1e-7."""


def risk(
    alpha: Any, beta: Any, d: Any, r: Any, v: Any = None, step: Any = None, batch: Any = 1
) -> np.ndarray:
    """E P(theta_r) of one-pass SGD.

    Parameters
    ----------
    alpha, beta, d, r : array_like
        Complexities, features (any positive number), iterations (whole below 16). Broadcast against each other, and
        against v, step and batch.
    v, step, batch : array_like, optional
        As in `Problem`, with its defaults.

    Returns
    -------
    ndarray
        Of the broadcast shape.

    Raises
    ------
    DivergesError
        Somewhere the step size is too large for a limit.
    """
    return curves(alpha, beta, d, r, v, step, batch).risk


def curves(
    alpha: Any, beta: Any, d: Any, r: Any, v: Any = None, step: Any = None, batch: Any = 1
) -> rf.Parts:
    """P(r), F(r) and K(r); see `risk`. Paquette et al. 2024, arXiv:2405.15074, eqs. 7 to 11."""
    args = _broadcast(alpha, beta, d, r, v, step, batch)
    shape = args["r"].shape
    flat = {name: x.ravel() for name, x in args.items()}
    out = np.full((3, flat["r"].size), np.nan)
    soon = flat["r"] < rf.EARLY
    if (flat["r"][soon] != np.round(flat["r"][soon])).any() or (flat["r"] < 0).any():
        raise TheoryError(f"iterations below {rf.EARLY} are whole numbers from 0 on")
    infinite = np.isinf(flat["v"])
    for kind, where in ((False, ~soon), (True, soon)):
        for endless in (False, True):
            rows = np.flatnonzero(where & (infinite == endless))
            for start in range(0, len(rows), BLOCK):
                some = rows[start : start + BLOCK]
                # The last block is filled up with its own first row.
                filled = np.concatenate([some, np.full(BLOCK - len(some), some[0])])
                found = _block(kind, endless, **{name: x[filled] for name, x in flat.items()})
                out[:, some] = np.asarray(found)[:, : len(some)]
    return rf.Parts(*out.reshape(3, *shape))


def curve(problem: Problem, r: Any) -> np.ndarray:
    """P(r) of one problem, shape of `r`."""
    return risk(problem.alpha, problem.beta, problem.d, r, problem.dimension, problem.gamma, problem.batch)


@partial(jax.jit, static_argnums=(0, 1))
def _block(
    soon: bool, endless: bool, alpha: Any, beta: Any, d: Any, v: Any, step: Any, batch: Any, r: Any
) -> Any:
    def one(alpha: Any, beta: Any, d: Any, v: Any, step: Any, batch: Any, r: Any) -> Any:
        spectrum = rf.modes(alpha, beta, d, None if endless else v, ACCURACY)
        if soon:
            return jnp.stack([x[r.astype(int)] for x in rf.early(spectrum, d, step, batch, ACCURACY)])
        return jnp.stack(rf.parts(spectrum, d, step, batch, r, ACCURACY))

    return jax.vmap(one, out_axes=1)(alpha, beta, d, v, step, batch, r)


def limits(problem: Problem) -> rf.Limits:
    """kappa, F_0 by its own equation, and the kernel's norm of one problem.

    F_0 = sum_j t_j b_j^2 / (1 + kappa t_j) with sum_j kappa t_j / (1 + kappa t_j) = d; the norm is
    gamma/2 sum_i l_i / (1 - gamma (B+1) l_i / 2), not a number where a mode alone diverges.
    """
    endless = bool(np.isinf(problem.dimension))
    values = (problem.alpha, problem.beta, problem.d, problem.dimension, problem.gamma, problem.batch)
    found = _limits(endless, *(jnp.asarray(float(x)) for x in values))
    return rf.Limits(*(float(x) for x in found))


@partial(jax.jit, static_argnums=0)
def _limits(endless: bool, alpha: Any, beta: Any, d: Any, v: Any, step: Any, batch: Any) -> Any:
    return rf.limits(rf.modes(alpha, beta, d, None if endless else v), d, step, batch)


def largest_step(alpha: float, d: float, v: float, batch: int) -> float:
    """The step size at which the kernel's norm is one, or a mode alone diverges, whichever is smaller.

    With w = z / m beyond the spectrum the norm is sum_j t_j / (w - t_j) / (B+1), at gamma = 2 / ((B+1) z): a root of
    one equation, no fixed point.
    """
    endless = bool(np.isinf(v))
    spectrum = rf.modes(alpha, 1.0, d, None if endless else v)
    t, weight = np.asarray(spectrum.t), np.asarray(spectrum.weight)
    rest = power_sum(2 * alpha, v) - weight @ t  # of an infinite v; next to w these modes are nothing

    def bulk(w: float) -> float:
        return float(weight @ (t / (w - t)) + rest / w)

    def rise(w: float) -> float:
        return float(1 - (weight @ (t / (w - t)) ** 2) / d)

    low, high = 1 + 1e-12, 2 + 2 * float(weight @ t + rest)
    unit = brentq(lambda w: bulk(w) - (batch + 1), low, high)
    # Below its edge z(w) falls: there are eigenvalues.
    edge = brentq(rise, low, high * 10)
    w = max(unit, edge)
    return float(2 / ((batch + 1) * w * (1 + bulk(w) / d)))


def _broadcast(alpha: Any, beta: Any, d: Any, r: Any, v: Any, step: Any, batch: Any) -> dict[str, np.ndarray]:
    check_complexity(alpha, beta)
    alpha, beta, d, r = np.broadcast_arrays(*(np.asarray(x, float) for x in (alpha, beta, d, r)))
    v = np.asarray(dimension(alpha, d) if v is None else v, float)
    if step is None:
        # One trace for each pair that differs: the sums are the same along r.
        a, v = np.broadcast_arrays(alpha, v)
        pairs, which = np.unique(np.stack([a.ravel(), v.ravel()]), axis=1, return_inverse=True)
        step = (SHARE / power_sum(2 * pairs[0], pairs[1]))[which].reshape(a.shape)
    names = ("alpha", "beta", "d", "v", "step", "batch", "r")
    given = (alpha, beta, d, v, np.asarray(step, float), np.asarray(batch, float), r)
    found = dict(zip(names, np.broadcast_arrays(*given), strict=True))
    if (found["v"] < found["d"]).any():
        raise TheoryError("the theory takes v >= d")
    _check_step(found)
    return found


def _check_step(found: dict[str, np.ndarray]) -> None:
    keys = ("alpha", "d", "v", "batch", "step")
    # Below 2 / ((B+2) tr) the norm is below one for any spectrum; what is above is looked at.
    rows = np.stack([found[key].ravel() for key in keys])
    rows = np.unique(rows, axis=1)
    trace = power_sum(2 * rows[0], rows[2])
    for a, d, v, batch, step in rows[:, rows[4] * trace >= 2 / (rows[3] + 2)].T:
        largest = largest_step(a, d, v, int(batch))
        if step >= largest:
            raise DivergesError(
                f"SGD diverges at gamma = {step:.4g} with alpha = {a:g}, d = {d:g}, B = {batch:g}: the kernel's norm "
                f"is one at {largest:.4g}; take a smaller step"
            )
