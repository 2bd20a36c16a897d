"""Averaging over laws: weights by how well each forecast runs that it had not seen (stacking).

The weights are those of the mixture of forecasts under which the held-out losses were likeliest (Yao et al. 2018,
arXiv:1704.02030, by leave-future-out instead of leave-one-out): a law that fits the measured runs best need not be the
one that forecasts dearer runs best, and only the latter is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayescale.forecast.scores import GRID, log_density
from bayescale.forecast.weighted import weighted_quantiles

STACKED = "stacked"
"""The mixture among a backtest's methods."""

EVEN = 4.0
"""How many forecasts' worth the weights are drawn towards equal ones: few held-out runs choose nobody."""

ROUNDS, STILL = 2000, 1e-9

_NAMES = [f"q{p:g}" for p in GRID]


def stacking_weights(log_densities: np.ndarray, even: float = EVEN) -> np.ndarray:
    """Weights of the mixture under which the losses were likeliest.

    Parameters
    ----------
    log_densities : ndarray, shape (losses, models)
        Of each measured loss under each model's forecast.
    even : float
        Pseudo-observations that all models share equally.

    Returns
    -------
    ndarray, shape (models,)
        Not negative, of sum one; equal where there are no losses.
    """
    losses, models = log_densities.shape
    weights = np.full(models, 1 / models)
    if not losses:
        return weights
    density = np.exp(log_densities - log_densities.max(axis=1, keepdims=True))
    # Expectation and maximisation: the objective is concave, and every round goes up.
    for _ in range(ROUNDS):
        share = weights * density
        share /= share.sum(axis=1, keepdims=True)
        new = (share.sum(axis=0) + even / models) / (losses + even)
        if np.abs(new - weights).max() < STILL:
            return np.asarray(new)
        weights = new
    return weights


def weights_of(forecasts: pd.DataFrame, models: Sequence[str]) -> dict[str, float]:
    """Stacking weights of models by their forecasts of the same runs.

    Parameters
    ----------
    forecasts : DataFrame
        A row a model and held-out run, as of `bayescale.forecast.backtest.Backtest`: ``method``, ``loss`` and the
        quantiles.
    models : sequence of str
    """
    densities = [
        log_density(rows[_NAMES].to_numpy(float), rows["loss"].to_numpy(float))
        for rows in (forecasts[forecasts["method"] == name] for name in models)
    ]
    found = stacking_weights(np.column_stack(densities))
    return dict(zip(models, found.tolist(), strict=True))


def stacked(forecasts: pd.DataFrame, models: Sequence[str], folds: Sequence[str]) -> pd.DataFrame:
    """Forecasts of the mixture, each fold's by the weights that the folds before it gave; the first one's are equal.

    Parameters
    ----------
    forecasts : DataFrame
        As for `weights_of`, with ``fold``.
    models : sequence of str
    folds : sequence of str
        From the cheapest to the dearest.
    """
    pieces = []
    for i, fold in enumerate(folds):
        weights = weights_of(forecasts[forecasts["fold"].isin(list(folds[:i]))], models)
        here = forecasts[forecasts["fold"] == fold]
        of = {name: here[here["method"] == name] for name in models}
        quantiles = mixture_quantiles([of[name][_NAMES].to_numpy(float) for name in models], weights)
        about = of[models[0]].drop(columns=_NAMES).assign(method=STACKED)
        pieces.append(about.assign(**dict(zip(_NAMES, quantiles.T, strict=True))))
    return pd.concat(pieces, ignore_index=True)


def mixture_quantiles(quantiles: Sequence[np.ndarray], weights: Mapping[str, float]) -> np.ndarray:
    """Quantiles .01 to .99 of mixtures, from their parts' quantiles as equally likely values, shape (runs, 99)."""
    each = [
        np.full(one.shape[1], w / one.shape[1]) for one, w in zip(quantiles, weights.values(), strict=True)
    ]
    return (
        np.stack(
            [
                weighted_quantiles(np.concatenate(row), np.concatenate(each), GRID)
                for row in zip(*quantiles, strict=True)
            ]
        )
        if len(quantiles[0])
        else np.zeros((0, len(GRID)))
    )
