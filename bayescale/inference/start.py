"""Where sampling starts: the modes of the posterior at typical spreads, looked for from several places.

With every spread between groups at its prior median the posterior has a mode where the joint one, whose density grows
without bound as groups and spread collapse together, need not have a useful one. The same holds of the noise: with
nearly as many effects as runs the joint mode goes through every run at no noise at all, far from where the posterior's
volume is. So the noise is set by what is left of the runs after the parameters that they determine (MacKay's evidence
update), and the mode is taken given that noise. Then spreads and noise settle together (`bayescale.inference.settle`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from bayescale.errors import UserError
from bayescale.inference.objective import NOWHERE, curvature, value_and_slope
from bayescale.inference.settle import QUIETEST, settled
from bayescale.models.arrays import Data
from bayescale.models.layout import Layout

SAME = 1e-3
"""Of coordinates of unit prior scale: attempts that differ by less ended at the same place."""

RISE, RISES = 0.2, 15
"""Steps of the standardised log noise in which a mode settles, and how many of them at most."""


class StartError(UserError):
    """No place to start sampling from; the message says what to look at."""


@dataclass(frozen=True, eq=False)
class Start:
    """What sampling starts from.

    Attributes
    ----------
    modes : ndarray, shape (modes, size)
        Distinct modes, the highest first, the others within reach of it in density.
    """

    modes: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """The highest mode."""
        return np.asarray(self.modes[0])


def _with_typical_spreads(y: np.ndarray, layout: Layout) -> np.ndarray:
    cut = layout.linear
    return np.concatenate([y[:cut], np.zeros(len(layout.groups)), y[cut:]])


# A second thread for products of small matrices costs a hundred times what it saves on a machine that is busy.
@threadpool_limits.wrap(limits=1, user_api="blas")
def find_start(layout: Layout, data: Data, rng: np.random.Generator, attempts: int = 6) -> Start:
    """Optimise from dispersed draws of the prior.

    Raises
    ------
    StartError
        No attempt ended at a finite density: the law and the data do not fit together at all.
    """

    spreads = slice(layout.linear, layout.linear + len(layout.groups))

    def objective(y: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_and_slope(_with_typical_spreads(y, layout), layout, data)
        return value, np.delete(slope, spreads)

    def bends(y: np.ndarray) -> np.ndarray:
        every = np.asarray(curvature(_with_typical_spreads(y, layout), layout, data))
        hessian = np.delete(np.delete(every, spreads, axis=0), spreads, axis=1)
        return hessian if np.isfinite(hessian).all() else np.eye(len(y))

    found: list[tuple[float, np.ndarray]] = []
    for attempt in range(attempts):
        z0 = np.zeros(layout.size - len(layout.groups))
        if attempt:
            z0[: len(layout.law.parameters)] = rng.normal(scale=0.7, size=len(layout.law.parameters))
        # Rough noise first: a wide likelihood has no narrow valleys to get stuck in.
        z0[layout.linear] = 2.0
        z = minimize(objective, z0, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
        if objective(z)[0] >= NOWHERE:
            continue
        z = minimize(
            objective,
            z,
            jac=True,
            hess=bends,
            method="trust-exact",
            options={"maxiter": 60, "gtol": 1e-4},
        ).x
        found.append((objective(z)[0], z))
    if not found:
        raise StartError(
            "no starting point with a finite posterior density was found; check the units of the table with "
            "`bayescale check` and the priors with `bayescale models`"
        )
    found.sort(key=lambda pair: pair[0])
    # Settling costs as much as the search: attempts that ended at the same place are settled once.
    places: list[tuple[float, np.ndarray]] = []
    for value, y in found:
        if all(np.abs(y - other).max() > SAME for _, other in places):
            places.append((value, y))
    found = [(value, _settle(y, objective, bends, layout)) for value, y in places]
    best, centre = found[0]
    root = _root(bends(centre))
    modes: list[np.ndarray] = []
    for value, z in found:
        # As far apart as half a posterior standard deviation, on average over directions.
        apart = all(np.sqrt(np.mean((root.T @ (z - other)) ** 2)) > 0.5 for other in modes)
        if value - best < 10 and apart:
            modes.append(z)
    return Start(np.array([settled(_with_typical_spreads(z, layout), layout, data) for z in modes]))


def _settle(y: np.ndarray, objective: Any, bends: Any, layout: Layout) -> np.ndarray:
    """A mode with the noise where most of the volume is: maximised over the rest at each of some noise levels.

    Integrating means and effects out by Laplace's method adds half the log determinant of their curvature to the
    objective, which is what the joint mode leaves out.
    """
    cut = layout.linear
    y = np.concatenate([y[:cut], np.maximum(y[cut : cut + 1], QUIETEST), y[cut + 1 :]])

    def profile(step: float, y: np.ndarray) -> tuple[float, np.ndarray]:
        noise = y[cut:].copy()
        noise[0] += step

        def fixed(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, gradient = objective(np.concatenate([theta, noise]))
            return value, gradient[:cut]

        theta = minimize(fixed, y[:cut], jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        there = np.concatenate([theta, noise])
        values = np.linalg.eigvalsh(bends(there)[:cut, :cut])
        return objective(there)[0] + 0.5 * float(np.log(np.maximum(values, 1.0)).sum()), there

    best = profile(0.0, y)
    # Upwards in noise only: the joint mode is never at too much of it.
    for _ in range(RISES):
        after = profile(RISE, best[1])
        if after[0] >= best[0]:
            break
        best = after
    return best[1]


def _root(hessian: np.ndarray) -> np.ndarray:
    """A square root, flat or rising directions taken as standard normal (the priors' own scale)."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return np.asarray(vectors * np.sqrt(np.where(values > 0.1, values, 1.0)))
