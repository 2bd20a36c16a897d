"""Expected loss at new points, draw by draw, for groups known, new and unsaid.

What a label means for a point, factor by factor:

- a label that the runs have: that group's own effects;
- a label that the runs do not have: a new group, drawn from the population that the known ones come from, the same draw
  wherever that label appears in one call;
- no label: a mixture over the known groups, one of them in each draw.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.beyond import axis_values, beyond
from bayescale.inference.drift import COMMON
from bayescale.laws import Law
from bayescale.models.density import data_of, layout_of, population, split, unlink
from bayescale.models.design import Effects, label_text, level_of
from bayescale.models.misfit import MisfitAxis
from bayescale.posterior import PosteriorData


class PointsError(UserError):
    """Points that cannot be predicted at; the message names row and column."""


@dataclass(frozen=True, eq=False)
class CellDraws:
    """The law's parameters for some points, draw by draw.

    Attributes
    ----------
    law : Law
    values : dict of ndarray, shape (draws, points)
    groups : list of str
        What was done for each point: ``known``, ``new: task=latin``, ``mixture over task``.
    """

    law: Law
    values: dict[str, np.ndarray]
    groups: list[str]


class Predictor:
    """Maps the labels of points to parameter draws; remembers the draws of new groups."""

    def __init__(self, posterior: PosteriorData, seed: int = 0) -> None:
        self._posterior = posterior
        self._seed = seed
        self._layout = layout_of(posterior.design)

    @cached_property
    def _pieces(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        z = self._posterior.z
        means = population(z.T, self._layout, data_of(self._posterior.design))
        return [np.asarray(m) for m in means], [np.asarray(u) for u in split(z, self._layout).effects]

    def misfit(self, points: pd.DataFrame) -> np.ndarray:
        """Draws of how far the law is off at points inside the runs, of log loss, shape (draws, points)."""
        posterior, design = self._posterior, self._posterior.design
        out = np.zeros((len(posterior.z), len(points)))
        places = axis_values(posterior, points)
        for axis, known in zip(design.misfit, split(posterior.z, self._layout).misfit, strict=True):
            if axis.axis not in places:
                continue
            distance = design.axes[axis.axis].max() - places[axis.axis]
            for labels, at in _alike(points, list(design.cells.columns)):
                inside = at[distance[at] > 0]
                if len(inside):
                    out[:, inside] += self._deviation(axis, known, labels) @ axis.basis(distance[inside]).T
        return out

    def drift(self, points: pd.DataFrame) -> np.ndarray:
        """Draws of the drift of log loss at points beyond the runs, shape (draws, points).

        It is the same for a cell in every call, so that differences between points mean something.
        """
        posterior, design = self._posterior, self._posterior.design
        draws = len(posterior.z)
        out = np.zeros((draws, len(points)))
        for axis, distance in beyond(posterior, points).items():
            if not distance.any():
                continue
            common = self._rng("drift", axis).normal(size=draws)
            own = self._rng("drift of cells", axis).normal(size=(draws, max(1, len(design.cells)), 1))
            for labels, at in _alike(points, list(design.cells.columns)):
                further = at[distance[at] > 0]
                u = (
                    np.sqrt(COMMON) * common
                    + np.sqrt(1 - COMMON) * self._of_cell(own, f"drift in {axis}", labels)[:, 0]
                )
                out[:, further] += (posterior.draws(f"drift_{axis}") * u)[:, None] * distance[further]
        return out

    def _of_cell(self, each: np.ndarray, what: str, labels: dict[str, object]) -> np.ndarray:
        """Of standard normals of shape (draws, cells, n) the cell's, shape (draws, n): a new cell's are drawn."""
        draws, design = len(each), self._posterior.design
        missing = [column for column in design.cells.columns if labels.get(column) is None]
        match = np.ones(len(design.cells), dtype=bool)
        for column, label in _given(labels).items():
            match &= (design.cells[column] == label_text(label)).to_numpy()
        if match.any():
            return np.asarray(each[np.arange(draws), self._cells_for(labels, missing)])
        who = ":".join(label_text(label) for label in _given(labels).values())
        return np.asarray(self._rng(what, who).normal(size=(draws, each.shape[-1])))

    def _deviation(self, axis: MisfitAxis, known: np.ndarray, labels: dict[str, object]) -> np.ndarray:
        """Coordinates of the deviation of a cell, shape (draws, knots): its own, or for a new one from the prior."""
        each = known.reshape(len(known), axis.cells, axis.knots)
        if axis.cells == 1:
            return np.asarray(each[:, 0])
        size = self._posterior.draws(f"misfit_{axis.axis}")[:, None]
        return size * self._of_cell(each / size[:, None], f"misfit in {axis.axis}", labels)

    def parameters(self, points: pd.DataFrame) -> CellDraws:
        """Parameters at every point; points with the same labels share their draws."""
        design, law = self._posterior.design, self._layout.law
        columns = [c for c in design.cells.columns if c in points]
        labels = points[columns].astype(object)
        labels = labels.where(labels.notna(), None)
        keys = list(labels.itertuples(index=False, name=None)) if columns else [()] * len(points)
        distinct = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        solved = [self._one(dict(zip(columns, key, strict=True))) for key in distinct]
        which = [distinct[key] for key in keys]
        values = {p: np.stack([s[0][p] for s in solved], axis=1)[:, which] for p in law.parameter_names}
        return CellDraws(law, values, [solved[i][1] for i in which])

    def _one(self, labels: dict[str, object]) -> tuple[dict[str, np.ndarray], str]:
        design = self._posterior.design
        names = self._layout.law.parameter_names
        means, free = self._pieces
        missing = [column for column in design.cells.columns if labels.get(column) is None]
        cells = self._cells_for(labels, missing)
        said = [f"mixture over {', '.join(missing)}"] if missing else []
        linked = [np.array(m) for m in means]
        for effects, u in zip(design.effects, free, strict=True):
            levels = [
                level_of(effects, {**{str(k): v for k, v in row.items()}, **_given(labels)})
                for row in design.cells.to_dict("records")
            ]
            if None in (levels[i] for i in set(cells)):
                who = ":".join(
                    "any" if labels.get(c) is None else label_text(labels[c]) for c in effects.factor
                )
                effect, what = self._new_group(effects, who), f"new: {':'.join(effects.factor)}={who}"
                said += [what] if what not in said else []
            else:
                effect = np.einsum(
                    "df,df->d", effects.basis[np.array(levels, dtype=object)[cells].astype(int)], u
                )
            linked[names.index(effects.parameter)] += effect
        natural = unlink(self._layout.law, linked, design.reference)
        return {name: np.asarray(x) for name, x in natural.items()}, "; ".join(said) or "known"

    def _cells_for(self, labels: dict[str, object], missing: list[str]) -> np.ndarray:
        """Whose labels stand in for the missing ones: one cell in each draw, the same for every parameter."""
        cells, draws = self._posterior.design.cells, len(self._posterior.z)
        match = np.ones(len(cells), dtype=bool)
        for column, label in _given(labels).items():
            same = (cells[column] == label_text(label)).to_numpy()
            # A label that no run has says nothing about which cells are like it.
            match &= same if same.any() else True
        candidates = np.flatnonzero(match) if match.any() else np.arange(len(cells))
        if not missing:
            return np.repeat(candidates[:1], draws)
        return self._rng("mixture", *missing, *map(str, _given(labels).values())).choice(
            candidates, size=draws
        )

    def _new_group(self, effects: Effects, who: str) -> np.ndarray:
        # The observed levels' mean is itself uncertain about the population's: hence the factor beside tau.
        tau = self._posterior.draws(f"{effects.name}_sd") * np.sqrt(1 + 1 / len(effects.levels))
        return tau * self._rng("new", effects.name, who).normal(size=len(tau))

    def _rng(self, *what: str) -> np.random.Generator:
        digest = hashlib.sha256("\0".join(what).encode()).digest()
        return np.random.default_rng([self._seed, *digest[:8]])


def _given(labels: dict[str, object]) -> dict[str, object]:
    return {column: label for column, label in labels.items() if label is not None}


def _alike(points: pd.DataFrame, columns: list[str]) -> list[tuple[dict[str, object], np.ndarray]]:
    """Points by what they say of the given columns: the labels, and where they are."""
    there = [column for column in columns if column in points]
    labels = points[there].astype(object)
    keys = (
        list(labels.where(labels.notna(), None).itertuples(index=False, name=None))
        if there
        else [()] * len(points)
    )
    where: dict[tuple[object, ...], list[int]] = {}
    for i, key in enumerate(keys):
        where.setdefault(key, []).append(i)
    return [(dict(zip(there, key, strict=True)), np.array(at)) for key, at in where.items()]


def inputs_of(law: Law, points: pd.DataFrame) -> dict[str, np.ndarray]:
    """The law's inputs at the points.

    Raises
    ------
    PointsError
        A column is absent, or a value is not a positive number.
    """
    inputs = {}
    for column in law.inputs:
        if column not in points:
            raise PointsError(f"the points lack the column {column!r}, which the law {law.name} needs")
        values = pd.to_numeric(points[column], errors="coerce").to_numpy(float)
        zero = column in law.may_be_zero
        bad = ~(np.isfinite(values) & (values >= 0 if zero else values > 0))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            raise PointsError(
                f"row {row + 1}, column {column}: {str(points[column].iloc[row])[:40]!r} is not a "
                f"{'number of at least zero' if zero else 'positive number'}"
            )
        inputs[column] = values
    return inputs


def expected_loss(
    posterior: PosteriorData, points: pd.DataFrame, seed: int = 0
) -> tuple[np.ndarray, list[str]]:
    """Draws of the expected loss, shape (draws, points), and what was done about each point's groups.

    Inside the fitted runs it is the law's with its misfit, beyond them with its drift.
    """
    predictor = Predictor(posterior, seed)
    cells = predictor.parameters(points)
    if "flops" in cells.law.inputs and "flops" not in points and {"params", "tokens"} <= set(points):
        points = points.assign(flops=posterior.flops_per_param_token * points["params"] * points["tokens"])
    loss = np.asarray(cells.law.loss(cells.values, inputs_of(cells.law, points)))
    return loss * np.exp(predictor.misfit(points) + predictor.drift(points)), cells.groups
