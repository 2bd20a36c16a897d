"""Predictive bands and joint draws: the loss at points, each by itself or all together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import pandas as pd
import xarray as xr

from bayescale.forecast.expected import expected_loss
from bayescale.forecast.extrapolation import COLUMNS, extrapolation
from bayescale.forecast.known_runs import given_runs, runs_of_points
from bayescale.forecast.moments import moments
from bayescale.inference.quantities import measured_loss
from bayescale.posterior import PosteriorData

Of = Literal["run", "mean"]
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
OURS = re.compile("|".join((r"q0\.\d+|loss_mean|loss_sd|band|group", *COLUMNS)))
"""Columns that a prediction adds."""

BANDS: dict[Of, str] = {"run": "loss of a new run", "mean": "expected loss"}
"""What a band is of."""

AT_ONCE = 500
"""Points whose draws are held in memory together."""


@overload
def predict(
    posterior: PosteriorData,
    points: pd.DataFrame,
    of: Of = "run",
    quantiles: Sequence[float] = QUANTILES,
    seed: int = 0,
    draws: Literal[False] = False,
) -> pd.DataFrame: ...


@overload
def predict(
    posterior: PosteriorData,
    points: pd.DataFrame,
    of: Of = "run",
    quantiles: Sequence[float] = QUANTILES,
    seed: int = 0,
    *,
    draws: Literal[True],
) -> xr.DataArray: ...


def predict(
    posterior: PosteriorData,
    points: pd.DataFrame,
    of: Of = "run",
    quantiles: Sequence[float] = QUANTILES,
    seed: int = 0,
    draws: bool = False,
) -> pd.DataFrame | xr.DataArray:
    """Predict the loss at points, as bands of each or as joint draws of all.

    Bands say nothing of how points go together. Whatever adds, averages or compares points needs their joint draws.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
        The law's inputs, and grouping columns where the labels are known; a ``run_id`` of a fitted run whose earlier
        rows are to be used, where runs give several rows.
    of : {"run", "mean"}
        The loss that a new run would measure, noise included, or the expected loss.
    quantiles : sequence of float
        Probabilities, each between 0 and 1.
    seed : int
        Of the noise, and of the draws of new groups.
    draws : bool
        Return joint draws instead of bands.

    Returns
    -------
    DataFrame
        The points' own columns, then ``loss_mean``, ``loss_sd``, a column a quantile (``q0.05``), ``band`` (which of
        the two it is), ``group`` (known, new, or a mixture), and the extrapolation ``level`` with
        its figures, ``decades_beyond`` and ``beyond_along`` (`bayescale.forecast.extrapolation`). ``loss_mean`` and
        ``loss_sd`` are empty (NaN) where they do not exist: for a new run, whose Student-t noise on the log leaves
        none, and for an expected loss of which fewer than one draw in a hundred would make the figure
        (`bayescale.forecast.moments`).
    DataArray
        With `draws`: losses of dimensions ``draw`` and ``point``, named ``loss``; along ``point`` the coordinates
        ``group`` and ``level`` as above and ``run`` (number of the run that a point lies on). In one draw all points
        share the law's parameters, the drift of their cell, the effects of their group, known or new, and rows of one
        ``run_id`` the effect and the heavy-tailed stretch of that run. Draws are those of the posterior, chains one
        after the other.

    Raises
    ------
    ValueError
        A quantile outside 0 to 1, or an unknown `of`.
    """
    levels = sorted(set(quantiles))
    if not levels or not 0 < levels[0] <= levels[-1] < 1:
        raise ValueError(f"quantiles lie between 0 and 1, both excluded: got {list(quantiles)}")
    if of not in ("run", "mean"):
        raise ValueError(f"a band is of a new 'run' or of the 'mean': got {of!r}")
    points = points.reset_index(drop=True)
    # The output of an earlier prediction may be predicted again.
    points = points.drop(columns=[c for c in points if OURS.fullmatch(str(c))])
    if draws:
        return _joint(posterior, points, of, seed)
    pieces = [
        _predict(posterior, points.iloc[i : i + AT_ONCE], of, levels, seed + i)
        for i in range(0, len(points), AT_ONCE)
    ]
    if not pieces:
        return points.copy()
    return pd.concat([points, pd.concat(pieces), extrapolation(posterior, points)], axis=1)


def _joint(posterior: PosteriorData, points: pd.DataFrame, of: Of, seed: int) -> xr.DataArray:
    nothing: tuple[np.ndarray, list[str]] = (np.empty((len(posterior.z), 0)), [])
    loss, groups = loss_draws(posterior, points, of, seed) if len(points) else nothing
    level = extrapolation(posterior, points)["level"].tolist() if len(points) else []
    along = {"group": groups, "level": level, "run": runs_of_points(points)[0]}
    return xr.DataArray(
        loss,
        dims=("draw", "point"),
        coords={
            "point": np.arange(len(points)),
            **{name: ("point", np.asarray(values)) for name, values in along.items()},
        },
        name="loss",
        attrs={"band": BANDS[of]},
    )


def _predict(
    posterior: PosteriorData, points: pd.DataFrame, of: Of, levels: list[float], seed: int
) -> pd.DataFrame:
    loss, groups = loss_draws(posterior, points, of, seed)
    out = pd.DataFrame(moments(loss, of), index=points.index)
    for level, values in zip(levels, np.quantile(loss, levels, axis=0), strict=True):
        out[f"q{level:g}"] = values
    return out.assign(band=BANDS[of], group=groups)


def loss_draws(
    posterior: PosteriorData, points: pd.DataFrame, of: Of, seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Return joint draws of the loss, shape (draws, points), and what was done about each point's groups.

    Rows of one ``run_id`` share the run's effect (`bayescale.forecast.known_runs`).
    """
    # New groups are the same draws in every call of one posterior: only the noise depends on the seed.
    loss, groups = expected_loss(posterior, points)
    if of == "mean":
        return loss, groups
    rng = np.random.default_rng([seed, 2])
    given = given_runs(posterior, points, typical_se(posterior))
    groups = [f"{g}; run known" if known else g for g, known in zip(groups, given.known, strict=True)]
    return measured_loss(loss, given.simulated(rng)), groups


def typical_se(posterior: PosteriorData) -> float:
    """Median relative standard error of the fitted runs' losses: what evaluating a new run would add."""
    return float(np.median(posterior.design.loss_se / posterior.design.loss))
