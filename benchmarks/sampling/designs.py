"""The posteriors that everybody samples: three simulated hierarchies and two published tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

import bayescale as bs
from benchmarks.published.tables import available, table

CROSSED = "1 + (1|architecture) + (1|task)"
POOLED = f"{CROSSED} + (1|architecture:task)"
"""Of every parameter: over architecture, task and cell."""

TYPICAL = {"E": 1.7, "A": 0.35, "alpha": 0.34, "B": 0.3, "beta": 0.3}
"""Of a simulated population: the floor, the two terms at `REFERENCE`, the exponents."""
REFERENCE = 5e8, 1e10
"""Params and tokens."""
BETWEEN = {"architecture": 0.08, "task": 0.12, "cell": 0.04}
"""Standard deviations between groups, of the log of every parameter."""
NOISE, TAILS = 0.01, 5.0


@dataclass(frozen=True)
class Problem:
    """One posterior.

    Attributes
    ----------
    name, title : str
    law : str
    pooling : dict
        A formula a parameter.
    runs : callable
        Makes or reads the table.
    needs : str
        The published table that it is, or nothing.
    """

    name: str
    title: str
    law: str
    pooling: dict[str, str]
    runs: Callable[[], pd.DataFrame]
    needs: str = ""

    @property
    def there(self) -> bool:
        return not self.needs or available(self.needs)

    def model(self) -> bs.Model:
        return bs.Model(name=f"sampling-{self.name}", law=self.law, pooling=self.pooling)


def simulate(
    architectures: int, tasks: int, budgets: int, sizes: int, empty: float = 0.0, seed: int = 0
) -> pd.DataFrame:
    """IsoFLOP sweeps in crossed cells, Hoffmann's law with effects of architecture, task and cell, Student-t noise.

    Parameters
    ----------
    architectures, tasks : int
    budgets, sizes : int
        Runs of a cell: `budgets` levels of compute between 1e18 and 1e21 FLOPs, `sizes` models at each.
    empty : float
        Share of cells without runs; every architecture and task keeps some.
    """
    rng = np.random.default_rng(seed)

    def effects(kind: str, levels: int) -> np.ndarray:
        return BETWEEN[kind] * rng.normal(size=(levels, len(TYPICAL)))

    by_architecture, by_task = effects("architecture", architectures), effects("task", tasks)
    by_cell = effects("cell", architectures * tasks)
    compute, ratio = (
        x.ravel()
        for x in np.meshgrid(
            np.geomspace(1e18, 1e21, budgets), np.geomspace(0.3, 3, sizes) if sizes > 1 else [1.0]
        )
    )
    params = ratio * np.sqrt(compute / 6 / 20)
    tokens = compute / 6 / params
    tables = []
    for cell in np.flatnonzero(_occupied(architectures, tasks, empty, rng)):
        i, j = divmod(int(cell), tasks)
        scale = np.exp(by_architecture[i] + by_task[j] + by_cell[cell])
        values = dict(zip(TYPICAL, np.array(list(TYPICAL.values())) * scale, strict=True))
        size = values["A"] * (params / REFERENCE[0]) ** -values["alpha"]
        data = values["B"] * (tokens / REFERENCE[1]) ** -values["beta"]
        loss = (values["E"] + size + data) * np.exp(NOISE * rng.standard_t(TAILS, len(params)))
        labels = {"architecture": f"a{i:02d}", "task": f"t{j:02d}"}
        tables.append(
            pd.DataFrame({"params": params, "tokens": tokens, "flops": compute, "loss": loss}).assign(
                **labels
            )
        )
    return pd.concat(tables, ignore_index=True)


def _occupied(architectures: int, tasks: int, empty: float, rng: np.random.Generator) -> np.ndarray:
    """Which cells have runs."""
    count = architectures * tasks
    while True:
        there = np.ones(count, bool)
        there[rng.choice(count, size=round(empty * count), replace=False)] = False
        grid = there.reshape(architectures, tasks)
        if grid.any(axis=0).all() and grid.any(axis=1).all():
            return there


def _porian() -> pd.DataFrame:
    every = table("porian_2024_isoflop")
    return every[every["split"] == "fit"].reset_index(drop=True)


def _clark() -> pd.DataFrame:
    """One expert a token in every second layer, as in the paper's main fit; six losses a run."""
    every = table("clark_2022_routing")
    main = (every["k"] == 1) & (every["routing_frequency"] == 0.5) & (every["split"] == "fit")
    return every[main].reset_index(drop=True)


HOFFMANN = dict.fromkeys(("E", "A", "alpha", "B", "beta"), POOLED)
PROBLEMS = (
    Problem(
        "reference",
        "12 cells of 30 runs",
        "chinchilla",
        HOFFMANN,
        lambda: simulate(3, 4, budgets=6, sizes=5),
    ),
    Problem("few", "12 cells of 6 runs", "chinchilla", HOFFMANN, lambda: simulate(3, 4, budgets=3, sizes=2)),
    Problem(
        "crossed",
        "6 x 8, a third of the cells empty, 10 runs in each of the others",
        "chinchilla",
        HOFFMANN,
        lambda: simulate(6, 8, budgets=5, sizes=2, empty=1 / 3),
    ),
    Problem(
        "clark",
        "Clark 2022: routers x evaluation sets, rows of a run correlated",
        "clark",
        # Where routing saturates is the router's own, whatever it is evaluated on.
        dict.fromkeys("abcd", CROSSED) | dict.fromkeys(("E_start", "E_max"), "1 + (1|architecture)"),
        _clark,
        "clark_2022_routing",
    ),
    Problem(
        "porian",
        "Porian 2024: 11 cells, 867 points of IsoFLOP curves",
        "chinchilla",
        HOFFMANN,
        _porian,
        "porian_2024_isoflop",
    ),
)
