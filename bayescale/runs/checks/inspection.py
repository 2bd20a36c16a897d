"""The table under inspection, and the one way to report on rows of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from bayescale.flops import dense_flops
from bayescale.runs.cells import canonical, is_missing, numbers
from bayescale.runs.conventions import Conventions, conventions_of
from bayescale.runs.problem import Problem, Severity
from bayescale.runs.schema import COLUMNS

#: Rows of one problem that get a line of their own; the rest share one.
MOST_LINES = 5
# What differs between two records of the same run, and says nothing about what was trained.
_PROVENANCE = re.compile(
    r"(^|_)(time|wall|seconds|date|started|finished|created|machine|host|hostname|node|commit|versions?|device"
    r"|gpu|python|torch|code|url|path|notes?|comment|user)(_|$)",
    re.IGNORECASE,
)


class Inspection:
    """A runs table in canonical types, with what every check asks of it.

    Parameters
    ----------
    frame : pandas.DataFrame
        The table.
    file : str
        Its name in messages.
    inputs : sequence of str
        Columns that the law needs.
    measured : bool
        Whether every row has to have a loss.
    rows : numpy.ndarray of int
        The number of each row in its file, from 1.
    """

    def __init__(
        self, frame: pd.DataFrame, file: str, inputs: Sequence[str], measured: bool, rows: np.ndarray
    ) -> None:
        self.frame = canonical(frame)
        self.file = file
        self.inputs = tuple(inputs)
        self.measured = measured
        self.rows = rows
        self._numbers: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that every row has to fill."""
        return (*self.inputs, "loss") if self.measured else self.inputs

    @property
    def numeric(self) -> tuple[str, ...]:
        """Columns of the table that hold numbers by the schema, or because the law takes them in."""
        known = [str(name) for name in self.frame.columns if name in COLUMNS and COLUMNS[name].kind != "text"]
        return (*known, *(name for name in self.inputs if name in self.frame.columns and name not in known))

    @cached_property
    def conventions(self) -> Conventions:
        """What the table's numbers mean."""
        return conventions_of(self.frame)

    def has(self, *names: str) -> bool:
        """Say whether the table has all these columns."""
        return all(name in self.frame.columns for name in names)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column as float64: NaN where a cell is missing or no number, or the column is absent."""
        return self._read(name)[0]

    def not_numbers(self, name: str) -> np.ndarray:
        """Return where a cell of a numeric column is something else than a number."""
        return self._read(name)[1]

    def positive(self, name: str) -> np.ndarray:
        """Return a column as `numbers` does, with NaN for what is not finite and above zero."""
        values = self.numbers(name)
        return np.where(np.isfinite(values) & (values > 0), values, np.nan)

    def labels(self, name: str) -> list[str | None]:
        """Return a column as text, None where missing or absent."""
        if name not in self.frame.columns:
            return [None] * len(self.frame)
        return [None if is_missing(cell) else str(cell) for cell in self.frame[name].tolist()]

    @cached_property
    def compute(self) -> np.ndarray:
        """6 N D of each row, FLOPs, with active parameters where the table has them; NaN where unknown."""
        active = self.positive("params_active")
        params = np.where(np.isfinite(active), active, self.positive("params"))
        return np.asarray(dense_flops(params, self.positive("tokens")))

    def each(
        self,
        severity: Severity,
        at: np.ndarray,
        what: Callable[[int], str],
        remedy: str | Callable[[int], str],
        column: str | None = None,
    ) -> list[Problem]:
        """Report rows one by one; beyond a few, the rest in one line that counts them.

        Parameters
        ----------
        severity : {"error", "warning", "note"}
            How bad it is.
        at : numpy.ndarray of bool
            The rows concerned.
        what, remedy : callable
            From a position in the table to the words; `remedy` may be the words themselves.
        column : str, optional
            The column concerned.

        Returns
        -------
        list of Problem
        """
        positions = np.flatnonzero(at)
        say = remedy if callable(remedy) else lambda _: remedy
        problems = [
            Problem(severity, self.file, what(i), say(i), column, int(self.rows[i]), (int(self.rows[i]),))
            for i in map(int, positions[:MOST_LINES])
        ]
        rest = tuple(int(row) for row in self.rows[positions[MOST_LINES:]])
        if rest:
            i = int(positions[MOST_LINES])
            more = f"; so in {named(rest[1:], 'more row')}" if len(rest) > 1 else ""
            problems.append(Problem(severity, self.file, what(i) + more, say(i), column, rest[0], rest))
        return problems

    def once(
        self,
        severity: Severity,
        what: str,
        remedy: str,
        column: str | None = None,
        at: np.ndarray | None = None,
    ) -> list[Problem]:
        """Report something in one line, about the table or, with `at`, about these rows of it."""
        rows = () if at is None else tuple(int(row) for row in self.rows[at])
        return [Problem(severity, self.file, what, remedy, column, None, rows)]

    def _read(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self._numbers:
            n = len(self.frame)
            absent = np.full(n, np.nan), np.zeros(n, dtype=bool)
            self._numbers[name] = numbers(self.frame[name]) if name in self.frame.columns else absent
        return self._numbers[name]


def is_provenance(name: str) -> bool:
    """Say whether a column that the schema does not know records the doing of a run and not the run."""
    return name not in COLUMNS and bool(_PROVENANCE.search(name))


def named(rows: Sequence[int], noun: str = "row") -> str:
    """Return rows in words, such as ``3 rows (4, 7, 9)``, cut short where there are many."""
    listed = ", ".join(str(row) for row in rows[:MOST_LINES]) + (", ..." if len(rows) > MOST_LINES else "")
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else 's'} ({listed})"
