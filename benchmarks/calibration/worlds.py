"""What is calibrated: models, and the small tables that they are fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

import bayescale as bs

CELLS = tuple((architecture, task) for architecture in ("gpt", "llama") for task in ("code", "web"))


@dataclass(frozen=True, eq=False)
class World:
    """A model and the runs that every simulated table of it has.

    Attributes
    ----------
    name, title : str
    model : Model
    runs : DataFrame
        Without losses.
    """

    name: str
    title: str
    model: bs.Model
    runs: pd.DataFrame


def isoflop(sizes: int = 4) -> pd.DataFrame:
    """Two architectures on two tasks, each measured at three budgets and so many sizes: twelve runs a cell."""
    rows = []
    for architecture, task in CELLS:
        for flops in np.geomspace(1e18, 1e20, 3):
            for params in np.geomspace(0.3, 3, sizes) * np.sqrt(flops / 6 / 20):
                rows.append((architecture, task, params, flops / 6 / params, flops))
    return pd.DataFrame(rows, columns=["architecture", "task", "params", "tokens", "flops"])


def curves(points: int = 16) -> pd.DataFrame:
    """Two tasks, each measured at so many amounts of data over four decades, at one size."""
    rows = [(task, 1e8, tokens) for task in ("code", "web") for tokens in np.geomspace(1e6, 1e10, points)]
    found = pd.DataFrame(rows, columns=["task", "params", "tokens"])
    return found.assign(flops=6 * found["params"] * found["tokens"])


def worlds() -> tuple[World, ...]:
    """Every world, the cheapest first."""
    pooled = "1 + (1|task)"
    broken = bs.Model(
        name="broken",
        law="bnsl1",
        description="a smoothly broken power law, its level and slope pooled over tasks",
        pooling={"a": pooled, "b": pooled, "c0": pooled},
    )
    return (
        World("hoffmann", "Hoffmann's law, pooled", bs.Model.load("chinchilla"), isoflop()),
        World("kaplan", "Kaplan's joint law, pooled", bs.Model.load("kaplan"), isoflop()),
        World("broken", "A smoothly broken curve, pooled", broken, curves()),
        World("default", "The default model", bs.Model.load("generalised"), isoflop()),
    )
