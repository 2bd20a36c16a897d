"""One table: our fit and the baselines, each kept as JSON so that the command resumes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bayescale as bs
from bayescale.forecast import baselines as usual
from bayescale.forecast.backtest import Backtest
from bayescale.forecast.odd import odd_line
from bayescale.forecast.scores import GRID
from bayescale.revisions import revisions_of
from benchmarks import kept
from benchmarks.extrapolation.problems import Problem
from benchmarks.published.tables import ROOT

CACHE = ROOT / ".bayescale" / "extrapolation"
PARTS = ("sampler", "default_model", "discrepancy")
"""Parts of the package that forecasts depend on."""


@dataclass(frozen=True)
class Result:
    """Scores of some methods on one table.

    Attributes
    ----------
    scores : dict of dict
        By method: the figures of `bayescale.forecast.scores.score`, over all held-out runs.
    below : dict of list
        By method: the share of losses below each quantile, .01 to .99.
    fitted, held : int
    health, missed : str
        Of our fit; empty for baselines.
    cpu_s : float
    revisions : dict of int
        Of the parts of the package that made it.
    odd : list of str
        Held-out runs far off our forecast, each with its probability of being odd.
    """

    scores: dict[str, dict[str, Any]]
    below: dict[str, list[float]]
    fitted: int
    held: int
    health: str
    missed: str
    cpu_s: float
    revisions: dict[str, int]
    odd: list[str] = field(default_factory=list)


def ours(
    problem: Problem,
    model: bs.Model,
    seed: int = 0,
    settings: bs.Settings | None = None,
    fresh: bool = False,
) -> Result:
    """Our fit of the runs that say ``fit``, scored on those that say ``holdout``."""
    settings = settings or bs.Settings()
    said = (model.model_dump_json(), model.definition.equation, str(settings), str(seed))
    return _kept(
        problem,
        model.name,
        said,
        fresh,
        lambda: bs.backtest(
            problem.runs(), [model], seed=seed, settings=settings, progress=lambda *_: None, baselines=False
        ),
    )


def baselines(problem: Problem, seed: int = 0, fresh: bool = False) -> Result:
    """The usual practice, computed here."""
    said = (str(usual.RESAMPLES), str(usual.RESIDUALS), str(usual.FEWEST), str(seed))
    return _kept(problem, "baselines", said, fresh, lambda: bs.backtest(problem.runs(), [], seed=seed))


def _kept(
    problem: Problem, what: str, said: tuple[str, ...], fresh: bool, make: Callable[[], Backtest]
) -> Result:
    text = "\n".join((problem.runs().to_csv(), *said, bs.__version__))
    path = CACHE / f"{problem.name}-{what}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if known := kept.read_unless(fresh, path, Result):
        return known
    began = time.process_time()
    found = make()
    result = _result(found, time.process_time() - began)
    kept.write(path, result)
    print(
        f"  {problem.name}, {what}: {result.health} {result.missed} ({result.cpu_s:.0f} s of CPU)", flush=True
    )
    return result


def _result(found: Backtest, cpu_s: float) -> Result:
    names = [f"q{p:g}" for p in GRID]
    below = {
        str(method): (rows[["loss"]].to_numpy() <= rows[names].to_numpy()).mean(axis=0).tolist()
        for method, rows in found.forecasts.groupby("method", sort=False)
    }
    fit = found.fits.iloc[0] if len(found.fits) else {"health": "", "missed": ""}
    fold = found.folds.iloc[0]
    methods = dict.fromkeys(found.scores["method"])
    return Result(
        {m: kept.plain(found.score(m)) for m in methods},
        below,
        int(fold["fitted"]),
        int(fold["held_out"]),
        fit["health"],
        fit["missed"],
        cpu_s,
        revisions_of(*PARTS),
        [odd_line(row) for row in found.odd.to_dict("records")],
    )
