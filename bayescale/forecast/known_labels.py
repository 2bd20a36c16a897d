"""Labels and columns that the fitted runs know: what is unknown is refused, unless it is said to be new."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from enum import StrEnum

import pandas as pd

from bayescale.forecast.expected import PointsError
from bayescale.models.design import Design
from bayescale.models.labels import label_text
from bayescale.posterior import PosteriorData
from bayescale.runs.schema import COLUMNS

LISTED = 12
"""Labels that a message lists at most."""
SHORTEST = 4
"""Letters of a column's name below which one edit makes any name of another."""
SAY_NEW = "`new_groups=True` (--new-groups on the command line)"
"""How a caller says that a label is new."""


class LabelReason(StrEnum):
    """Reason why a label or a column is refused."""

    NEW_LABEL = "new_label"
    """No run has the label."""
    MISSPELT_LABEL = "misspelt_label"
    """No run has the label, and some run has one like it."""
    MISSPELT_COLUMN = "misspelt_column"
    """The column is not known, and one edit away from a known one that the table does not have."""
    NOT_A_GROUPING = "not_a_grouping"
    """The runs are not grouped by the column."""
    NO_SUCH_GROUP = "no_such_group"
    """Every label is known, and no run has all of them."""


class LabelError(PointsError):
    """A label or a column that the fitted runs do not know.

    Attributes
    ----------
    reason : LabelReason
    suggestion : str
        What was perhaps meant; empty where nothing known is like it.
    """

    def __init__(self, message: str, reason: LabelReason, suggestion: str = "") -> None:
        super().__init__(message)
        self.reason, self.suggestion = reason, suggestion


def refuse_unknown_labels(
    design: Design, labels: Mapping[str, object], where: str = "", say_new: str = SAY_NEW
) -> None:
    """Refuse labels that no fitted run has.

    Parameters
    ----------
    design : Design
    labels : mapping
        By column; columns that do not group the runs, and missing labels, are passed over.
    where : str
        What the message begins with.
    say_new : str
        How the caller says that a label is new.

    Raises
    ------
    LabelError
    """
    for column, known in design.known_labels.items():
        label = labels.get(column)
        if label is None or pd.isna(label) or label_text(label) in known:
            continue
        text = label_text(label)
        near = nearest(text, known)
        listed = ", ".join(known[:LISTED]) + (
            f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
        )
        meant = f"; did you mean {near}?" if near else "."
        said = f"{where}no run has {column} = {text}. Known: {listed}{meant} For a new group say {say_new}."
        raise LabelError(said, LabelReason.MISSPELT_LABEL if near else LabelReason.NEW_LABEL, near)


def groups_with(
    design: Design,
    groups: pd.DataFrame,
    labels: Mapping[str, object],
    new_groups: bool = False,
    say_new: str = SAY_NEW,
) -> pd.DataFrame:
    """Return the groups that have these labels; a new label stands in the place of all labels of its column.

    Parameters
    ----------
    design : Design
    groups : DataFrame
        The design's cells or groups, or some of them.
    labels : mapping
    new_groups : bool
        Whether a label that no run has is a new group.
    say_new : str

    Raises
    ------
    LabelError
        A column that does not group the runs, a label that no run has, or labels that no run has together.
    """
    known = design.known_labels
    for column, label in labels.items():
        if column not in known:
            near = nearest(column, tuple(known))
            listed = ", ".join(known) or "nothing"
            said = f"the runs are not grouped by {column}; they are by {listed}."
            raise LabelError(said, LabelReason.NOT_A_GROUPING, near)
        text = label_text(label)
        if text not in known[column]:
            if not new_groups:
                refuse_unknown_labels(design, {column: label}, "", say_new)
            names = [c for c in design.cells.columns if c in groups and c != column]
            one_of_each = groups.drop_duplicates(names) if names else groups.head(1)
            groups = one_of_each.assign(**{column: text})
        elif column in groups and column not in design.single:
            kept = groups[groups[column].map(str) == text]
            if kept.empty:
                there = ", ".join(dict.fromkeys(groups[column].map(str)))
                said = f"no run has {column} = {text} with the labels before it: there are {there}."
                raise LabelError(said, LabelReason.NO_SUCH_GROUP)
            groups = kept
    return groups.reset_index(drop=True)


def check_points(
    posterior: PosteriorData, points: pd.DataFrame, new_groups: bool = False, say_new: str = SAY_NEW
) -> None:
    """Refuse points whose labels no fitted run has, or whose columns are misspelt.

    Columns that are like nothing known are left alone: they ride along.

    Parameters
    ----------
    posterior : PosteriorData
    points : DataFrame
    new_groups : bool
        Whether labels that no run has are new groups.
    say_new : str

    Raises
    ------
    LabelError
        The message names row and column, and what was perhaps meant.
    """
    design = posterior.design
    _check_columns(posterior, points)
    columns = [c for c in design.known_labels if c in points]
    if new_groups or not columns:
        return
    labels = points[columns].reset_index(drop=True).astype(object).drop_duplicates()
    for row, values in labels.iterrows():
        refuse_unknown_labels(design, values.to_dict(), f"row {int(str(row)) + 1}: ", say_new)


def _check_columns(posterior: PosteriorData, points: pd.DataFrame) -> None:
    design = posterior.design
    covariates = (name for scaled in design.covariates for name in scaled.covariate.names)
    taken = dict.fromkeys((*design.law.inputs, *design.known_labels, *covariates))
    missing = [name for name in taken if name not in points]
    for column in map(str, points.columns):
        # What the fitted table has beside what the model takes is no misspelling.
        if column in taken or column in posterior.runs or column in COLUMNS:
            continue
        meant = next((name for name in missing if one_edit_apart(column, name)), "")
        if meant:
            raise LabelError(
                f"column {column!r} is not known: did you mean {meant!r}? Rename it, or take it out.",
                LabelReason.MISSPELT_COLUMN,
                meant,
            )


def nearest(label: str, known: tuple[str, ...]) -> str:
    """Return the known label that is most like this one; empty where none is like it."""
    by_case = {one.casefold(): one for one in reversed(known)}
    found = difflib.get_close_matches(label.casefold(), list(by_case), n=1)
    return by_case[found[0]] if found else ""


def one_edit_apart(a: str, b: str) -> bool:
    """Return whether one edit, a swap of neighbours, or case and punctuation alone make one name the other."""
    a, b = (name.casefold().replace("-", "_").replace(" ", "_").strip("_") for name in (a, b))
    if a == b:
        return True
    if min(len(a), len(b)) < SHORTEST or abs(len(a) - len(b)) > 1:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    rest_a, rest_b = a[start:], b[start:]
    swapped = rest_a[:2][::-1] == rest_b[:2] and rest_a[2:] == rest_b[2:]
    return swapped or rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]
