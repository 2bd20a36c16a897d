"""Posteriors without a fit: draws of a prior that is as narrow as a good fit leaves it."""

from __future__ import annotations

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.laws import Range
from bayescale.models.spec import Drift, Noise
from bayescale.posterior import prior_posterior
from tests.simulate import simulate

SIGMA, SIGMA_RUN = 0.002, 0.01
DRAWS = 4000


def tight(curves: bool = False, nu: tuple[float, float] = (4.0, 8.0), draws: int = DRAWS) -> bs.Posterior:
    """A posterior of Hoffmann's law, pooled over tasks; with `curves`, of runs that give four rows each."""
    runs = simulate(np.geomspace(3e10, 3e12, 5), seed=1).drop(columns="loss")
    if curves:
        runs = runs.assign(
            run_id=runs.groupby(["architecture", "task", "flops"]).ngroup().map("run-{}".format)
        )
    near = {name: Range(0.97 * x, 1.03 * x) for name, x in {"A": 0.35, "B": 0.5}.items()}
    near |= {name: Range(0.99 * x, 1.01 * x) for name, x in {"E": 1.4, "alpha": 0.32, "beta": 0.33}.items()}
    model = bs.Model(
        name="tight",
        law="chinchilla",
        pooling={"E": "1 + (1|task)"},
        priors=near,
        spread={"E": Range(0.05, 0.1)},
        noise=Noise(
            sigma=Range(0.9 * SIGMA, 1.1 * SIGMA),
            nu=Range(*nu),
            sigma_decade=Range(0.95, 1.05),
            sigma_run=Range(0.9 * SIGMA_RUN, 1.1 * SIGMA_RUN),
        ),
        drift=Drift(),
    )
    return prior_posterior(runs, model, draws=draws, kind=bs.Posterior)


def points(number: int, decades: float = 0.0, task: str = "code", run_id: str | None = None) -> pd.DataFrame:
    """Points of one ratio whose first lies so many decades of compute beyond the runs of `tight`."""
    flops = 3e12 * 10**decades * np.geomspace(1, 1.5, number)
    params = np.sqrt(flops / 6 / 30)
    table = pd.DataFrame({"params": params, "tokens": flops / 6 / params, "flops": flops, "task": task})
    return table if run_id is None else table.assign(run_id=run_id)
