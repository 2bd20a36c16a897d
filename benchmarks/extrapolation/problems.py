"""The four tables, how the usual practice fared on them, and what is asked of ours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.published.tables import table

EPOCHS = 4 + 1e-6
"""Passes over the data up to which the usual laws hold (Muennighoff et al. 2023)."""


@dataclass(frozen=True)
class Problem:
    """A table whose larger runs are held out.

    Attributes
    ----------
    name, file, held_out : str
    error, inside80, inside95, crps : float
        Of the usual practice (Chinchilla's form a group by a Huber loss, resampled), as issue D states them; the first
        as a share, the last in nats.
    ratio : float
        What our CRPS may be of that.
    least90 : float
        Least coverage of the 90 % band.
    width : float
        Most of its median width over the loss; infinite where none is asked for.
    epochs : bool
        Whether runs that repeat their data more than four times are left out.
    """

    name: str
    file: str
    held_out: str
    error: float
    inside80: float
    inside95: float
    crps: float
    ratio: float
    least90: float = 0.84
    width: float = 0.07
    epochs: bool = False

    def runs(self) -> pd.DataFrame:
        found = table(self.file)
        if self.epochs:
            found = found[found["tokens"] <= EPOCHS * found["unique_tokens"]]
        return found.reset_index(drop=True)


PROBLEMS = (
    Problem("hoffmann", "hoffmann_2022_digitised", "C >= 1e21", 0.0150, 0.26, 0.78, 0.0252, 0.50),
    Problem("porian", "porian_2024_isoflop", "C > 6e18", 0.0453, 0.28, 0.65, 0.1034, 0.28),
    Problem("gemstones", "gemstones_2025_shapes", "N > 9e8", 0.0156, 0.70, 0.96, 0.0322, 0.70),
    Problem(
        "muennighoff",
        "muennighoff_2023_repeated",
        "N > 2.5e9, up to 4 epochs",
        0.0225,
        0.79,
        0.79,
        0.0549,
        0.85,
        # The .79 that is asked for: two odd runs, and two more, of 19.
        least90=15 / 19,
        width=np.inf,
        epochs=True,
    ),
)
