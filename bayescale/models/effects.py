"""The effects of groups on parameters and on their slopes, the slopes that all runs share, and which correlate.

Group effects are zero-sum: the effects of a factor live in the space orthogonal to the overall mean and to every
factor of the same parameter that is nested in it (architecture and task in architecture:task), for the levels that
the table has. That makes the mean and the effects separately meaningful and takes the ridge between them away. Slopes
of groups in a covariate sum to zero likewise where the formula has a slope for all runs; where it has none they are
drawn about zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayescale.models.covariates import Covariate, Scaled
from bayescale.models.labels import label_text
from bayescale.models.pooling import Formula, GroupTerm

Array = np.ndarray


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of one factor on one parameter, or on its slope in a covariate.

    Attributes
    ----------
    parameter : str
    factor : tuple of str
        Its columns.
    levels : tuple of tuple of str
        Labels of its columns, a tuple a level.
    basis : ndarray, shape (levels, free)
        Orthonormal; effects = basis @ free coordinates.
    covariate : Scaled, optional
        What the effects are multiplied by.
    tag : str
        Of effects that are correlated with others of the same factor and tag.
    """

    parameter: str
    factor: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]
    basis: Array
    covariate: Scaled | None = None
    tag: str = ""

    @property
    def about(self) -> tuple[str, tuple[str, ...], Covariate | None]:
        """What a model states the prior of their spread by."""
        return self.parameter, self.factor, self.covariate.covariate if self.covariate else None

    @property
    def name(self) -> str:
        return f"{self.parameter}{GroupTerm(*self.about[1:]).name}"

    @property
    def zero_sum(self) -> bool:
        """Whether they are about a mean of their own, the parameter's or its slope's."""
        return self.free < len(self.levels)

    @property
    def free(self) -> int:
        return self.basis.shape[1]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(":".join(level) for level in self.levels)


@dataclass(frozen=True)
class Coefficient:
    """The slope of a parameter in a covariate, one for all runs: on the link scale, per standard deviation."""

    parameter: str
    covariate: Scaled

    @property
    def name(self) -> str:
        return f"{self.parameter}.{self.covariate.name}"


@dataclass(frozen=True)
class Bundle:
    """Effects of one factor that are correlated.

    Attributes
    ----------
    tag : str
        Tag and factor as the formula has them, ``|p|task``.
    members : tuple of int
        Which of the design's effects.
    """

    tag: str
    members: tuple[int, ...]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Places among the members, the later first."""
        return [(i, j) for i in range(len(self.members)) for j in range(i)]


def effects_on(
    formula: Formula, parameter: str, cells: pd.DataFrame, covariates: Mapping[Covariate, Scaled]
) -> tuple[list[Effects], list[str]]:
    """The effects on a parameter and then on its slopes, those of fewer columns first; and what was dropped."""
    effects: list[Effects] = []
    notes: list[str] = []
    tags: dict[tuple[Covariate | None, tuple[str, ...]], str] = {}
    for g in formula.groups:
        # An interaction that has lost a column is the other's effect, which may have a tag.
        whole = (g.covariate, tuple(c for c in g.factor if c in cells))
        tags[whole] = tags.get(whole) or g.tag
    for covariate in (None, *formula.every_covariate):
        if covariate is not None and covariate not in covariates:
            continue
        kept: list[Effects] = []
        usable = (
            tuple(c for c in group.factor if c in cells)
            for group in formula.groups
            if group.covariate == covariate
        )
        common = covariate is None or covariate in formula.covariates
        for factor in sorted(dict.fromkeys(usable), key=len):
            if not factor:
                continue
            one = _effects(
                parameter, factor, cells, kept, covariates[covariate] if covariate else None, common
            )
            if one.free:
                kept.append(replace(one, tag=tags[covariate, factor]))
            else:
                notes.append(
                    f"{one.name}: nothing is left to estimate beside the factors nested in it; dropped from the pooling"
                )
        effects += kept
    return effects, notes


def _effects(
    parameter: str,
    factor: tuple[str, ...],
    cells: pd.DataFrame,
    kept: list[Effects],
    covariate: Scaled | None,
    common: bool,
) -> Effects:
    """Effects that are orthogonal to those of factors nested in theirs, and to what is `common` to all groups."""
    levels = tuple(sorted({tuple(row) for row in cells[list(factor)].itertuples(index=False, name=None)}))
    constraints = [np.ones((len(levels), 1))] if common else [np.zeros((len(levels), 1))]
    for lower in kept:
        if set(lower.factor) < set(factor):
            where = [factor.index(column) for column in lower.factor]
            parents = [tuple(level[i] for i in where) for level in levels]
            constraints.append(
                np.array([[parent == level for level in lower.levels] for parent in parents], float)
            )
    return Effects(parameter, factor, levels, _orthogonal_complement(np.hstack(constraints)), covariate)


def _orthogonal_complement(columns: Array) -> Array:
    """An orthonormal basis of what is orthogonal to the given columns."""
    left, singular, _ = np.linalg.svd(columns, full_matrices=True)
    rank = int((singular > 1e-9 * max(singular[0], 1e-9)).sum())
    basis = left[:, rank:]
    # A fixed sign makes the basis, and so the draws of a seed, the same on every machine.
    signs = np.sign(basis[np.abs(basis).argmax(axis=0), range(basis.shape[1])]) if basis.size else 1.0
    return basis * signs


def level_of(effects: Effects, row: Mapping[str, Any]) -> int | None:
    """Index of the level that a row's labels name, or None where the table had no such level."""
    wanted = tuple(label_text(row[column]) for column in effects.factor)
    return effects.levels.index(wanted) if wanted in effects.levels else None
