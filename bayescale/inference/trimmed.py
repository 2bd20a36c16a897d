"""High-breakdown fits: least trimmed squares on the law's residuals (Rousseeuw 1984).

A search that begins at rough noise ends where all runs agree a little. If a part of the runs is of another kind, the
posterior has a second mode, narrow and often of far more mass, where most runs agree well and the others are outliers
of the heavy-tailed noise. A rough search does not see it. So the law is also fitted to the half of the runs that it
fits best: from a subset, the parameters are fitted, the half with the least residuals is taken, and so on until the
half stays the same (the concentration steps of Rousseeuw & Van Driessen 1999). Fewer than half of the runs, however far
off, cannot move such a fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtri

from bayescale.inference.objective import value_and_slope
from bayescale.models.arrays import Data
from bayescale.models.density import expected_loss
from bayescale.models.layout import Layout

CONCENTRATIONS, STEPS = 6, 60
"""Concentration steps of a fit, and steps of the search within each of them, at most."""

SUBSETS = 4
"""Fits that begin at a random subset of the runs. With 20 of 48 runs of another kind, half of such fits find the
majority."""

FEW = 4
"""Runs of a group below which none is left out."""

HALF_SCALE = 0.3776
"""Root mean square of the half of standard normal draws that is nearest to zero."""

APART = 2.0
"""Scales of the narrower fit. Two fits whose predictions differ by less, in the median run, are in one valley."""


@dataclass(frozen=True, eq=False)
class TrimmedFit:
    """Means and effects that fit the better half of the runs.

    Attributes
    ----------
    theta : ndarray, shape (linear,)
        Means, effects and misfit.
    fitted : ndarray, shape (rows,)
        Log of the expected loss of every row.
    scale : float
        Standard deviation of log loss that the better half of the residuals would have under Gaussian noise.
    """

    theta: np.ndarray
    fitted: np.ndarray
    scale: float

    def differs_from(self, other: TrimmedFit) -> bool:
        """Return True if the two fits are further apart than the noise of the narrower one."""
        return bool(np.median(np.abs(self.fitted - other.fitted)) > APART * min(self.scale, other.scale))


@partial(jax.jit, static_argnums=1)
def _log_expected(z: np.ndarray, layout: Layout, data: Data) -> jax.Array:
    return jnp.log(expected_loss(z, layout, data))


def spread_out(size: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw standard normal vectors, shape (count, size), that have every quantile of each coordinate once."""
    quantiles = ndtri((np.arange(count) + 0.5) / count)
    return np.array([rng.permutation(quantiles) for _ in range(size)]).reshape(size, count).T


class TrimmedSearch:
    """Trimmed fits of one table.

    Parameters
    ----------
    layout : Layout
    data : dict
        Rows whose ``kept`` is zero are in no subset.
    quietest : float
        Standard deviation of log loss that no scale is below.
    """

    def __init__(self, layout: Layout, data: Data, quietest: float) -> None:
        self.layout, self.data = layout, data
        self.run = np.asarray(data["run"])
        counted = np.asarray(data["kept"]) > 0
        self.rows = np.bincount(self.run, weights=counted)
        self.floor = float(np.hypot(quietest, np.median(np.asarray(data["relative_se"])[counted])))
        place = np.zeros(len(self.rows), int)
        place[self.run[::-1]] = np.asarray(data["place"])[::-1]
        # With covariates nearly every run has a place of its own; then the better half is that of all runs.
        if len(np.unique(place)) * FEW > len(place):
            place = np.zeros_like(place)
        self.strata = [
            runs for p in np.unique(place) if len(runs := np.flatnonzero((place == p) & (self.rows > 0)))
        ]

    def at(self, theta: np.ndarray) -> TrimmedFit:
        """Return a fit with these means and effects, shape (linear,), as they are."""
        fitted = self._fitted(theta)
        away = self._away(fitted)
        best = self._best(away)
        half = np.concatenate([runs for runs in self.strata if len(runs) >= FEW] or self.strata)
        half = half[best[half]]
        scale = float(np.sqrt(np.mean(away[half] ** 2))) / HALF_SCALE if len(half) else np.inf
        # What is fitted to half of the runs is nearer to them than the truth is.
        free = min(self.layout.common, len(half) / 2)
        scale *= float(np.sqrt(len(half) / (len(half) - free))) if len(half) else 1.0
        return TrimmedFit(theta, fitted, float(np.hypot(scale, self.floor)))

    def search(self, theta: np.ndarray, rng: np.random.Generator) -> list[TrimmedFit]:
        """Return trimmed fits from several subsets, those of the smallest scale first, each valley once.

        Parameters
        ----------
        theta : ndarray, shape (linear,)
            Of a fit to all runs. Its half of least residuals, of lowest and of highest are three of the subsets; the
            others are random, and begin at quantiles of the prior.
        """
        off = self._mean(np.asarray(self.data["log_loss"]) - self._fitted(theta))
        begins = [(theta, self._best(order)) for order in (np.abs(off), off, -off)]
        common = self.layout.common
        for quantiles in spread_out(common, SUBSETS, rng):
            begin = np.zeros(self.layout.linear)
            begin[:common] = quantiles
            begins.append((begin, self._random(rng)))
        found: list[TrimmedFit] = []
        fits = [self._concentrated(begin, kept) for begin, kept in begins]
        for fit in sorted((f for f in fits if np.isfinite(f.scale)), key=lambda f: f.scale):
            if all(fit.differs_from(other) for other in found):
                found.append(fit)
        return found

    def _concentrated(self, theta: np.ndarray, kept: np.ndarray) -> TrimmedFit:
        for _ in range(CONCENTRATIONS):
            theta = self._fit(theta, kept)
            fitted = self._fitted(theta)
            if not np.isfinite(fitted).all():
                return TrimmedFit(theta, fitted, np.inf)
            better = self._best(self._away(fitted))
            if np.array_equal(better, kept):
                break
            kept = better
        return self.at(theta)

    def _fit(self, theta: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Fit the kept runs, with spreads and noise at the middle of their priors: the noise is low."""
        weight = np.asarray(self.data["kept"]) * kept[self.run]
        data = self.data | {
            "kept": jnp.asarray(weight),
            "rows": jnp.asarray(np.bincount(self.run, weights=weight, minlength=len(self.rows))),
        }
        linear = self.layout.linear
        rest = np.zeros(self.layout.size - linear)

        def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
            value, slope = value_and_slope(np.concatenate([theta, rest]), self.layout, data)
            return value, slope[:linear]

        return np.asarray(
            minimize(objective, theta, jac=True, method="L-BFGS-B", options={"maxiter": STEPS}).x
        )

    def _fitted(self, theta: np.ndarray) -> np.ndarray:
        z = np.concatenate([theta, np.zeros(self.layout.size - self.layout.linear)])
        return np.asarray(_log_expected(z, self.layout, self.data))

    def _away(self, fitted: np.ndarray) -> np.ndarray:
        """Distance of every run from its fit, shape (runs,): the mean over its rows."""
        return self._mean(np.abs(np.asarray(self.data["log_loss"]) - fitted))

    def _mean(self, x: np.ndarray) -> np.ndarray:
        weight = np.asarray(self.data["kept"])
        return np.bincount(self.run, weights=weight * x, minlength=len(self.rows)) / np.maximum(self.rows, 1)

    def _best(self, away: np.ndarray) -> np.ndarray:
        """The better half of every group's runs, bool of shape (runs,); all runs of small groups."""
        kept = np.zeros(len(self.rows), bool)
        for runs in self.strata:
            half = len(runs) if len(runs) < FEW else len(runs) // 2 + 1
            kept[runs[np.argsort(away[runs], kind="stable")[:half]]] = True
        return kept

    def _random(self, rng: np.random.Generator) -> np.ndarray:
        """A random subset of every group's runs, as many as the law has parameters and a few."""
        kept = np.zeros(len(self.rows), bool)
        for runs in self.strata:
            size = min(len(runs), len(self.layout.law.parameters) + 3)
            kept[rng.choice(runs, size, replace=False)] = True
        return kept
