"""Expected loss at new points, draw by draw, for groups known, new and unsaid.

What a label means for a point, factor by factor:

- a label that the runs have: that group's own effects;
- a label that the runs do not have: a new group, drawn from the population that the known ones come from, the same draw
  wherever that label appears in one call; where the runs have one label only, how far groups differ is the prior's;
- no label: a mixture over the known groups, one of them in each draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.forecast.beyond import axis_values, beyond
from bayescale.forecast.discrepancy import Discrepancy, DriftAlong, MisfitAlong
from bayescale.inference.drift import COMMON
from bayescale.laws import Law
from bayescale.models.arrays import coefficient_normals, data_of
from bayescale.models.covariates import Scaled
from bayescale.models.density import correlation_roots, natural_at, noise_effects, population
from bayescale.models.effects import Effects, level_of
from bayescale.models.labels import label_text
from bayescale.models.layout import layout_of, split
from bayescale.models.misfit import MisfitAxis
from bayescale.models.pooling import GroupTerm
from bayescale.models.spec import NOISE
from bayescale.posterior import PosteriorData

APART = float(np.log(30))
"""How far a new group may lie from the population on the link scale: a factor of thirty. Of two groups the spread is
hardly known from above, and draws that are hundreds of times the typical exponent are of no use to anybody."""

MOST = 1e300
"""Of a parameter: an exponent of hundreds takes its amplitude past what a float holds, and what is infinite times
nothing is no number."""


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


@dataclass(frozen=True, eq=False)
class _Group:
    """A group's parameters on their link scale, draw by draw.

    Attributes
    ----------
    middle : list of ndarray, shape (draws,)
        Of each parameter, and of the log of each input that is moved, where every covariate is at the runs' mean.
    slopes : list of list of ndarray, shape (draws,)
        The same in each covariate of the design, per standard deviation.
    noisier : ndarray, shape (draws,)
        What log sigma differs by from the population's.
    said : str
        What was done about its labels.
    """

    middle: list[np.ndarray]
    slopes: list[list[np.ndarray]]
    noisier: np.ndarray
    said: str

    def at(self, x: tuple[float, ...]) -> list[np.ndarray]:
        """The parameters where the covariates are so many standard deviations off."""
        return [
            middle + sum(slope * d for slope, d in zip(slopes, x, strict=True)) if x else middle
            for middle, slopes in zip(self.middle, self.slopes, strict=True)
        ]


class Predictor:
    """Maps the labels of points to parameter draws; remembers the draws of new groups."""

    def __init__(self, posterior: PosteriorData, seed: int = 0) -> None:
        self._posterior = posterior
        self._seed = seed
        self._layout = layout_of(posterior.design)
        self._columns = list(posterior.design.known_labels)

    @cached_property
    def _pieces(self) -> tuple[list[np.ndarray], dict[str, np.ndarray], list[np.ndarray]]:
        """Population means and, by name, coefficients, shape (draws,) each, and every effect (draws, free)."""
        z, design = self._posterior.z, self._posterior.design
        data = data_of(design)
        means = population(z.T, self._layout, data)
        parts, normals = split(z, self._layout), coefficient_normals(design)
        coefficients = {
            c.name: mean + sd * parts.coefficients[:, i]
            for i, (c, (mean, sd)) in enumerate(zip(design.coefficients, normals, strict=True))
        }
        noisier, _ = noise_effects(parts.noise, self._layout, data)
        effects = [np.asarray(u) for u in (*parts.effects, *noisier)]
        return [np.asarray(m) for m in means], coefficients, effects

    def misfit(self, points: pd.DataFrame) -> np.ndarray:
        """Draws of how far the law is off at points inside the runs, of log loss, shape (draws, points)."""
        posterior, design = self._posterior, self._posterior.design
        out = np.zeros((len(posterior.z), len(points)))
        places = axis_values(posterior, points, design.misfit_axes)
        for axis, known in zip(design.misfit, split(posterior.z, self._layout).misfit, strict=True):
            if axis.axis not in places:
                continue
            distance = design.misfit_axes[axis.axis].max() - places[axis.axis]
            for labels, at in _alike(points, self._columns):
                inside = at[distance[at] > 0]
                if len(inside):
                    out[:, inside] += self._deviation(axis, known, labels) @ axis.basis(distance[inside]).T
        return out

    def drift(self, points: pd.DataFrame) -> np.ndarray:
        """Draws of the drift of log loss at points beyond the runs, shape (draws, points).

        It is the same for a cell in every call, so that differences between points mean something.
        """
        posterior = self._posterior
        draws = len(posterior.z)
        out = np.zeros((draws, len(points)))
        for axis, distance in beyond(posterior, points).items():
            if not distance.any():
                continue
            for labels, at in _alike(points, self._columns):
                further = at[distance[at] > 0]
                out[:, further] += self._drift_slope(axis, labels)[:, None] * distance[further]
        return out

    def discrepancy(self, labels: Mapping[str, object]) -> Discrepancy:
        """Return misfit and drift of a group, as `misfit` and `drift` have them at points."""
        posterior, design = self._posterior, self._posterior.design
        own = {c: labels.get(c) for c in self._columns}
        own = {c: None if label is None or label != label else label for c, label in own.items()}
        misfit = zip(design.misfit, split(posterior.z, self._layout).misfit, strict=True)
        return Discrepancy(
            tuple(
                MisfitAlong(
                    axis, float(design.misfit_axes[axis.axis].max()), self._deviation(axis, known, own)
                )
                for axis, known in misfit
            ),
            tuple(
                DriftAlong(axis, float(x.max()), self._drift_slope(axis, own))
                for axis, x in design.axes.items()
            ),
            design.typical_flops,
        )

    def _drift_slope(self, axis: str, labels: dict[str, object]) -> np.ndarray:
        """Drift of a group's log loss per e-fold beyond the runs along an axis, shape (draws,)."""
        posterior, draws = self._posterior, len(self._posterior.z)
        common = self._rng("drift", axis).normal(size=draws)
        each = self._rng("drift of cells", axis).normal(size=(draws, max(1, len(posterior.design.cells)), 1))
        own = self._of_cell(each, f"drift in {axis}", labels)[:, 0]
        return np.asarray(
            posterior.draws(f"drift_{axis}") * (np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own)
        )

    def _of_cell(self, each: np.ndarray, what: str, labels: dict[str, object]) -> np.ndarray:
        """Of standard normals of shape (draws, cells, n) the cell's, shape (draws, n): a new cell's are drawn."""
        draws, design = len(each), self._posterior.design
        missing = [column for column in design.cells.columns if labels.get(column) is None]
        match = np.ones(len(design.cells), dtype=bool)
        told = self._telling(labels)
        for column, label in told.items():
            match &= (
                (design.cells[column] == label_text(label)).to_numpy() if column in design.cells else False
            )
        if match.any():
            return np.asarray(each[np.arange(draws), self._cells_for(labels, missing)])
        who = ":".join(label_text(label) for label in told.values())
        return np.asarray(self._rng(what, who).normal(size=(draws, each.shape[-1])))

    def _deviation(self, axis: MisfitAxis, known: np.ndarray, labels: dict[str, object]) -> np.ndarray:
        """Coordinates of the deviation of a cell, shape (draws, knots): its own, or for a new one from the prior."""
        each = known.reshape(len(known), axis.cells, axis.knots)
        if axis.cells == 1:
            return np.asarray(each[:, 0])
        size = self._posterior.draws(f"misfit_{axis.axis}")[:, None]
        return size * self._of_cell(each / size[:, None], f"misfit in {axis.axis}", labels)

    def parameters(self, points: pd.DataFrame) -> CellDraws:
        """Parameters at every point; points with the same labels share their draws.

        Raises
        ------
        PointsError
            A point does not say where it has a covariate.
        """
        design, law = self._posterior.design, self._layout.law
        keys, groups = self._groups(points)
        at = list(zip(keys, self._covariates(points), strict=True))
        distinct = {one: i for i, one in enumerate(dict.fromkeys(at))}
        solved = [natural_at(groups[key].at(x), self._layout, design.reference) for key, x in distinct]
        which = [distinct[one] for one in at]
        values = {
            p: np.clip(np.stack([np.asarray(s[p]) for s in solved], axis=1)[:, which], -MOST, MOST)
            for p in law.value_names
        }
        return CellDraws(law, values, [groups[key].said for key in keys])

    def noise_factor(self, points: pd.DataFrame) -> np.ndarray | float:
        """What the groups of points multiply sigma by, shape (draws, points); one where the noise is the same."""
        if not self._posterior.design.noise_effects:
            return 1.0
        keys, groups = self._groups(points)
        return np.exp(np.stack([groups[key].noisier for key in keys], axis=1))

    def _groups(
        self, points: pd.DataFrame
    ) -> tuple[list[tuple[object, ...]], dict[tuple[object, ...], _Group]]:
        """Of every point what it says of its labels, and what that comes to."""
        columns = [c for c in self._columns if c in points]
        labels = points[columns].astype(object)
        labels = labels.where(labels.notna(), None)
        keys = list(labels.itertuples(index=False, name=None)) if columns else [()] * len(points)
        return keys, {key: self._group(dict(zip(columns, key, strict=True))) for key in dict.fromkeys(keys)}

    def _covariates(self, points: pd.DataFrame) -> list[tuple[float, ...]]:
        """Of each point, where it has each covariate of the design, in standard deviations from the runs' mean."""
        located = self.located(points)
        found = [scaled.standard(located).tolist() for scaled in self._posterior.design.covariates]
        return list(zip(*found, strict=True)) if found else [()] * len(points)

    def located(self, points: pd.DataFrame) -> pd.DataFrame:
        """Points with a number in the column of every covariate of the design.

        A quotient is that of its two columns where they say it, and else what the runs of the point's cell have in the
        mean; all runs, for a new or unnamed cell.

        Raises
        ------
        PointsError
            A point does not say where it has a covariate, or says what it cannot be.
        """
        columns: dict[str, np.ndarray] = {}
        for scaled in self._posterior.design.covariates:
            column, covariate = scaled.covariate.column, scaled.covariate
            if not covariate.known(points) and not covariate.columns:
                low, high = (covariate.raw(np.array(x)) for x in (scaled.low, scaled.high))
                raise PointsError(
                    f"the points lack the column {column!r}, which the model takes as a covariate; say at which (the "
                    f"runs have {low:.4g} to {high:.4g})"
                )
            found = covariate.values(points)
            empty = np.isnan(found)
            if covariate.columns:
                empty &= covariate.said(points)
            if empty.any():
                row = int(np.flatnonzero(empty)[0])
                raise PointsError(
                    f"row {row + 1}, column {column}: {str(points[column].iloc[row])[:40]!r} is not {covariate.must}, "
                    f"as the covariate {covariate.name} has to be"
                )
            raw = covariate.raw(found)
            silent = np.isnan(raw)
            columns[column] = np.where(silent, self._usual(scaled, points), raw) if silent.any() else raw
        return points.assign(**columns)

    def _usual(self, scaled: Scaled, points: pd.DataFrame) -> np.ndarray:
        """Where the runs of each point's cell have a covariate in the mean; all runs, for a new or unnamed cell."""
        design = self._posterior.design
        if design.cells.columns.empty:
            return np.full(len(points), scaled.middle)
        cell = design.cells_of(points)
        own = design.groups[scaled.covariate.column].to_numpy(float)
        return np.where(cell < 0, scaled.middle, own[cell])

    def _group(self, labels: dict[str, object]) -> _Group:
        design = self._posterior.design
        names = self._layout.names
        means, coefficients, free = self._pieces
        missing = [column for column in design.cells.columns if labels.get(column) is None]
        cells = self._cells_for(labels, missing)
        said = [f"mixture over {', '.join(missing)}"] if missing else []
        linked = [*(np.array(m) for m in means), *(np.zeros_like(means[0]) for _ in self._layout.moved)]
        slopes = [{scaled: np.zeros(len(m)) for scaled in design.covariates} for m in linked]
        for c in design.coefficients:
            slopes[names.index(c.parameter)][c.covariate] += coefficients[c.name]
        noisier = np.zeros(len(self._posterior.z))
        for effects, u in zip(design.every_effect, free, strict=True):
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
            if effects.parameter == NOISE:
                noisier += effect
                continue
            parameter = names.index(effects.parameter)
            if effects.covariate is None:
                linked[parameter] += effect
            else:
                slopes[parameter][effects.covariate] += effect
        by = {scaled.covariate: scaled for scaled in design.covariates}
        for term, name, effect, who in self._strangers(labels):
            what = f"new: {':'.join(term.factor)}={who}"
            said += [what] if what not in said else []
            if name == NOISE:
                noisier += effect
            elif term.covariate is None:
                linked[names.index(name)] += effect
            else:
                slopes[names.index(name)][by[term.covariate]] += effect
        return _Group(linked, [list(s.values()) for s in slopes], noisier, "; ".join(said) or "known")

    def _telling(self, labels: dict[str, object]) -> dict[str, object]:
        """Return the labels that tell groups apart: given, and not the one that all runs have."""
        single = self._posterior.design.single
        return {c: label for c, label in _given(labels).items() if single.get(c) != label_text(label)}

    def _strangers(self, labels: dict[str, object]) -> Iterator[tuple[GroupTerm, str, np.ndarray, str]]:
        """Yield effects of labels in columns whose runs have one other label: term, parameter, draws, and labels.

        One label says nothing of how far groups differ: the spread is drawn from its prior. Two groups of a population
        differ by the square root of two times as much as one differs from the mean.
        """
        posterior, design = self._posterior, self._posterior.design
        new = {c for c in self._telling(labels) if c in design.single}
        if not new:
            return
        used = {None, *(scaled.covariate for scaled in design.covariates)}
        for parameter in (*design.law.parameter_names, NOISE):
            for term in posterior.model.formula(parameter).groups:
                if not new & set(term.factor) or term.covariate not in used:
                    continue
                who = ":".join("any" if labels.get(c) is None else label_text(labels[c]) for c in term.factor)
                name, draws = f"{parameter}{term.name}", len(posterior.z)
                middle, scale = posterior.model.spread_prior(parameter, term.factor, term.covariate).normal(
                    "positive"
                )
                tau = np.exp(middle + scale * self._rng("spread", name).normal(size=draws))
                own = self._rng("new", name, who).normal(size=draws)
                yield term, parameter, np.clip(np.sqrt(2) * tau * own, -APART, APART), who

    def _cells_for(self, labels: dict[str, object], missing: list[str]) -> np.ndarray:
        """Whose labels stand in for the missing ones: one cell in each draw, the same for every parameter."""
        cells, draws = self._posterior.design.cells, len(self._posterior.z)
        match = np.ones(len(cells), dtype=bool)
        told = self._telling(labels)
        for column, label in told.items():
            if column not in cells:
                continue
            same = (cells[column] == label_text(label)).to_numpy()
            # A label that no run has says nothing about which cells are like it.
            match &= same if same.any() else True
        candidates = np.flatnonzero(match) if match.any() else np.arange(len(cells))
        if not missing:
            return np.repeat(candidates[:1], draws)
        return self._rng("mixture", *missing, *map(str, told.values())).choice(candidates, size=draws)

    def _new_group(self, effects: Effects, who: str) -> np.ndarray:
        # The observed levels' mean is itself uncertain about the population's: hence the factor beside tau.
        about = np.sqrt(1 + 1 / len(effects.levels)) if effects.zero_sum else 1.0
        tau = self._posterior.draws(f"{effects.name}_sd") * about
        own = self._rng("new", effects.name, who).normal(size=len(tau))
        design = self._posterior.design
        for bundle, root in zip(design.bundles, self._roots, strict=True):
            members = [design.effects[i].name for i in bundle.members]
            if effects.name in members:
                each = [self._rng("new", name, who).normal(size=len(tau)) for name in members]
                own = np.einsum("dj,jd->d", root[:, members.index(effects.name)], np.stack(each))
        return np.clip(tau * own, -APART, APART)

    @cached_property
    def _roots(self) -> list[np.ndarray]:
        """Roots of the correlations of every bundle of effects, shape (draws, members, members)."""
        correlations = split(self._posterior.z, self._layout).correlations
        roots = correlation_roots(correlations, self._layout, data_of(self._posterior.design))
        return [np.asarray(root) for root in roots]

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
        points = points.assign(flops=posterior.flop_rule.flops(points["params"], points["tokens"]))
    loss = np.asarray(cells.law.loss(cells.values, inputs_of(cells.law, points)))
    return loss * np.exp(predictor.misfit(points) + predictor.drift(points)), cells.groups
