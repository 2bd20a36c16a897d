"""The published learning curves: which of them, and which of their rows, are fitted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

TABLE = "alabdulmohsin_2022_learning_curves"
PER_DOMAIN, MOST_ROWS = 3, 40
DOMAINS = {"IC": "image classification", "NMT": "translation", "LM": "language modelling", "BB": "BIG-Bench"}
"""How the table's tasks begin, and what that means."""


@dataclass(frozen=True, eq=False)
class Curve:
    """One learning curve.

    Attributes
    ----------
    name, domain : str
    fitted, held : DataFrame
        ``examples`` and ``loss``, ascending: what a law may see, thinned, and all that it has to forecast.
    distinct, given : int
        Rows of the curve's fitted part before thinning, without and with the repeated ones.
    """

    name: str
    domain: str
    fitted: pd.DataFrame
    held: pd.DataFrame
    distinct: int
    given: int


def spread_out(count: int, wanted: int) -> list[int]:
    """Places of `wanted` items in a sorted list of `count`, evenly from the first to the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(wanted, count))})


def thinned(rows: pd.DataFrame, most: int = MOST_ROWS) -> pd.DataFrame:
    """At most so many rows, even in log examples: for each of as many even steps the row nearest to it.

    Rows on a linear grid crowd at the end of a log axis, and would drown the start, which says what bends.
    """
    rows = rows.sort_values("examples", ignore_index=True)
    x = np.log(rows["examples"].to_numpy())
    steps = np.linspace(x[0], x[-1], most)
    nearest = np.abs(x[:, None] - steps).argmin(axis=0)
    return rows if len(rows) <= most else rows.iloc[np.unique(nearest)].reset_index(drop=True)


def curves(table: pd.DataFrame, per_domain: int = PER_DOMAIN) -> list[Curve]:
    """The chosen curves: of each domain's, sorted by task and architecture, as many evenly from the first to the last.

    Repeated rows are dropped: they are the same measurement, and counted twice they would narrow every band.
    """
    table = table.assign(domain=table["task"].str.split("/").str[0])
    found = []
    for short, domain in DOMAINS.items():
        groups = list(table[table["domain"] == short].groupby(["task", "architecture"], sort=True))
        for place in spread_out(len(groups), per_domain):
            (task, architecture), rows = groups[place]
            split = {
                name: rows.loc[rows["split"] == name, ["examples", "loss"]] for name in ("fit", "holdout")
            }
            own = {name: part.drop_duplicates().sort_values("examples") for name, part in split.items()}
            found.append(
                Curve(
                    name=f"{task}, {architecture}",
                    domain=domain,
                    fitted=thinned(own["fit"]),
                    held=own["holdout"].reset_index(drop=True),
                    distinct=len(own["fit"]),
                    given=len(split["fit"]),
                )
            )
    return found
