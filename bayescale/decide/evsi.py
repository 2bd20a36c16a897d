"""What runs are worth to a decision before they are made: the expected value of sample information.

EVSI = E_y[max_a E[U_a | y]] - max_a E[U_a], over what the runs may measure, y. Two estimates, neither of which refits:

- *regression* (Strong, Oakley, Brennan & Breeze 2015): E[U_a | y] as a smooth function of one summary of y, the best
  linear predictor of the action's log expected loss. Draws that choose are not draws that are averaged (five folds), so
  that it is the value of a rule that can be followed, and not optimistic. A fit that unseen draws do not follow is
  shrunk towards the mean, so that its errors are not taken for gains.
- *re-weighting*: for each simulated y the draws are weighted by its density. No summary and no smoothness is assumed;
  it degenerates where a batch tells very much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bayescale.decide.measurements import Measurements
from bayescale.decide.stakes import monte_carlo_error

FOLDS, KNOTS = 5, 6


@dataclass(frozen=True, eq=False)
class Value:
    """What a batch of runs is worth, its cost not taken off.

    Attributes
    ----------
    evsi, error : float
        In the unit of the utility, with its Monte Carlo standard error.
    chosen : ndarray of int, shape (draws,)
        The action that would be taken after what each draw measured.
    smooth : float
        The same by fitted expectations instead of outcomes: less noise, for ranking.
    """

    evsi: float
    error: float
    chosen: np.ndarray
    smooth: float


def evsi(
    measurements: Measurements,
    batch: tuple[int, ...],
    utility: np.ndarray,
    log_loss: np.ndarray,
    chains: int,
) -> Value:
    """By regression.

    Parameters
    ----------
    measurements : Measurements
    batch : tuple of int
        Candidates that are run, with repeats.
    utility : ndarray, shape (draws, actions)
        Given the law, noise averaged out (`Stakes.given_law`).
    log_loss : ndarray, shape (draws, actions)
        Of the actions' expected losses; a constant column for doing nothing.
    chains : int
    """
    now = utility.mean(axis=0)
    best = int(now.argmax())
    if not batch:
        return Value(0.0, 0.0, np.full(len(utility), best), 0.0)
    summary = summaries(measurements.simulated(batch, tame=True), log_loss)
    fitted = np.stack([_smooth(summary[:, a], utility[:, a]) for a in range(utility.shape[1])], axis=1)
    chosen = fitted.argmax(axis=1)
    at = np.arange(len(utility))
    gain = utility[at, chosen] - utility[:, best]
    smooth = float((fitted.max(axis=1) - fitted[:, best]).mean())
    return Value(float(gain.mean()), monte_carlo_error(gain, chains), chosen, smooth)


def evsi_reweighted(
    measurements: Measurements, batch: tuple[int, ...], utility: np.ndarray, sets: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """By re-weighting draws, over so many simulated sets of measurements.

    Returns
    -------
    float, float, float
        EVSI, its standard error over the sets, and the median effective number of draws behind an expectation.
    """
    rng = np.random.default_rng([seed, 8])
    picked = rng.choice(len(utility), size=min(sets, len(utility)), replace=False)
    log_weight = measurements.log_density(batch, measurements.simulated(batch)[picked])
    # The draw that made the set is not among those that judge it: it would be its own best witness.
    log_weight[np.arange(len(picked)), picked] = -np.inf
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    after = weight @ utility
    gain = after.max(axis=1) - after[:, utility.mean(axis=0).argmax()]
    effective = float(np.median(1 / (weight**2).sum(axis=1)))
    return float(gain.mean()), float(gain.std() / np.sqrt(len(gain))), effective


def summaries(measured: np.ndarray, log_loss: np.ndarray) -> np.ndarray:
    """Best linear predictors of every column of `log_loss` from what is measured, shape (draws, actions)."""
    y, target = measured - measured.mean(axis=0), log_loss - log_loss.mean(axis=0)
    covariance = y.T @ y / len(y)
    ridge = 1e-10 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return np.asarray(y @ np.linalg.solve(covariance + ridge, y.T @ target / len(y)))


def _smooth(summary: np.ndarray, utility: np.ndarray) -> np.ndarray:
    """E[utility | summary] by a cubic regression spline, each fold's from the others, shape (draws,)."""
    if np.ptp(summary) < 1e-12 or np.ptp(utility) < 1e-12 * max(1.0, float(np.abs(utility).max())):
        return np.full(len(utility), utility.mean())
    basis = _spline(summary)
    # Folds are stretches of the chains: neighbours in a chain are alike.
    fold = np.arange(len(summary)) * 10 * FOLDS // len(summary) % FOLDS
    out = np.empty(len(summary))
    gram = {k: basis[fold == k].T @ basis[fold == k] for k in range(FOLDS)}
    cross = {k: basis[fold == k].T @ utility[fold == k] for k in range(FOLDS)}
    penalty = 1e-6 * np.trace(sum(gram.values())) / basis.shape[1] * np.eye(basis.shape[1])
    for k in range(FOLDS):
        others = [j for j in range(FOLDS) if j != k]
        weights = np.linalg.solve(
            sum(gram[j] for j in others) + penalty, np.sum([cross[j] for j in others], axis=0)
        )
        out[fold == k] = basis[fold == k] @ weights
    return utility.mean() + _credible(out, utility) * (out - out.mean())


def _credible(fitted: np.ndarray, utility: np.ndarray) -> float:
    """Slope of what happened on what was fitted without it, between 0 and 1.

    The maximum over actions takes the errors of the fits for gains. Where runs tell little most of a fit is error, and
    draws that it has not seen do not follow it.
    """
    off = fitted - fitted.mean()
    variance = float(off @ off)
    return float(np.clip(off @ utility / variance, 0.0, 1.0)) if variance > 0 else 0.0


def _spline(x: np.ndarray) -> np.ndarray:
    """Natural cubic splines of a summary, linear beyond the outer knots (Hastie, Tibshirani & Friedman, eq. 5.4)."""
    x = (x - x.mean()) / x.std()
    knots = np.quantile(x, np.linspace(0.02, 0.98, KNOTS))

    def d(k: int) -> np.ndarray:
        top = np.maximum(x - knots[k], 0) ** 3 - np.maximum(x - knots[-1], 0) ** 3
        return np.asarray(top / (knots[-1] - knots[k]))

    last = d(KNOTS - 2)
    return np.stack([np.ones_like(x), x, *(d(k) - last for k in range(KNOTS - 2))], axis=1)
