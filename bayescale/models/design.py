"""From a model and a runs table to arrays: cells, group effects, inputs, and the reference point."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.flops import dense_flops
from bayescale.laws import Law
from bayescale.models.covariates import Covariate, Scaled
from bayescale.models.effects import Bundle, Coefficient, Effects, effects_on, level_of
from bayescale.models.labels import label_text
from bayescale.models.misfit import KNOTS, OWN, MisfitAxis
from bayescale.models.spec import NOISE, Model
from bayescale.runs import conventions_of

Array = np.ndarray


RESERVED = ("band", "group", "level", "decades_beyond", "beyond_along")
GRADED = 0.5
"""Decades of compute below which noise is taken to be the same for all runs."""
VARIES = 0.1
"""E-folds of an input that a group's runs have to span to say anything of its exponent."""
TOP = 0.3
"""Part of the range of compute, on a log scale, whose runs make the reference point where there is a misfit."""


class DesignError(UserError):
    """A table that the model cannot be fitted to; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Design:
    """Everything of a runs table that a fit needs.

    Attributes
    ----------
    model : Model
    cells : DataFrame
        One row per combination of grouping labels in the table, in sorted order.
    places : DataFrame
        One row per combination of grouping labels and of covariates' values: the cells, where there is no covariate.
    cell, place, run : ndarray of int, shape (rows,)
        Which cell and place a row is in, and which run it comes from.
    inputs : dict of ndarray, shape (rows,)
        The law's inputs.
    loss, loss_se : ndarray, shape (rows,)
        Nats per token; `loss_se` is zero where it is not known.
    decades : ndarray, shape (rows,)
        log10 of the row's compute less its mean, `typical_flops`; zero where compute is not known.
    typical_flops : float
        Geometric mean of the rows' compute; NaN where it is not known.
    reference : dict of float
        Geometric mean of each input: over the runs, or with a misfit over the dearer ones.
    covariates : tuple of Scaled
    coefficients : tuple of Coefficient
    effects, noise_effects : tuple of Effects
        On the law's parameters, and on sigma, the scale of the noise.
    notes : tuple of str
        What was dropped from the pooling, and why.
    single : dict of str
        The one label of each grouping column that has no other: it drops out of the pooling, and is known.
    """

    model: Model
    cells: pd.DataFrame
    places: pd.DataFrame
    cell: Array
    place: Array
    run: Array
    inputs: dict[str, Array]
    loss: Array
    loss_se: Array
    decades: Array
    typical_flops: float
    reference: dict[str, float]
    covariates: tuple[Scaled, ...]
    coefficients: tuple[Coefficient, ...]
    effects: tuple[Effects, ...]
    noise_effects: tuple[Effects, ...]
    notes: tuple[str, ...]
    single: dict[str, str] = field(default_factory=dict)

    @property
    def known_labels(self) -> dict[str, tuple[str, ...]]:
        """Labels that the runs have, by grouping column, those with one label included."""
        several = {str(c): tuple(map(str, dict.fromkeys(self.cells[c]))) for c in self.cells.columns}
        return several | {column: (label,) for column, label in self.single.items()}

    @property
    def law(self) -> Law:
        return self.model.definition

    @cached_property
    def cell_labels(self) -> list[str]:
        return (
            [":".join(row) for row in self.cells.astype(str).itertuples(index=False)]
            if len(self.cells.columns)
            else ["all"]
        )

    def cells_of(self, points: pd.DataFrame) -> Array:
        """The cell of each point, shape (points,): -1 where its labels together are those of none."""
        columns = list(self.cells.columns)
        if not columns:
            return np.zeros(len(points), dtype=int)
        if not set(columns) <= set(points.columns):
            return np.full(len(points), -1)
        known = {row: i for i, row in enumerate(self.cells.itertuples(index=False, name=None))}
        labels = points[columns].astype(object).itertuples(index=False, name=None)
        return np.array([known.get(tuple(map(label_text, row)), -1) for row in labels], dtype=int)

    @cached_property
    def moved(self) -> tuple[str, ...]:
        """Inputs of the law that covariates of the table move."""
        have = {c.parameter for c in self.coefficients}
        return tuple(name for name in self.model.moved if name in have)

    @cached_property
    def several(self) -> bool:
        """Whether some run gives several rows."""
        return len(np.unique(self.run)) < len(self.run)

    @property
    def graded(self) -> bool:
        """Whether compute varies enough for the noise to vary with it."""
        return bool(np.ptp(self.decades) > GRADED)

    @cached_property
    def input_logs(self) -> dict[str, Array]:
        """Logs of compute, where it is known, and of every input that is positive, of shape (rows,)."""
        positive = {name: np.log(x) for name, x in self.inputs.items() if (x > 0).all()}
        known = {"flops": np.log(10) * self.decades} if np.isfinite(self.typical_flops) else {}
        return positive | known

    @cached_property
    def axes(self) -> dict[str, Array]:
        """Logs of what the drift beyond the runs grows along, of shape (rows,).

        Of a table with one budget, or one size, too: beyond it nothing holds the law either.
        """
        # Compute and size say it all: tokens are their quotient.
        names: list[str] = [name for name in ("flops", "params") if name in self.input_logs]
        names = names or ["tokens"]
        return {name: self.input_logs[name] for name in names if name in self.input_logs}

    @cached_property
    def varying_axes(self) -> dict[str, Array]:
        """Those of `axes` along which the runs differ."""
        return {name: x for name, x in self.axes.items() if np.ptp(x) > 1e-9}

    @cached_property
    def misfit(self) -> tuple[MisfitAxis, ...]:
        """Along which axes the law may be off inside the runs."""
        if self.model.misfit is None:
            return ()
        return tuple(
            MisfitAxis(name, float(np.ptp(x)), len(self.cells) if name in OWN else 1)
            for name, x in self.misfit_axes.items()
            if name in KNOTS
        )

    @cached_property
    def misfit_axes(self) -> dict[str, Array]:
        """Logs of what the law may be off along inside the runs, of shape (rows,).

        Tokens too where runs give their losses on the way: a law is of runs that were trained to their end, and what
        it misses early on all curves have at the same tokens.
        """
        return self.varying_axes | ({"tokens": np.log(self.inputs["tokens"])} if self.curves else {})

    @cached_property
    def curves(self) -> bool:
        """Whether some run gives rows at several numbers of tokens."""
        tokens = self.inputs.get("tokens")
        if tokens is None or not self.several or len(self.varying_axes) < 2 or not (tokens > 0).all():
            return False
        ends = pd.Series(tokens).groupby(self.run).agg(["min", "max"])
        return bool((ends["max"] > ends["min"] * (1 + 1e-9)).any())

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Every cell as points name it: its labels, and where there are covariates their means over its rows."""
        if not self.covariates:
            return self.cells
        first = pd.Series(self.place).groupby(self.cell)
        typical = {
            scaled.covariate.column: [scaled.typical(self.places.iloc[rows.to_numpy()]) for _, rows in first]
            for scaled in self.covariates
        }
        return self.cells.assign(**typical)

    @property
    def every_effect(self) -> tuple[Effects, ...]:
        """On the law's parameters, then on the noise."""
        return (*self.effects, *self.noise_effects)

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """Effects that are correlated, where two or more of a tag are in use.

        Raises
        ------
        DesignError
            Two of a tag are not about the same: factors are nested in one and not in the other.
        """
        found: dict[str, list[int]] = {}
        for i, effects in enumerate(self.effects):
            if effects.tag:
                found.setdefault(f"|{effects.tag}|{':'.join(effects.factor)}", []).append(i)
        for tag, members in found.items():
            first, *others = (self.effects[i] for i in members)
            for other in others:
                if other.basis.shape != first.basis.shape or not np.allclose(other.basis, first.basis):
                    raise DesignError(
                        f"({tag}): the effects {first.name} and {other.name} are not about the same, since one formula "
                        "has factors or a slope that the other has not; give both the same, or leave the tag out"
                    )
        return tuple(Bundle(tag, tuple(members)) for tag, members in found.items() if len(members) > 1)

    @cached_property
    def noise_rows(self) -> Array:
        """From the free coordinates of the noise's effects to what log sigma differs by in every row."""
        rows = self.cells.to_dict("records")
        found = [e.basis[[level_of(e, row) for row in rows]] for e in self.noise_effects]  # type: ignore[index]
        return np.hstack(found)[self.cell] if found else np.zeros((len(self.cell), 0))

    def effects_of(self, parameter: str) -> tuple[Effects, ...]:
        return tuple(e for e in self.effects if e.parameter == parameter)


def make_design(model: Model, runs: pd.DataFrame) -> Design:
    """The design of a model on a validated runs table.

    Raises
    ------
    DesignError
        A column that the law needs is absent, an input is not positive, or a grouping label is missing.
    """
    law = model.definition
    for column in (*law.inputs, "loss"):
        if column not in runs:
            raise DesignError(
                f"the law {law.name} needs the column {column!r}; the table has {', '.join(map(str, runs.columns))}"
            )
        values = runs[column].to_numpy(float)
        zero = column in law.may_be_zero
        bad = ~(np.isfinite(values) & (values >= 0 if zero else values > 0))
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            must = "zero or positive, and finite" if zero else "positive and finite"
            raise DesignError(
                f"row {row + 1}, column {column}: must be {must} for the law {law.name}; got {values[row]:g}"
            )
    if len(runs) < 2:
        raise DesignError(f"a fit needs at least two runs: the table has {len(runs)} after filtering")
    labels, single, notes = _grouping_labels(model, runs)
    cells, cell = _cells(labels)
    covariates, said = _covariates(model, runs)
    notes += said
    places, place = cells, cell
    if covariates:
        columns = {s.covariate.column: s.covariate.read(runs) for s in covariates.values()}
        places, place = _cells(labels.assign(**columns))
    coefficients: list[Coefficient] = []
    effects: list[Effects] = []
    for parameter in (*law.parameter_names, *model.moved):
        common = [covariates[c] for c in model.formula(parameter).covariates if c in covariates]
        coefficients += [Coefficient(parameter, scaled) for scaled in common]
        found, said = effects_on(model.formula(parameter), parameter, cells, covariates)
        told, untold = _told(found, law, runs, cells, cell)
        effects += told
        notes += said + untold
    noisier, said = effects_on(model.formula(NOISE), NOISE, cells, covariates)
    notes += said
    inputs = {name: runs[name].to_numpy(float) for name in law.inputs}
    se, said = _independent_se(runs)
    notes += said
    run, said = _runs(runs)
    notes += said
    flops = _compute(runs)
    typical = float(np.exp(np.log(flops).mean()))
    # A law that may be off far from the top of the runs is measured at the top.
    central = np.ones(len(runs), dtype=bool)
    if model.misfit is not None and np.isfinite(typical):
        central = np.log(flops) >= np.log(flops).max() - TOP * np.ptp(np.log(flops))
    return Design(
        model=model,
        cells=cells,
        places=places,
        cell=cell,
        place=place,
        run=run,
        inputs=inputs,
        loss=runs["loss"].to_numpy(float),
        loss_se=se,
        decades=np.log10(flops / typical) if np.isfinite(typical) else np.zeros(len(runs)),
        typical_flops=typical,
        reference={name: _typical(x[central]) for name, x in inputs.items()},
        covariates=tuple(covariates.values()),
        coefficients=tuple(coefficients),
        effects=tuple(effects),
        noise_effects=tuple(noisier),
        notes=tuple(dict.fromkeys(notes)),
        single=single,
    )


def _told(
    effects: list[Effects], law: Law, runs: pd.DataFrame, cells: pd.DataFrame, cell: Array
) -> tuple[list[Effects], list[str]]:
    """The effects that the runs can tell, and a note for each that they cannot.

    Groups whose runs all have one size say nothing of an exponent of size of their own: it would be told by their level
    alone, which other parameters have, and the spread between groups by nothing.
    """
    kept, notes = [], []
    for one in effects:
        along = law.parameter(one.parameter).along if one.parameter in law.parameter_names else ""
        if along:
            level = [level_of(one, row) for row in cells.to_dict("records")]
            x = pd.Series(np.log(runs[along].to_numpy(float)))
            ranges = x.groupby(np.array(level)[cell]).agg(np.ptp)
            if (ranges > VARIES).sum() < 2:
                notes.append(
                    f"{one.name}: {'no' if not (ranges > VARIES).any() else 'one'} {':'.join(one.factor)} has runs of "
                    f"several {along}; dropped from the pooling"
                )
                continue
        kept.append(one)
    return kept, notes


def _grouping_labels(model: Model, runs: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str], list[str]]:
    """Return the usable grouping columns as text, the label of those that have one, and a note for each not used."""
    labels, notes = pd.DataFrame(index=range(len(runs))), []
    single: dict[str, str] = {}
    for column in model.grouping_columns:
        if column in RESERVED:
            raise DesignError(
                f"column {column!r} cannot group: predictions add a column of that name; rename it"
            )
        if column not in runs:
            notes.append(f"no column {column!r} in the table: it drops out of the pooling")
            continue
        values = runs[column]
        missing = values.isna().to_numpy()
        if missing.all():
            notes.append(f"column {column!r} is empty: it drops out of the pooling")
        elif missing.any():
            raise DesignError(
                f"row {int(np.flatnonzero(missing)[0]) + 1}, column {column}: the label is missing while other rows "
                "have one; fill it in, or leave these rows out with --where"
            )
        elif len(values.unique()) == 1:
            single[column] = label_text(values.iloc[0])
            notes.append(
                f"column {column!r} has the one level {single[column]!r}: it drops out of the pooling"
            )
        else:
            labels[column] = [label_text(value) for value in values]
    return labels, single, notes


def _typical(values: Array) -> float:
    """Geometric mean of the values that are not zero; one where all are."""
    positive = values[values > 0]
    return float(np.exp(np.log(positive).mean())) if len(positive) else 1.0


def _compute(runs: pd.DataFrame) -> Array:
    """Compute of every row, as counted or 6 N D; NaN where neither is known."""
    known = pd.Series(np.nan, index=runs.index)
    if {"params", "tokens"} <= set(runs.columns):
        known = dense_flops(runs["params"].astype(float), runs["tokens"].astype(float))
    if "flops" in runs:
        known = runs["flops"].astype(float).fillna(known)
    return known.to_numpy(float)


def _runs(runs: pd.DataFrame) -> tuple[Array, list[str]]:
    """Which run each row comes from, and a note where runs give several rows."""
    alone = np.arange(len(runs))
    if "run_id" not in runs:
        return alone, []
    ids = runs["run_id"]
    # A row without an id is a run of its own.
    named = ids.map(label_text).where(ids.notna(), pd.Series([f"\0{i}" for i in alone], index=ids.index))
    run = pd.factorize(named)[0]
    rows = np.bincount(run)
    if rows.max() == 1:
        return alone, []
    note = (
        f"{len(runs)} rows come from {len(rows)} runs: the rows of a run share an effect of their run (sigma_run), and "
        "count as one run"
    )
    return run, [note]


def _independent_se(runs: pd.DataFrame) -> tuple[Array, list[str]]:
    """The part of `loss_se` that differs between runs, zero where it is not known, and a note where it is set aside."""
    if "loss_se" not in runs:
        return np.zeros(len(runs)), []
    if conventions_of(runs).evaluation == "shared":
        note = "loss_se comes from an evaluation text that all runs of a task share: no noise between them, so not used"
        return np.zeros(len(runs)), [note]
    return np.nan_to_num(runs["loss_se"].to_numpy(float), nan=0.0), []


def _cells(labels: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
    if labels.columns.empty:
        return pd.DataFrame(index=[0]), np.zeros(len(labels), dtype=int)
    grouped = labels.groupby(list(labels.columns), sort=True)
    cells = grouped.size().reset_index()[list(labels.columns)]
    return cells, grouped.ngroup().to_numpy()


def _covariates(model: Model, runs: pd.DataFrame) -> tuple[dict[Covariate, Scaled], list[str]]:
    """The usable covariates with where the rows have them, and a note for each, used or not."""
    found: dict[Covariate, Scaled] = {}
    notes = []
    for covariate in model.covariates:
        column = covariate.column
        if column in RESERVED:
            raise DesignError(
                f"column {column!r} cannot be a covariate: predictions add a column of that name; rename it"
            )
        if not covariate.known(runs) or np.isnan(covariate.read(runs)).all():
            notes.append(f"no column {column!r} in the table: it drops out of the formulas")
            continue
        values = covariate.values(runs)
        bad = np.flatnonzero(np.isnan(values))
        if len(bad) and covariate.columns and not covariate.said(runs)[bad].any():
            either = " and ".join(covariate.columns)
            notes.append(f"row {bad[0] + 1} has no {column} ({either}): it drops out of the formulas")
            continue
        if len(bad):
            raise DesignError(
                f"row {bad[0] + 1}, column {column}: {str(runs[column].iloc[bad[0]])[:40]!r} is not {covariate.must}, "
                f"as the covariate {covariate.name} has to be; fill it in, or leave these rows out with --where"
            )
        if np.ptp(values) <= 1e-9 * max(1.0, float(np.abs(values).max())):
            notes.append(f"column {column!r} has the one value {values[0]:g}: it drops out of the formulas")
            continue
        if covariate.squared and len(np.unique(values)) < 3:
            notes.append(f"column {column!r} has two values: its square drops out of the formulas")
            continue
        if covariate.told_by_size(runs):
            notes.append(f"models of a size have about the same {column}: it drops out of the formulas")
            continue
        found[covariate] = Scaled.of(covariate, values)
        notes.append(f"the covariate {covariate.name} is {found[covariate]}")
    return found, notes
