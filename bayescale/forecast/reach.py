"""How far a forecast reaches, and how forecasts that far did: the warning that goes with a band.

The scale, along compute and size, in decades beyond the fitted runs:

- ``inside``: not beyond the runs;
- ``near``: no further than forecasts of the table's own runs were checked (`bayescale.inference.folds`);
- ``beyond``: at most `AS_FAR` times as far, or `UNCHECKED` decades where none was checked;
- ``far``: further than that. Nothing vouches for such a band.

A covariate outside the runs' range makes a point at least ``beyond``, and ``far`` by more than that range's width.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayescale.forecast.beyond import beyond
from bayescale.inference.folds import SETTLED
from bayescale.posterior import PosteriorData

AS_FAR = 3.0
"""How many times as far as forecasts of known runs were checked a forecast is still believed."""

UNCHECKED = 1.5
"""Decades beyond the fitted runs that are believed where no forecast was checked at all."""

LITTLE = 0.005
"""Decades that are not worth a word, rounded as they are printed."""

OUTSIDE = 0.01
"""Widths of a covariate's range outside it that are not worth a word."""

WORDS = {"flops": "compute", "params": "size", "tokens": "tokens"}


def checked_decades(posterior: PosteriorData) -> dict[str, float]:
    """How far beyond their runs the fit's own forecasts of known runs went, in decades, by axis."""
    found: dict[str, float] = {}
    for fold in _settled(posterior):
        for axis, decades in fold["decades"].items():
            found[axis] = max(found.get(axis, 0.0), float(decades))
    return found


def believed_decades(checked: float | None) -> float:
    """How far forecasts are believed where they were checked so far."""
    return AS_FAR * checked if checked else UNCHECKED


def reach(posterior: PosteriorData, points: pd.DataFrame) -> list[str]:
    """How far each point lies beyond the fitted runs, and the record of forecasts there, in words.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
        As for `bayescale.forecast.predict`.

    Returns
    -------
    list of str
        A place on the scale, then the distances, tokens per param where no fitted run has as many or as few, and how
        the fit's forecasts of its own dearest and largest runs did.
    """
    checked, record = checked_decades(posterior), _record(posterior)
    found = []
    for decades, ratio, (furthest, outside) in zip(
        _decades(posterior, points), _ratios(posterior, points), _outside(posterior, points), strict=True
    ):
        said = " and ".join(f"{d:.2g} decades of {WORDS[axis]}" for axis, d in decades.items())
        parts = [f"{said} beyond the runs", ratio, record] if said else [ratio]
        words = "; ".join(part for part in (*parts, *outside) if part)
        level = _level(decades, checked, furthest)
        found.append(f"{level}: {words}" if words else level)
    return found


def short(posterior: PosteriorData, points: pd.DataFrame) -> list[str]:
    """The place on the scale and the decades of compute, for a table's cell."""
    checked = checked_decades(posterior)
    return [
        f"{_level(decades, checked, furthest)}, {decades['flops']:.1f} decades"
        if "flops" in decades
        else _level(decades, checked, furthest)
        for decades, (furthest, _) in zip(
            _decades(posterior, points), _outside(posterior, points), strict=True
        )
    ]


def _decades(posterior: PosteriorData, points: pd.DataFrame) -> list[dict[str, float]]:
    """Of each point: how far it lies beyond the fitted runs, by the axes along which it does."""
    out = {axis: x / np.log(10) for axis, x in beyond(posterior, points).items()}
    return [{axis: float(x[i]) for axis, x in out.items() if x[i] > LITTLE} for i in range(len(points))]


def _outside(posterior: PosteriorData, points: pd.DataFrame) -> list[tuple[float, list[str]]]:
    """Of each point, how far its covariates lie outside the runs', in widths of their range, and which do."""
    furthest = np.zeros(len(points))
    said: list[list[str]] = [[] for _ in range(len(points))]
    seen: set[str] = set()
    for scaled in posterior.design.covariates:
        covariate = scaled.covariate
        if covariate.column in seen or not covariate.known(points):
            continue
        seen.add(covariate.column)
        widths = np.nan_to_num(scaled.outside(points))
        furthest = np.maximum(furthest, widths)
        low, high = (float(covariate.raw(np.array(x))) for x in (scaled.low, scaled.high))
        for i in np.flatnonzero(widths > OUTSIDE):
            value = float(covariate.read(points)[i])
            said[i].append(f"{covariate.column} {value:.4g}, where the runs have {low:.4g} to {high:.4g}")
    return list(zip(furthest.tolist(), said, strict=True))


def _level(decades: dict[str, float], checked: dict[str, float], furthest: float = 0.0) -> str:
    # Along covariates nothing drifts and no forecast was checked: as far again as the runs go is believed.
    if furthest > OUTSIDE:
        return "far" if furthest > 1 or _level(decades, checked) == "far" else "beyond"
    if not decades:
        return "inside"
    if all(d <= checked.get(axis, 0.0) for axis, d in decades.items()):
        return "near"
    return "beyond" if all(d <= believed_decades(checked.get(axis)) for axis, d in decades.items()) else "far"


def _ratios(posterior: PosteriorData, points: pd.DataFrame) -> list[str]:
    runs = posterior.runs
    if not {"params", "tokens"} <= set(runs) or not {"params", "tokens"} <= set(points):
        return [""] * len(points)
    fitted = (runs["tokens"] / runs["params"]).to_numpy(float)
    asked = (pd.to_numeric(points["tokens"]) / pd.to_numeric(points["params"])).to_numpy(float)
    low, high = np.nanmin(fitted), np.nanmax(fitted)
    return [
        f"{ratio:.3g} tokens per param, where the runs have {low:.3g} to {high:.3g}"
        if ratio < low / 1.01 or ratio > high * 1.01
        else ""
        for ratio in asked
    ]


def _record(posterior: PosteriorData) -> str:
    folds = _settled(posterior)
    if not folds:
        return "no forecast of known runs was checked"
    checked = checked_decades(posterior)
    runs = sum(fold["forecast"] for fold in folds)
    inside = sum(fold["inside90"] * fold["forecast"] for fold in folds) / runs
    far = " and ".join(f"{d:.2g} of {WORDS[axis]}" for axis, d in checked.items() if axis in WORDS)
    holds = posterior.draws("drift_holds").mean()
    return (
        f"forecasts of its own runs, up to {far}, held {100 * inside:.0f} % of {runs} in their 90 % bands, which makes "
        f"it {100 * holds:.0f} % probable that the law holds further on as it does inside"
    )


def _settled(posterior: PosteriorData) -> list[dict[str, Any]]:
    return [fold for fold in posterior.provenance.get("folds", []) if fold["r_hat"] < SETTLED]
