"""Where sampling starts: the modes of the posterior at typical spreads, looked for from several places.

With every spread between groups at its prior median the posterior has a mode where the joint one, whose density grows
without bound as groups and spread collapse together, need not have a useful one. The same holds of the noise: with
nearly as many effects as runs the joint mode goes through every run at no noise at all, far from where the posterior's
volume is. So the noise is set by what is left of the runs after the parameters that they determine (MacKay's evidence
update), and the mode is taken given that noise. Then spreads and noise settle together (`bayescale.inference.settle`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from bayescale.errors import UserError
from bayescale.inference.evidence import laplace
from bayescale.inference.objective import NOWHERE, curvature, value_and_slope
from bayescale.inference.settle import QUIETEST, settled
from bayescale.inference.trimmed import TrimmedFit, TrimmedSearch, spread_out
from bayescale.inference.whitening import whiten_one, whitening_at
from bayescale.models.arrays import Data
from bayescale.models.layout import Layout

QUANTILES = 4
"""Searches that begin at quantiles of the prior."""

BETTER = 0.1
"""Log density by which a mode that was found before has to be worse to give way."""

RISE, RISES = 0.2, 15
"""Steps of the standardised log noise in which a mode settles, and how many of them at most."""

NEAR = 0.5
"""Posterior standard deviations, root mean square over directions. Places that are nearer are one mode."""

WITHIN = 1.0
"""The same of settled modes: a typical draw is this far from the middle of its mode."""

ROUGHLY = 20.0
"""Log evidence at typical spreads and noise, which settling moves by several units. A mode this far below the best is
not settled."""

CLOSE = 7.0
"""Log evidence. A mode this far below the best has a thousandth of the mass, and no chain starts there."""

RELEASED = 3
"""Trimmed fits of new valleys that are made into modes, at most."""

HEAVY = -1.645
"""Standardised log nu at which a trimmed fit meets the runs that it left out: the heavy end of the prior."""


class StartError(UserError):
    """No place to start sampling from; the message says what to look at."""


@dataclass(frozen=True, eq=False)
class Start:
    """What sampling starts from.

    Attributes
    ----------
    modes : ndarray, shape (modes, size)
        Distinct modes, that of the most evidence first, the others close to it in evidence.
    log_evidence : ndarray, shape (modes,)
        Log of the posterior's mass about each mode less that about the first, by Laplace's method.
    majority : TrimmedFit or None
        The fit to the better half of the runs with the least noise.
    """

    modes: np.ndarray
    log_evidence: np.ndarray
    majority: TrimmedFit | None = None

    def each(self) -> list[Start]:
        """Return every mode as a start of its own."""
        return [replace(self, modes=mode[None], log_evidence=np.zeros(1)) for mode in self.modes]

    @property
    def centre(self) -> np.ndarray:
        """The mode of the most evidence."""
        return np.asarray(self.modes[0])


@dataclass(frozen=True, eq=False)
class _Objective:
    """The negative log density with every spread between groups at its prior's median.

    Its vectors y are the full ones without the spreads.
    """

    layout: Layout
    data: Data

    @property
    def _spreads(self) -> slice:
        return slice(self.layout.linear, self.layout.linear + len(self.layout.groups))

    def whole(self, y: np.ndarray) -> np.ndarray:
        """The full vector."""
        cut = self.layout.linear
        return np.concatenate([y[:cut], np.zeros(len(self.layout.groups)), y[cut:]])

    def __call__(self, y: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_and_slope(self.whole(y), self.layout, self.data)
        return value, np.delete(slope, self._spreads)

    def bends(self, y: np.ndarray) -> np.ndarray:
        """The second derivatives."""
        every = np.asarray(curvature(self.whole(y), self.layout, self.data))
        hessian = np.delete(np.delete(every, self._spreads, axis=0), self._spreads, axis=1)
        return hessian if np.isfinite(hessian).all() else np.eye(len(y))

    def polished(self, y: np.ndarray) -> np.ndarray:
        """The mode near y."""
        options = {"maxiter": 60, "gtol": 1e-4}
        return np.asarray(
            minimize(self, y, jac=True, hess=self.bends, method="trust-exact", options=options).x
        )


# A second thread for products of small matrices costs a hundred times what it saves on a machine that is busy.
@threadpool_limits.wrap(limits=1, user_api="blas")
def find_start(layout: Layout, data: Data, rng: np.random.Generator, attempts: int = 6) -> Start:
    """Find the modes of the posterior and weigh them by their evidence.

    Searches begin at dispersed draws of the prior with rough noise, and at fits to the better half of the runs with low
    noise (`bayescale.inference.trimmed`).

    Raises
    ------
    StartError
        No attempt ended at a finite density: the law and the data do not fit together at all.
    """
    objective = _Objective(layout, data)
    places: list[_Place] = []
    means = len(layout.law.parameters)
    begins = [np.zeros(means)] + [rng.normal(scale=0.7, size=means) for _ in range(attempts - 1)]
    # Random numbers of their own: the rough search and what comes after draw as they did.
    own = rng.spawn(1)[0]
    for begin in [*begins, *spread_out(means, QUANTILES, own)]:
        z0 = np.zeros(layout.size - len(layout.groups))
        z0[:means] = begin
        # Rough noise first: a wide likelihood has no narrow valleys to get stuck in.
        z0[layout.linear] = 2.0
        z = minimize(objective, z0, jac=True, method="L-BFGS-B", options={"maxiter": 400}).x
        _add(places, z, objective)
    if not places:
        raise StartError(
            "no starting point with a finite posterior density was found; check the units of the table with "
            "`bayescale check` and the priors with `bayescale models`"
        )
    places.sort(key=lambda place: place.value)
    fits = _low_noise(objective, places, own)
    modes = [settled(objective.whole(y), layout, data) for y in _distinct(places, objective)]
    start = _weighed(_unmerged(modes, layout, data), layout, data)
    return replace(start, majority=fits[0] if fits else None)


@dataclass(frozen=True, eq=False)
class _Place:
    """A mode at typical spreads: the objective there, and a root of its curvature."""

    value: float
    y: np.ndarray
    root: np.ndarray


def _add(places: list[_Place], y: np.ndarray, objective: _Objective) -> None:
    """Add the mode near y, unless it is known; polishing costs as much as the search."""

    def near() -> list[_Place]:
        return [place for place in places if not _apart(place.root.T @ (y - place.y))]

    value = objective(y)[0]
    if value >= NOWHERE or any(place.value < value + BETTER for place in near()):
        return
    y = objective.polished(y)
    value, known = objective(y)[0], near()
    if all(place.value >= value + BETTER for place in known):
        places[:] = [place for place in places if place not in known]
        places.append(_Place(value, y, _root(objective.bends(y))))


def _low_noise(objective: _Objective, places: list[_Place], rng: np.random.Generator) -> list[TrimmedFit]:
    """Add modes in valleys of low noise that the best rough mode, the first, is not in, and return the trimmed fits."""
    layout, data = objective.layout, objective.data
    mean, sd = np.asarray(data["noise"], float)[0]
    search = TrimmedSearch(layout, data, float(np.exp(mean + QUIETEST * sd)))
    linear = layout.linear
    first = places[0].y
    known, released = search.at(first[:linear]), 0
    fits = search.search(first[:linear], rng)
    for fit in fits:
        if released == RELEASED or not fit.differs_from(known):
            continue
        released += 1
        noise = np.zeros(len(first) - linear)
        noise[0] = np.clip((np.log(fit.scale) - mean) / sd, QUIETEST, 2.0)
        noise[layout.noise.index("nu")] = HEAVY

        def held(theta: np.ndarray, noise: np.ndarray = noise) -> tuple[float, np.ndarray]:
            value, slope = objective(np.concatenate([theta, noise]))
            return value, slope[:linear]

        # First at this noise: were it free, it would take up what means and effects have still to explain.
        theta = minimize(held, fit.theta, jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
        _add(places, np.concatenate([theta, noise]), objective)
    return fits


def _distinct(places: list[_Place], objective: _Objective) -> list[np.ndarray]:
    """Places with their noise settled that are apart and have evidence, roughly, within reach of the best."""
    found: list[tuple[float, np.ndarray, np.ndarray]] = []
    for place in places:
        y = _settle(place.y, objective, objective.bends, objective.layout)
        root = _root(objective.bends(y))
        evidence = -objective(y)[0] - float(np.linalg.slogdet(root)[1])
        if all(_apart(root.T @ (y - other)) or _apart(known.T @ (y - other)) for _, other, known in found):
            found.append((evidence, y, root))
    best = max(evidence for evidence, _, _ in found)
    return [y for evidence, y, _ in found if best - evidence < ROUGHLY]


def _apart(away: np.ndarray, limit: float = NEAR) -> bool:
    """Return True if a difference in posterior standard deviations is large, on average over directions."""
    return bool(np.sqrt(np.mean(away**2)) > limit)


def _unmerged(modes: list[np.ndarray], layout: Layout, data: Data) -> list[np.ndarray]:
    """Settled modes without those that settled within an earlier one."""
    if len(modes) == 1:
        return modes
    kept: list[tuple[np.ndarray, Any]] = []
    for mode in modes:
        whitening = whitening_at(mode, layout, data)

        def white(z: np.ndarray, whitening: Any) -> np.ndarray:
            return np.asarray(whiten_one(z, layout, data, whitening))

        if all(
            _apart(white(mode, w) - white(other, w), WITHIN)
            for other, known in kept
            for w in (whitening, known)
        ):
            kept.append((mode, whitening))
    return [mode for mode, _ in kept]


def _weighed(modes: list[np.ndarray], layout: Layout, data: Data) -> Start:
    """The modes that have evidence, that of the most first; one alone is not weighed."""
    if len(modes) == 1:
        return Start(np.array(modes), np.zeros(1))
    evidence = np.array([laplace(mode, layout, data) for mode in modes])
    evidence = np.where(np.isfinite(evidence), evidence, -np.inf)
    order = np.argsort(-evidence, kind="stable")
    kept = order[evidence[order] > evidence.max() - CLOSE] if np.isfinite(evidence.max()) else order[:1]
    return Start(np.array(modes)[kept], (evidence - evidence.max())[kept])


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
