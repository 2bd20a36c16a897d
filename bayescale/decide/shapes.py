"""Shapes that one training run may take in turn, each with its curve of loss against compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.curves import Curve, curves
from bayescale.decide.errors import AllocationError
from bayescale.flops import FlopRule
from bayescale.forecast.known_labels import nearest
from bayescale.models.labels import label_text
from bayescale.numerals import count
from bayescale.posterior import PosteriorData


class AdaptError(AllocationError):
    """A change of shape that cannot be planned as asked; the message says why."""


@dataclass(frozen=True, eq=False)
class TrainedShape:
    """A shape in training.

    Attributes
    ----------
    name : str
    curve : Curve
        With the FLOPs per param and token of the shape's own runs.
    params : float or None
        Its size; None for a law of compute alone.
    runs : DataFrame
        The fitted runs of its labels.
    """

    name: str
    curve: Curve
    params: float | None
    runs: pd.DataFrame

    def loss(self, flops: np.ndarray) -> np.ndarray:
        """Expected loss after so much training, shape (draws, budgets)."""
        if self.params is None:
            return self.curve.loss(flops)
        return self.curve.loss_of_size(self.params, flops)

    def point(self, flops: float) -> pd.DataFrame:
        """A run of this shape, as a table of one row."""
        row: dict[str, Any] = {**self.curve.labels, **self.curve.fixed, "flops": flops}
        if self.params is not None:
            tokens = float(self.curve.rule.tokens(self.params, flops))
            row |= {"params": self.params, "tokens": tokens}
        return pd.DataFrame([row])


def trained_shapes(
    posterior: PosteriorData,
    by: str | None,
    levels: Sequence[str] | None,
    sizes: Sequence[float] | None,
    at: Mapping[str, str],
    fixed: Mapping[str, float],
) -> list[TrainedShape]:
    """Levels of a grouping column, sizes of a model, or every level at every size.

    Raises
    ------
    AdaptError
        Not a grouping column, an unknown label, fewer than two shapes, or sizes that the law does not take or lacks.
    """
    params = _sizes(posterior, sizes)
    rows = _groups(posterior, by, levels, at).assign(**{name: float(x) for name, x in fixed.items()})
    made = []
    for labels, curve in zip(rows.to_dict("records"), curves(posterior, rows), strict=True):
        own = posterior.runs_of({c: labels[c] for c in posterior.design.cells.columns})
        for size in params:
            k = _flops_per_param_token(posterior, own, size)
            level = "" if by is None else str(labels[by])
            named = "" if size is None or (len(params) == 1 and level) else f"{count(size)} params"
            name = ", ".join(filter(None, (level, named)))
            made.append(TrainedShape(name, replace(curve, k=k), size, own))
    if len(made) < 2:
        raise AdaptError(
            "a change of shape takes two shapes or more: name a grouping column (--by) with two levels, or two sizes "
            "(--sizes)"
        )
    return made


def _sizes(posterior: PosteriorData, sizes: Sequence[float] | None) -> list[float | None]:
    law = posterior.model.definition
    if "params" not in law.inputs:
        if sizes:
            raise AdaptError(f"the law {law.name} takes {', '.join(law.inputs)}: sizes do not matter to it")
        return [None]
    if not sizes:
        fitted = posterior.runs["params"]
        raise AdaptError(
            f"the law {law.name} takes params, and a run in training has a size: say which, --sizes (the runs have "
            f"{count(fitted.min())} to {count(fitted.max())}); or fit a law of compute alone, such as henighan-c"
        )
    wrong = [size for size in sizes if not (np.isfinite(size) and size > 0)]
    if wrong:
        raise AdaptError(f"sizes are positive numbers of params: got {wrong[0]:g}")
    return [float(size) for size in dict.fromkeys(sizes)]


def _groups(
    posterior: PosteriorData, by: str | None, levels: Sequence[str] | None, at: Mapping[str, str]
) -> pd.DataFrame:
    """Labels of the shapes, a row each, with the mean of their runs' covariates."""
    groups, columns = posterior.design.groups, list(map(str, posterior.design.cells.columns))
    if by is not None and by not in columns:
        raise AdaptError(
            f"the runs of this fit are not grouped by {by}: they are by {', '.join(columns) or 'nothing'}"
        )
    for column, label in at.items():
        if posterior.design.single.get(column) == label_text(label):
            continue
        if column not in columns or column == by:
            rest = ", ".join(c for c in columns if c != by) or "none"
            raise AdaptError(f"{column} is no other grouping column of this fit: there are {rest}")
        groups = _with_label(groups, column, [label])
    if by is not None and levels is not None:
        groups = _with_label(groups, by, levels)
    for column in columns:
        labels = list(map(str, dict.fromkeys(groups[column])))
        if column != by and len(labels) > 1:
            raise AdaptError(
                f"one run is of one {column}, and the fit has {', '.join(labels)}: say which, --for "
                f"{column}={labels[0]}" + ("" if by else f", or --by {column}")
            )
    return groups if len(groups) else pd.DataFrame(index=[0])


def _with_label(groups: pd.DataFrame, column: str, labels: Sequence[str]) -> pd.DataFrame:
    wanted, there = [label_text(label) for label in labels], groups[column].map(str)
    known = tuple(dict.fromkeys(there))
    unknown = [label for label in wanted if label not in known]
    if unknown:
        near = nearest(unknown[0], known)
        meant = f" (did you mean {near}?)" if near else ""
        raise AdaptError(
            f"no run has {column} = {', '.join(unknown)}{meant}: there are {', '.join(known)}; a shape that nobody has "
            "trained has no curve to follow, so fit runs of it first"
        )
    return groups[there.isin(wanted)]


def _flops_per_param_token(
    posterior: PosteriorData, runs: pd.DataFrame, params: float | None
) -> FlopRule | float:
    """k in C = k N D of the shape's own runs of the nearest size: shapes differ in what a token costs them."""
    counted = {"flops", "params", "tokens"} <= set(runs) and not posterior.conventions.flops_filled
    runs = runs.dropna(subset=["flops"]) if counted else runs
    if params is None or not counted or runs.empty:
        return posterior.flop_rule
    off = np.abs(np.log(runs["params"].to_numpy(float) / params))
    near = runs[off <= off.min() + 1e-9]
    return float((near["flops"] / (near["params"] * near["tokens"])).median())
