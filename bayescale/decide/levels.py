"""Extrapolation levels of tables of plans, and the caution that goes with those that lie far out."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bayescale.forecast.extrapolation import COLUMNS, WORDS, Level, extrapolation
from bayescale.posterior import PosteriorData


def with_levels(
    posterior: PosteriorData, table: pd.DataFrame, fixed: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Return a table of plans with the extrapolation level of each: ``level``, ``decades_beyond``, ``beyond_along``.

    Parameters
    ----------
    posterior : PosteriorData
    table : DataFrame
        A row a plan: ``params`` and ``tokens`` of its median run, or ``flops`` where the law takes nothing else.
    fixed : mapping, optional
        What the law takes beside them.
    """
    if table.empty:
        return table
    inputs = [
        *posterior.model.definition.inputs,
        *(c for s in posterior.design.covariates for c in s.covariate.names),
    ]
    names = dict.fromkeys(name for name in ("params", "tokens", *inputs) if name in table and name != "flops")
    points = table[list(names)].assign(**{name: float(x) for name, x in (fixed or {}).items()})
    points = points.replace([np.inf, -np.inf], np.nan)
    # A budget is of service too, and of a datastore: what lies beyond the runs is the compute of training.
    flops = posterior.flops_of(points)
    if "flops" in table:
        flops = np.where(np.isfinite(flops), flops, table["flops"].to_numpy(float))
    return table.join(extrapolation(posterior, points.assign(flops=flops)))


def caution(table: pd.DataFrame) -> str:
    """Return what to beware of in a table of plans with their levels; empty where none lies far out."""
    far = table[table["level"] == Level.FAR] if "level" in table else table[:0]
    if far.empty:
        return ""
    decades = far["decades_beyond"].to_numpy(float)
    furthest = far.iloc[int(np.nanargmax(np.abs(decades)))] if np.isfinite(decades).any() else far.iloc[0]
    axis, out = str(furthest["beyond_along"]), float(furthest["decades_beyond"])
    where = f"{abs(out):.1f} decades of {WORDS.get(axis, axis)} {'beyond' if out > 0 else 'below'} the runs"
    if not np.isfinite(out):
        where = f"outside the runs in {WORDS.get(axis, axis)}"
    one = len(table) == 1
    which = "this plan lies" if one else f"{len(far)} of {len(table)} rows lie far out, up to"
    whose = "its intervals" if one else "their intervals"
    return f"caution: {which} {where}: nothing vouches for {whose}"


def without_figures(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table for print, where the level's word is enough."""
    return table.drop(columns=[c for c in COLUMNS if c in table and c != "level"])
