"""Covariates: numeric columns of the runs table that move a law's parameters.

A covariate enters centred at its mean over the rows and in units of its standard deviation there, so that the
population mean of a parameter is that of a typical run, and a coefficient is how far the parameter moves, on its link
scale, from a typical run to one that is a standard deviation off. A square is of those units: of a covariate and its
square, the first is how the parameter leans at a typical run, the second how it bends.

A covariate may be a quotient of two columns: the aspect of a model is its width over its depth. Where the size of a
model tells its aspect, as in a ladder of sizes of one shape, what the aspect does cannot be told from what size does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

Array = np.ndarray

QUOTIENTS = {"aspect": ("width", "depth")}
"""Columns that a table has where it has two others, the one over the other (the aspect: Kaplan et al. 2020, fig. 5)."""
APART = 0.4
"""How far a quotient has to differ between models of a size for its effect to be told from that of size: of its log."""


@dataclass(frozen=True)
class Covariate:
    """A covariate as a formula names it.

    Attributes
    ----------
    column : str
        Of the runs table.
    logged : bool
        Whether its natural log is taken.
    squared : bool
        Whether its distance from the rows' mean is then squared.
    """

    column: str
    logged: bool = False
    squared: bool = False

    @property
    def name(self) -> str:
        plain = f"log({self.column})" if self.logged else self.column
        return f"square({plain})" if self.squared else plain

    @property
    def unit(self) -> str:
        """What its coefficient is per."""
        about = replace(self, squared=False).name
        return f"{'squared ' * self.squared}standard deviation of {about}"

    @property
    def must(self) -> str:
        """What its values have to be."""
        return "a positive number" if self.logged else "a number"

    @property
    def columns(self) -> tuple[str, ...]:
        """What a table may have in its place: the two columns that it is the quotient of, or none."""
        return QUOTIENTS.get(self.column, ())

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that says it, or a part of it."""
        return (self.column, *self.columns)

    def known(self, table: pd.DataFrame) -> bool:
        """Whether a table says it."""
        return self.column in table or (bool(self.columns) and set(self.columns) <= set(table.columns))

    def read(self, table: pd.DataFrame) -> Array:
        """Of every row, in the units of the column, shape (rows,): NaN where a cell is empty or is no number.

        A quotient that a row leaves empty is that of the row's two columns, where it has them.
        """
        found = np.full(len(table), np.nan)
        if self.column in table:
            found = pd.to_numeric(table[self.column], errors="coerce").to_numpy(float, copy=True)
        if self.columns and set(self.columns) <= set(table.columns):
            over, under = (
                pd.to_numeric(table[name], errors="coerce").to_numpy(float) for name in self.columns
            )
            quotient = over / np.where(under > 0, under, np.nan)
            found = np.where(self.said(table), found, quotient)
        return found

    def said(self, table: pd.DataFrame) -> Array:
        """Whether each row has something in the covariate's own column, whatever it is; bool of shape (rows,)."""
        if self.column not in table:
            return np.zeros(len(table), dtype=bool)
        return table[self.column].notna().to_numpy()

    def values(self, table: pd.DataFrame) -> Array:
        """Of every row, on the scale of the formula before any square: NaN where a cell is not what it must be."""
        raw = self.read(table)
        if self.logged:
            raw = np.log(np.where(raw > 0, raw, np.nan))
        return np.where(np.isfinite(raw), raw, np.nan)

    def told_by_size(self, table: pd.DataFrame) -> bool:
        """Whether a quotient is about the same in models of a size: its effect is then not to be told from size's."""
        if not self.columns or "params" not in table:
            return False
        params = pd.to_numeric(table["params"], errors="coerce").to_numpy(float)
        if not (params > 0).all():
            return False
        size = np.log(params)
        line = np.stack([np.ones(len(size)), size - size.mean(), (size - size.mean()) ** 2], axis=1)
        log = np.log(self.read(table))
        return bool((log - line @ np.linalg.lstsq(line, log, rcond=None)[0]).std() < APART)

    def raw(self, values: Array) -> Array:
        """From the scale of the formula to that of the column."""
        return np.exp(values) if self.logged else values


@dataclass(frozen=True)
class Scaled:
    """A covariate with where the rows of a table have it.

    Attributes
    ----------
    covariate : Covariate
    centre, scale : float
        Mean and standard deviation over the rows, on the scale of the formula.
    low, high : float
        The smallest and the largest.
    """

    covariate: Covariate
    centre: float
    scale: float
    low: float
    high: float

    @classmethod
    def of(cls, covariate: Covariate, values: Array) -> Scaled:
        return cls(
            covariate, float(values.mean()), float(values.std()), float(values.min()), float(values.max())
        )

    @property
    def name(self) -> str:
        return self.covariate.name

    def standard(self, table: pd.DataFrame) -> Array:
        """Standard deviations from the centre, or their squares, shape (rows,): NaN where a row does not say."""
        off = (self.covariate.values(table) - self.centre) / self.scale
        return np.asarray(off**2 if self.covariate.squared else off)

    @property
    def middle(self) -> float:
        """The mean over the rows of the fit, in the units of the column."""
        return float(self.covariate.raw(np.array(self.centre)))

    def typical(self, table: pd.DataFrame) -> float:
        """The mean over some rows, in the units of the column."""
        return float(self.covariate.raw(self.covariate.values(table).mean()))

    def outside(self, table: pd.DataFrame) -> Array:
        """How far beyond the rows' range, in widths of that range, shape (rows,): zero inside it."""
        values = self.covariate.values(table)
        return np.asarray(np.maximum(0.0, np.maximum(self.low - values, values - self.high))) / (
            self.high - self.low
        )

    def __str__(self) -> str:
        said = f"centred at {self.centre:.4g}, one standard deviation is {self.scale:.3g}"
        return said + ", squared" * self.covariate.squared
