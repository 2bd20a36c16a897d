"""Forecasts as people plan in practice: fit what is below a budget, predict the next, for a table's last budgets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.forecast.scores import GRID, score, transforms
from bayescale.revisions import revisions_of
from benchmarks import kept
from benchmarks.extrapolation.problems import PROBLEMS
from benchmarks.extrapolation.results import CACHE, PARTS
from benchmarks.published.tables import ROOT, available

BUDGETS = 3
"""Of a table, the last so many, each forecast from what cost less."""

BUNDLED = ("small-lm", "small-lm-128", "lab")
PUBLISHED = ("hoffmann", "porian", "muennighoff")
TABLES = (*BUNDLED, *PUBLISHED)

ASKED = (0.72, 0.88)
"""Share of losses inside the 80 % bands, pooled over all tables."""


@dataclass(frozen=True)
class Rolled:
    """One table's forecasts of its last budgets.

    Attributes
    ----------
    folds : list of dict
        A row a budget: ``fold``, ``fitted``, ``held_out``, ``flops_beyond``, ``params_beyond``, ``health``, ``missed``
        and the figures of `bayescale.forecast.scores.score`.
    places : list of float
        Where every held-out loss lies in its forecast, as a probability; of fits that did not fail.
    cpu_s : float
    revisions : dict of int
    """

    folds: list[dict[str, Any]]
    places: list[float]
    cpu_s: float
    revisions: dict[str, int]


def there(name: str) -> bool:
    """Whether the table is present."""
    return name in BUNDLED or available(_problem(name).file)


def rolled(name: str, model: bs.Model, fresh: bool = False) -> Rolled:
    """A table's record, kept as JSON so that the command resumes."""
    runs = _runs(name)
    said = "\n".join(
        (runs.to_csv(), model.model_dump_json(), str(bs.Settings()), str(BUDGETS), bs.__version__)
    )
    path = CACHE / f"rolling-{name}-{hashlib.sha256(said.enrevisions_of(*PARTS)).hexdigest()[:16]}.json"
    if known := kept.read_unless(fresh, path, Rolled):
        return known
    began = time.process_time()
    found = bs.backtest(runs, [model], rolling=BUDGETS, baselines=False)
    folds, places = [], []
    for fold, fit in zip(found.folds.to_dict("records"), found.fits.to_dict("records"), strict=True):
        mine = found.forecasts[found.forecasts["fold"] == fold["fold"]]
        quantiles, measured = mine[[f"q{p:g}" for p in GRID]].to_numpy(float), mine["loss"].to_numpy(float)
        figures = score(quantiles, measured)
        figures.pop("pit")
        folds.append({**fold, "health": fit["health"], "missed": fit["missed"], **kept.plain(figures)})
        if fit["health"] != "FAIL":
            places += transforms(quantiles, measured).tolist()
    result = Rolled(folds, places, time.process_time() - began, revisions_of(*PARTS))
    kept.write(path, result)
    print(f"  rolling, {name}: {result.cpu_s:.0f} s of CPU", flush=True)
    return result


def inside(found: Sequence[Rolled], mass: float) -> float:
    """Share of losses inside the central bands of that mass, over all tables."""
    places = np.array([place for one in found for place in one.places])
    low, high = (1 - mass) / 2, (1 + mass) / 2
    # A place is the share of quantiles below, in hundredths.
    return float(((places > low - 1e-9) & (places < high - 1e-9)).mean())


def _problem(name: str) -> Any:
    return next(p for p in PROBLEMS if p.name == name)


def _runs(name: str) -> pd.DataFrame:
    if name in BUNDLED:
        return bs.read_runs(ROOT / "runs" / name / "runs.parquet", where='status == "finished"')
    return _problem(name).runs()
