"""The worlds: a table, what lies beyond its runs, held-out runs, and the runs that questions are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from benchmarks.verdicts.tables import HIGH, KINDS, RATIO, draw_table
from benchmarks.verdicts.truth import FLOPS_PER_PARAM_TOKEN, Truth, draw_drift

REVISION = 1
"""Revision of the worlds, their questions and their scores: raise it where a change makes kept results others."""

SEED = 24

FAMILIES = {
    "law right": "clean",
    "law drifts": "clean",
    "contaminated": "contaminated",
    "one budget": "one budget",
    "one ratio": "one ratio",
    "correlated": "correlated",
}
"""Families of worlds, and the kind of table of each. Two families share their tables, and so their fits."""

HeldOutKind = Literal["none", "right", "wrong"]

HELD_KINDS: tuple[HeldOutKind, ...] = ("none", "right", "wrong", "none", "right", "none")
"""Held-out runs of the worlds of a family on one table, in turn."""

PER_TABLE = {"clean": 6, "contaminated": 12, "one budget": 12, "one ratio": 42, "correlated": 12}
"""Worlds of a family on one table, by kind: more where the sampler takes longer over a fit: 11 CPU-seconds over a
clean table, about 50 over a contaminated one, several hundred over one of one ratio."""

HELD_OUT = (1, 2, 3, 5)
"""How many runs are held out."""

BEYOND = (0.2, 1.0)
"""Decades of compute of held-out runs beyond the fitted ones."""

OFF = (0.1, 0.4)
"""By how much of the log loss, either way, held-out runs are wrong on purpose."""

DISTANCES = ((-1.0, -0.2), (0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0))
"""Decades of compute of a world's five actions beyond the highest-compute run."""


@dataclass(frozen=True, eq=False)
class World:
    """A simulated world.

    Attributes
    ----------
    family : str
    index : int
        Of the family.
    truth : Truth
    runs : DataFrame
        Those that are fitted.
    held : DataFrame or None
        Those that the fit has not seen.
    held_kind : str
        ``none``, ``right`` (measured as the truth has it), or ``wrong`` on purpose.
    actions : DataFrame
        ``params``, ``tokens`` and ``decades`` (of compute beyond the runs) of the runs that questions are about.
    """

    family: str
    index: int
    truth: Truth
    runs: pd.DataFrame
    held: pd.DataFrame | None
    held_kind: HeldOutKind
    actions: pd.DataFrame

    @property
    def rng(self) -> np.random.Generator:
        """Randomness of the questions."""
        return _rng(self.family, self.index, 2)


def table_of(family: str, index: int) -> int:
    """Return the table that a world is on."""
    return index // PER_TABLE[FAMILIES[family]]


def seed_of(kind: str, table: int) -> int:
    """Return the seed of a table's fit."""
    return int(np.random.SeedSequence([SEED, KINDS.index(kind), table]).generate_state(1)[0])


def worlds_of(kind: str, table: int) -> Iterator[World]:
    """Every world on a table."""
    truth, runs = draw_table(kind, np.random.default_rng([SEED, KINDS.index(kind), table]))
    for family in (name for name, its in FAMILIES.items() if its == kind):
        for index in range(PER_TABLE[kind] * table, PER_TABLE[kind] * (table + 1)):
            yield _world(family, index, truth, runs)


def _world(family: str, index: int, truth: Truth, runs: pd.DataFrame) -> World:
    rng = _rng(family, index, 1)
    if family == "law drifts":
        truth = replace(truth, **draw_drift(rng))
    held_kind = HELD_KINDS[index % len(HELD_KINDS)]
    off = float(rng.choice((-1, 1)) * rng.uniform(*OFF))
    broken = bool(rng.random() < 0.5)
    if held_kind == "wrong" and broken:
        # Half of the time they are right and the law is not: the actions share what is off.
        truth = replace(truth, step=off)
    one_ratio = FAMILIES[family] == "one ratio"
    held = None
    if held_kind != "none":
        points = _points(rng.uniform(*BEYOND, size=rng.choice(HELD_OUT)), rng, one_ratio)
        at = points["params"].to_numpy(), points["tokens"].to_numpy()
        loss = truth.measured(*at, np.arange(len(points)), rng)
        held = points.drop(columns="decades").assign(loss=loss)
        if held_kind == "wrong" and not broken:
            held["loss"] *= np.exp(off)
        if "run_id" in runs:
            held["run_id"] = [f"held-out-{i}" for i in range(len(held))]
    actions = _points(np.array([rng.uniform(*between) for between in DISTANCES]), rng, one_ratio)
    return World(family, index, truth, runs, held, held_kind, actions)


def _points(decades: np.ndarray, rng: np.random.Generator, one_ratio: bool) -> pd.DataFrame:
    """Runs at distances beyond the runs, at 10 to 40 tokens per param, or at the runs' own number."""
    flops = HIGH * 10**decades
    ratio = RATIO * np.exp(0.0 if one_ratio else rng.uniform(-np.log(2), np.log(2), size=len(decades)))
    params = np.sqrt(flops / FLOPS_PER_PARAM_TOKEN / ratio)
    tokens = flops / FLOPS_PER_PARAM_TOKEN / params
    return pd.DataFrame({"params": params, "tokens": tokens, "flops": flops, "decades": decades})


def _rng(family: str, index: int, part: int) -> np.random.Generator:
    return np.random.default_rng([SEED, 100 + list(FAMILIES).index(family), index, part])
