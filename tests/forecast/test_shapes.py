"""Models of odd shapes count as smaller ones: found again, forecast, and left alone where sizes are of one shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs

LEAN, BEND = 0.12, -0.25


def simulated(seed: int = 0) -> pd.DataFrame:
    """Runs of Hoffmann's law over two decades of size, three aspects at each, the odd ones worth smaller models."""
    rng = np.random.default_rng(seed)
    rows = [
        {"params": params, "tokens": ratio * params, "depth": depth, "width": depth * aspect}
        for params in np.geomspace(1e7, 1e9, 6)
        for ratio in (5.0, 20.0, 80.0)
        for depth, aspect in ((24.0, 6.0), (12.0, 40.0), (4.0, 250.0))
    ]
    runs = pd.DataFrame(rows)
    log = np.log(runs["width"] / runs["depth"])
    z = (log - log.mean()) / log.std(ddof=0)
    counts_as = runs["params"] * np.exp(LEAN * z + BEND * z**2)
    loss = 1.8 + 480.0 * counts_as**-0.35 + 1200.0 * runs["tokens"] ** -0.34
    return runs.assign(loss=loss * np.exp(0.002 * rng.standard_t(6, size=len(runs))))


@pytest.fixture(scope="module")
def posterior() -> bs.Posterior:
    model = bs.Model(
        name="shapes", law="chinchilla", pooling={"params": "1 + log(aspect) + square(log(aspect))"}
    )
    return bs.fit(
        simulated(), model, settings=bs.Settings(draws=500, folds=False), progress=lambda *_: None
    )


def test_what_shapes_count_as_is_found_again(posterior: bs.Posterior) -> None:
    assert posterior.health().verdict == "PASS"
    for name, truth in (("params.log(aspect)", LEAN), ("params.square(log(aspect))", BEND)):
        draws = posterior.draws(name)
        assert abs(draws.mean() - truth) < 3 * draws.std()
        assert draws.std() < 0.05
    assert 0.30 < posterior.draws("alpha_mean").mean() < 0.40


def test_forecasts_say_at_which_shape_or_take_that_of_the_runs(posterior: bs.Posterior) -> None:
    at = {"params": 3e9, "tokens": 6e10}
    points = pd.DataFrame([{**at, "width": 3000.0, "depth": 75.0}, {**at, "width": 7500.0, "depth": 30.0}])
    usual, wide = posterior.predict(points)["q0.5"]
    # A very wide model of 3e9 counts as one of e^(LEAN z + BEND z^2), z = 1.22, of the size: the law's own difference.
    log = np.log(simulated()["width"] / simulated()["depth"])
    z = (np.log([40.0, 250.0]) - log.mean()) / log.std(ddof=0)
    near, far = 480.0 * (at["params"] * np.exp(LEAN * z + BEND * z**2)) ** -0.35
    assert wide - usual == pytest.approx(far - near, rel=0.2)
    nothing_said = posterior.predict(pd.DataFrame([at]))["q0.5"].item()
    middle = posterior.predict(pd.DataFrame([{**at, "aspect": np.exp(log.mean())}]))["q0.5"].item()
    assert nothing_said == pytest.approx(middle, rel=1e-6)
    best = posterior.allocate([1e20]).table
    assert np.isfinite(best["params"]).all()
    assert "params.square(log(aspect))" in str(posterior.summary().index.tolist())
