"""Every law finds itself in runs simulated from it, with a passing gate, and knows how far its forecast reaches."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.laws import Law, laws
from bayescale.laws.usual import reference
from tests.laws.ranges import SIMULATED, beyond, complete, design

RUNS, NOISE = 60, 0.005
RUNS_OF = {
    # 60 runs leave some of their parameters to the priors: divergences in the tails, and the gate says so.
    "bounded": 200,
    "datastore-log": 200,
    "farseer": 200,
    "frantar": 112,
    "ludziejewski": 200,
    "muennighoff": 182,
}
WHICH = {
    # The data term of the last published set is .3 % of the loss at the middle run, less than the noise.
    "frantar": 0,
}


def truth_of(law: Law) -> dict[str, float]:
    """Published values; or others, or the medians of the priors, where a law has no complete set of them."""
    if law.name in SIMULATED:
        return dict(SIMULATED[law.name])
    published = complete(law)
    if published:
        return published[WHICH.get(law.name, -1)]
    middle = {p.name: p.prior.interval(p.support, 1e-9)[0] for p in law.parameters}
    return {name: float(x) for name, x in law.natural(middle, reference(law)).items()}


def simulated(law: Law) -> pd.DataFrame:
    """Runs with losses that the law expects, and noise."""
    truth, runs = truth_of(law), design(law, RUNS_OF.get(law.name, RUNS), seed=1)
    noise = np.random.default_rng(2).normal(scale=NOISE, size=len(runs))
    return runs.assign(loss=at(law, truth, runs) * np.exp(noise))


def at(law: Law, truth: dict[str, float], points: pd.DataFrame) -> np.ndarray:
    loss = np.asarray(law.loss(truth, {c: points[c].to_numpy() for c in law.inputs}))
    return np.broadcast_to(loss, len(points))


# Some designs leave a parameter to its prior, and say so; what is claimed here is that the fit is sound all the same.
@pytest.mark.filterwarnings("ignore::bayescale.errors.DesignWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", laws())
def test_recovers_itself(name: str) -> None:
    law = bs.law(name)
    posterior = bs.fit(simulated(law), model=bs.Model.of_law(name), seed=0)
    assert posterior.health().passed, str(posterior.health())
    point = beyond(law)
    expected = at(law, truth_of(law), point)[0]
    low, high = posterior.predict(point, of="mean", quantiles=(0.005, 0.995))[["q0.005", "q0.995"]].iloc[0]
    assert low < expected < high
