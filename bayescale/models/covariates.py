"""Covariates: numeric columns of the runs table that move a law's parameters.

A covariate enters centred at its mean over the rows and in units of its standard deviation there, so that the
population mean of a parameter is that of a typical run, and a coefficient is how far the parameter moves, on its link
scale, from a typical run to one that is a standard deviation off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

Array = np.ndarray


@dataclass(frozen=True)
class Covariate:
    """A covariate as a formula names it.

    Attributes
    ----------
    column : str
        Of the runs table.
    logged : bool
        Whether its natural log is taken.
    """

    column: str
    logged: bool = False

    @property
    def name(self) -> str:
        return f"log({self.column})" if self.logged else self.column

    @property
    def must(self) -> str:
        """What its values have to be."""
        return "a positive number" if self.logged else "a number"

    def values(self, table: pd.DataFrame) -> Array:
        """Of every row, on the scale of the formula, shape (rows,): NaN where a cell is empty or not what it must."""
        raw = pd.to_numeric(table[self.column], errors="coerce").to_numpy(float)
        if self.logged:
            raw = np.log(np.where(raw > 0, raw, np.nan))
        return np.where(np.isfinite(raw), raw, np.nan)

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
        """Standard deviations from the centre, shape (rows,): NaN where a row does not say."""
        return np.asarray((self.covariate.values(table) - self.centre) / self.scale)

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
        return f"centred at {self.centre:.4g}, one standard deviation is {self.scale:.3g}"
