"""Labels and conventions: what is called by two names, mixes two things or is not known."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from bayescale.runs.checks.inspection import Inspection
from bayescale.runs.checks.values import likely
from bayescale.runs.problem import Problem, keeping, quote
from bayescale.runs.schema import COLUMNS

GROUPING = ("architecture", "task", "schedule", "metric", "split")
_CONVENTION = re.compile(
    r"(params|flops|loss)_(convention|unit|units|kind|counting)|units?|conventions?", re.IGNORECASE
)
_DECAYED = re.compile(r"cosine|linear|decayed|cool|anneal|inv(erse)?[_ -]?sqrt|1-sqrt", re.IGNORECASE)
_NOT_DECAYED = re.compile(r"hot|const(ant)?|stable|flat|not[_ -]decayed|undecayed|none", re.IGNORECASE)
_MOST_NAMES = 8


def one_measure(table: Inspection) -> list[Problem]:
    """Losses that measure two things, or numbers that follow two conventions, in one table."""
    names = [
        str(c)
        for c in table.frame.columns
        if c == "metric" or (c not in COLUMNS and _CONVENTION.fullmatch(str(c)))
    ]
    problems = []
    for name in names:
        levels = sorted({label for label in table.labels(name) if label is not None})
        if len(levels) > 1:
            what = f"the table mixes {_listed(levels)}"
            remedy = f"Fit one at a time, with {keeping(name, levels[:1])}, or convert the rest."
            problems += table.once("error", what, remedy, name)
    return problems


def decayed_and_not(table: Inspection) -> list[Problem]:
    """Runs measured with the learning rate decayed beside runs measured without."""
    labels = table.labels("schedule")
    decayed = sorted(
        {s for s in labels if s is not None and _DECAYED.search(s) and not _NOT_DECAYED.fullmatch(s)}
    )
    hot = sorted({s for s in labels if s is not None and _NOT_DECAYED.fullmatch(s)})
    if not decayed or not hot:
        return []
    what = f"decayed ({_listed(decayed)}) and not decayed ({_listed(hot)}) runs, which reach different losses"
    remedy = (
        "The default model lets their level differ, and forecasts are for the schedule that a point names; other "
        f"models need (1|schedule) in a formula, or one kind of run: {keeping('schedule', decayed)}."
    )
    return table.once("warning", what, remedy, "schedule")


def spellings(table: Inspection) -> list[Problem]:
    """Labels that differ by case or spaces only."""
    problems = []
    for name in GROUPING:
        folded = defaultdict(set)
        for label in set(table.labels(name)) - {None}:
            folded[" ".join(str(label).casefold().split())].add(str(label))
        for same in folded.values():
            if len(same) > 1:
                what = (
                    f"{_listed(sorted(same))} differ by case or spaces only and count as {len(same)} groups"
                )
                problems += table.once("warning", what, "Give them one spelling.", name)
    return problems


def missing_labels(table: Inspection) -> list[Problem]:
    """Rows without a label in a column that has some."""
    problems = []
    for name in GROUPING:
        empty = np.array([label is None for label in table.labels(name)], dtype=bool)
        if empty.any() and not empty.all():
            what = f"no label in {int(empty.sum())} of {len(empty)} rows"
            problems += table.once(
                "note", what, "Name the group, or do not pool over this column.", name, empty
            )
    return problems


def unknown_columns(table: Inspection) -> list[Problem]:
    """Columns that the schema does not know, in one note."""
    names = [str(name) for name in table.frame.columns if name not in COLUMNS and name not in table.inputs]
    if not names:
        return []
    meant = {name: likely(name) for name in names}
    hints = [
        f"{quote(name)} may be {other}" for name, other in meant.items() if other and not table.has(other)
    ]
    remedy = "They ride along and can be grouping columns" + (
        f"; {', '.join(hints[:_MOST_NAMES])}." if hints else "."
    )
    return table.once("note", f"columns that have no meaning here: {_listed(names)}", remedy)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(quote(name) for name in names[:_MOST_NAMES]) + more
