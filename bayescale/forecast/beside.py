"""What several fits say of the same points, each alone and all together.

Two uses: laws averaged by their stacking weights (`bayescale.forecast.stacking`), and one law with and without some
runs, such as a large one that is known already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.moments import moments
from bayescale.forecast.predict import QUANTILES, Of, loss_draws, predict
from bayescale.forecast.weighted import weighted_quantiles
from bayescale.posterior import PosteriorData

AVERAGE = "average"


class BesideError(UserError):
    """Fits that cannot stand beside each other; the message says why and what to do."""


def beside(
    posteriors: Mapping[str, PosteriorData],
    points: pd.DataFrame,
    weights: Mapping[str, float] | None = None,
    of: Of = "run",
    quantiles: Sequence[float] = QUANTILES,
    seed: int = 0,
) -> pd.DataFrame:
    """Predict the same points by every fit, and by their mixture where there are weights.

    Parameters
    ----------
    posteriors : mapping of PosteriorData
        By the name to print.
    points : DataFrame
        As for `bayescale.forecast.predict`, with the inputs of every law.
    weights : mapping of float, optional
        Of each fit, such as ``backtest(...).weights``; they are made to sum to one.
    of, quantiles, seed
        As for `bayescale.forecast.predict`.

    Returns
    -------
    DataFrame
        Rows a fit and point, the fits in their order and then ``average``: ``fit``, ``weight`` (missing without
        weights), ``point`` (its place among `points`), and the columns of `bayescale.forecast.predict`; of the average
        ``loss_mean``, ``loss_sd`` and the quantiles.

    Raises
    ------
    BesideError
        Weights of other fits, none above zero, or of a fit whose sampling failed the health gate.
    """
    shares = None if weights is None else _shares(posteriors, weights)
    pieces = [
        predict(posterior, points, of, quantiles, seed).assign(
            fit=name, weight=np.nan if shares is None else shares[name], point=range(len(points))
        )
        for name, posterior in posteriors.items()
    ]
    if shares is not None:
        pieces.append(_average(posteriors, points.reset_index(drop=True), shares, of, quantiles, seed))
    out = pd.concat(pieces, ignore_index=True)
    first = ["fit", "weight", "point"]
    return out[[*first, *(c for c in out if c not in first)]]


def _average(
    posteriors: Mapping[str, PosteriorData],
    points: pd.DataFrame,
    shares: Mapping[str, float],
    of: Of,
    quantiles: Sequence[float],
    seed: int,
) -> pd.DataFrame:
    losses = [loss_draws(posterior, points, of, seed)[0] for posterior in posteriors.values()]
    draws = np.concatenate(losses)
    each = np.concatenate(
        [np.full(len(x), shares[name] / len(x)) for name, x in zip(posteriors, losses, strict=True)]
    )
    levels = sorted(set(quantiles))
    found = np.stack([weighted_quantiles(column, each, levels) for column in draws.T])
    figures = moments(draws, of, each)
    figures |= {f"q{level:g}": found[:, i] for i, level in enumerate(levels)}
    return pd.concat([points, pd.DataFrame(figures)], axis=1).assign(
        fit=AVERAGE, weight=1.0, point=range(len(points))
    )


def _shares(posteriors: Mapping[str, PosteriorData], weights: Mapping[str, float]) -> dict[str, float]:
    missing, foreign = (
        [n for n in posteriors if n not in weights],
        [n for n in weights if n not in posteriors],
    )
    if missing or foreign:
        raise BesideError(
            f"the weights are of {', '.join(weights) or 'nothing'}, and the fits of {', '.join(posteriors)}: "
            "give every fit that has a weight, and no other"
        )
    if (
        not np.isfinite(list(weights.values())).all()
        or min(weights.values()) < 0
        or not sum(weights.values())
    ):
        raise BesideError(f"weights are at least zero, and not all of them: got {dict(weights)}")
    failed = [n for n, p in posteriors.items() if weights[n] and p.health().sampling.verdict == "FAIL"]
    if failed:
        raise BesideError(
            f"{', '.join(failed)} failed the health gate, and no average is made with it: mend it, or give it no weight"
        )
    whole = sum(weights.values())
    return {name: weights[name] / whole for name in posteriors}
