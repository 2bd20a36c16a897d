"""Everything that is wrong or odd in a runs table, found at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from bayescale.runs.checks import design, divergence, duplicates, labels, units, values
from bayescale.runs.checks.inspection import Inspection
from bayescale.runs.problem import Problem, by_severity
from bayescale.runs.schema import DEFAULT_INPUTS

_Check = Callable[[Inspection], list[Problem]]

#: Of any table, points to predict included.
_OF_A_TABLE: tuple[_Check, ...] = (
    values.missing_columns,
    values.text_in_numbers,
    values.missing_values,
    values.out_of_bounds,
    values.standard_errors,
    values.perplexity,
    values.consistent_parameters,
    units.counts_in_units,
    units.flops_against_6nd,
    units.steps_and_batches,
    labels.unknown_columns,
)
#: Of a table as evidence.
_OF_EVIDENCE: tuple[_Check, ...] = (
    units.lonely_rows,
    labels.one_measure,
    labels.decayed_and_not,
    labels.spellings,
    duplicates.repeated,
    divergence.diverged,
    design.identifiable,
    design.enough,
    design.one_size_a_run,
    design.repeated_data,
    labels.missing_labels,
)


def check_runs(
    frame: pd.DataFrame,
    source: str | None = None,
    *,
    inputs: Sequence[str] = DEFAULT_INPUTS,
    measured: bool = True,
    rows: Sequence[int] | np.ndarray | None = None,
) -> list[Problem]:
    """List everything that is wrong or odd in a runs table.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table, as `read_runs` gives it with ``check=False`` or as anything else made it.
    source : str, optional
        The table's name in messages; without it, ``frame.attrs["source"]``, or ``runs``.
    inputs : sequence of str
        Columns that the law needs beside the loss.
    measured : bool
        False for points to predict: they need no loss, and nothing is asked of them as evidence.
    rows : sequence of int, optional
        The number of each row in its file. Without it rows count from 1 for the first row of data, which is
        line 2 of a CSV file.

    Returns
    -------
    list of Problem
        Errors first, then warnings, then notes; empty where there is nothing to say.
    """
    file = source or str(frame.attrs.get("source", "runs"))
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        # With two columns of one name nothing else that could be said would be certain.
        return [Problem("error", file, "more than one column has this name", "Rename all but one.", twice[0])]
    if frame.empty:
        return [
            Problem(
                "error",
                file,
                "the table has no rows",
                "Give it one row a run, or choose more widely with --where.",
            )
        ]
    numbered = np.arange(1, len(frame) + 1) if rows is None else np.asarray(rows)
    table = Inspection(frame, file, inputs, measured, numbered)
    checks = _OF_A_TABLE + (_OF_EVIDENCE if measured else ())
    return by_severity(problem for check in checks for problem in check(table))
