"""Extrapolation level of points: how far they lie from the fitted runs along each input.

Four levels, in order:

- ``inside``: inside the runs' range along every axis;
- ``near``: no further above it than forecasts of known runs were checked (`bayescale.inference.folds`);
- ``beyond``: no further than forecasts are believed, `believed_decades`;
- ``far``: further than that. Nothing vouches for such a forecast, and `bayescale.decide` gives no answer on it.

The axes are every input that the law takes, compute, and tokens per param. Distances are in decades above the highest
fitted value, or below the lowest: a law goes wrong in either direction, and no forecast is checked below. Covariates,
and inputs that may be zero, have no decades: up to the width of the runs' own range outside it is ``beyond``, further
is ``far``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from bayescale.inference.folds import SETTLED
from bayescale.posterior import PosteriorData

AS_FAR = 3.0
"""How many times as far as forecasts of known runs were checked a forecast is still believed."""

UNCHECKED = 1.0
"""Decades that are believed at least, and along an axis where no forecast was checked.

A decade is as far as the forecasts of published tables went that the prior of the drift was learned from
(docs/extrapolation.md: 0.3 to 1.2 decades a step). With folds, a sweep over a decade earns about as much: they leave
out the top 30 % of its range, and three times that is believed."""

LITTLE = 0.005
"""Decades that count as none: 1 % of the value."""

OUTSIDE = 0.01
"""Widths of a range outside it that count as none."""

RATIO = "tokens_per_param"

WORDS = {"flops": "compute", "params": "size", RATIO: "tokens per param"}
"""Names of axes for people; the others are called as their column."""

COLUMNS = ("level", "decades_beyond", "beyond_along")
"""Columns that `extrapolation` returns."""


class Level(StrEnum):
    """Extrapolation level of a point."""

    INSIDE = "inside"
    NEAR = "near"
    BEYOND = "beyond"
    FAR = "far"

    @property
    def rank(self) -> int:
        return LEVELS.index(self)


LEVELS = tuple(Level)


@dataclass(frozen=True, eq=False)
class Distance:
    """Distance of points from the fitted runs along one axis.

    Attributes
    ----------
    axis : str
        The input's column, ``flops`` or ``tokens_per_param``.
    decades : ndarray, shape (points,)
        Above the highest fitted value; negative below the lowest; zero inside. NaN where a value has no logarithm.
    widths : ndarray or None
        For an axis that is judged by the width of its range: how many widths outside it, shape (points,).
    low, high : float
        Lowest and highest fitted value.
    """

    axis: str
    decades: np.ndarray
    widths: np.ndarray | None
    low: float
    high: float

    def ranks(self, checked: float | None, limit: float | None) -> np.ndarray:
        """Return the rank of each point's level along this axis, shape (points,).

        Parameters
        ----------
        checked : float or None
            Decades above the runs that forecasts of known runs were checked along this axis.
        limit : float, optional
            Decades that are believed in either direction, in place of the rule.
        """
        if self.widths is not None and limit is None:
            return np.select([self.widths <= OUTSIDE, self.widths <= 1.0], [0, 2], 3)
        d = self.decades
        above = LITTLE + (believed_decades(checked) if limit is None else limit)
        below = LITTLE + (believed_decades(None) if limit is None else limit)
        inside = np.abs(d) <= LITTLE if self.widths is None else self.widths <= OUTSIDE
        believed = np.where(d > 0, d <= above, -d <= below)
        if self.widths is not None:
            believed = np.where(np.isnan(d), self.widths <= 1.0, believed)
        return np.select([inside, (d > 0) & (d <= (checked or 0.0)), believed], [0, 1, 2], 3)


def believed_decades(checked: float | None) -> float:
    """Return how far above the runs a forecast is believed, given how far forecasts of known runs were checked.

    It never falls as more is checked, and is least where nothing was: checking can only extend what is believed.
    """
    return max(UNCHECKED, AS_FAR * (checked or 0.0))


def checked_decades(posterior: PosteriorData) -> dict[str, float]:
    """Return how far beyond their runs the fit's own forecasts of known runs went, in decades, by axis."""
    return furthest([fold["decades"] for fold in _settled(posterior)])


def furthest(each: list[dict[str, float]]) -> dict[str, float]:
    """Return the largest distance of each axis; what rounds to nothing checks nothing."""
    found: dict[str, float] = {}
    for one in each:
        for axis, decades in one.items():
            if decades > LITTLE:
                found[axis] = max(found.get(axis, 0.0), float(decades))
    return found


def extrapolation(
    posterior: PosteriorData,
    points: pd.DataFrame,
    checked: Mapping[str, float] | None = None,
    limit: float | None = None,
) -> pd.DataFrame:
    """Return the extrapolation level of points, with the axis and the distance that decide it.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
        As for `bayescale.forecast.predict`; an axis whose column they lack is passed over.
    checked : mapping, optional
        Decades beyond the runs up to which forecasts were checked, by axis; `checked_decades` where absent.
    limit : float, optional
        Decades that are believed along every axis, in place of `believed_decades`.

    Returns
    -------
    DataFrame
        With the points' index: ``level``, a `Level`; ``decades_beyond``, above the highest fitted value of the axis
        ``beyond_along``, negative below its lowest. Inside the runs they are zero and empty.
    """
    checked = checked_decades(posterior) if checked is None else checked
    rank, size = np.zeros(len(points), dtype=int), np.zeros(len(points))
    decades, along = np.zeros(len(points)), np.full(len(points), "", dtype=object)
    for one in distances(posterior, points):
        ranks = one.ranks(checked.get(one.axis), limit)
        length = np.nan_to_num(np.abs(one.decades), nan=0.0)
        worse = (ranks > rank) | ((ranks == rank) & (ranks > 0) & (length > size))
        rank, size = np.where(worse, ranks, rank), np.where(worse, length, size)
        decades, along = np.where(worse, one.decades, decades), np.where(worse, one.axis, along)
    levels = np.array([str(level) for level in LEVELS], dtype=object)[rank]
    found = pd.DataFrame({"level": levels, "decades_beyond": decades, "beyond_along": along})
    return found.set_axis(points.index)


def level_text(row: Mapping[Any, Any]) -> str:
    """Return a row of `extrapolation` in words: ``far, 2 decades of tokens beyond the runs``."""
    axis, decades = str(row["beyond_along"]), float(row["decades_beyond"])
    if not axis:
        return str(row["level"])
    if not np.isfinite(decades) or not decades:
        return f"{row['level']}, outside the runs in {WORDS.get(axis, axis)}"
    where = "beyond" if decades > 0 else "below"
    return f"{row['level']}, {abs(decades):.2g} decades of {WORDS.get(axis, axis)} {where} the runs"


def distances(posterior: PosteriorData, points: pd.DataFrame) -> list[Distance]:
    """Return the distances of points along every axis that the runs and they have."""
    law, runs = posterior.model.definition, posterior.runs
    fitted, asked = _axes(posterior, runs), _axes(posterior, points)
    found = [
        _distance(axis, fitted[axis], asked[axis], axis in law.may_be_zero)
        for axis in fitted
        if axis in asked and np.isfinite(fitted[axis]).any()
    ]
    taken = {one.axis for one in found}
    for scaled in posterior.design.covariates:
        covariate = scaled.covariate
        if covariate.column in taken or not covariate.known(points):
            continue
        taken.add(covariate.column)
        low, high = sorted(float(covariate.raw(np.array(x))) for x in (scaled.low, scaled.high))
        decades = _decades(covariate.read(points), low, high)
        found.append(Distance(covariate.column, decades, np.nan_to_num(scaled.outside(points)), low, high))
    return found


def _axes(posterior: PosteriorData, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the values of a table along every axis that it has, shape (rows,)."""
    inputs = posterior.model.definition.inputs
    wanted = {*inputs, "params", "tokens"} & set(map(str, table.columns))
    read = {name: pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in sorted(wanted)}
    found = {"flops": posterior.flops_of(table)}
    found |= {name: x for name, x in read.items() if name in inputs and name != "flops"}
    if {"params", "tokens"} <= set(read):
        found[RATIO] = read["tokens"] / np.where(read["params"] > 0, read["params"], np.nan)
    return found


def _distance(axis: str, fitted: np.ndarray, asked: np.ndarray, zero: bool) -> Distance:
    low, high = float(np.nanmin(fitted)), float(np.nanmax(fitted))
    widths = None
    if zero:
        out = np.nan_to_num(np.maximum(0.0, np.maximum(low - asked, asked - high)))
        widths = out / (high - low) if high > low else np.where(out > 0, np.inf, 0.0)
    return Distance(axis, _decades(asked, low, high), widths, low, high)


def _decades(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return decades above `high`, negative below `low`, zero between them; NaN where there is no logarithm."""
    above, below = values > high, values < low
    out = np.zeros(len(values))
    for there, end in ((above, high), (below, low)):
        sound = there & (values > 0) & (end > 0)
        out[there] = np.nan
        out[sound] = np.log10(values[sound] / end)
    return out


def _settled(posterior: PosteriorData) -> list[dict[str, Any]]:
    return [fold for fold in posterior.provenance.get("folds", []) if fold["r_hat"] < SETTLED]
