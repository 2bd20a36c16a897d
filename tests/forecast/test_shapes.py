"""Models of odd shapes count as smaller ones: found again, forecast, and left alone where sizes are of one shape."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast import PointsError, expected_loss

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
    return bs.fit(simulated(), model, settings=bs.Settings(draws=500, folds=False), progress=lambda *_: None)


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


def test_rows_that_say_their_shapes_differently_are_forecast_together(posterior: bs.Posterior) -> None:
    at = {"params": 3e9, "tokens": 6e10}
    points = pd.DataFrame(
        [
            {**at, "aspect": 40.0},
            {**at, "width": 3000.0, "depth": 75.0},
            {**at, "width": 3000.0, "depth": 0.0},
            at,
        ]
    )
    said, told, empty, nothing = expected_loss(posterior, points)[0].mean(axis=0)
    assert told == pytest.approx(said, rel=1e-9)
    assert empty == pytest.approx(nothing, rel=1e-9)
    assert nothing != pytest.approx(said, rel=1e-6)
    with pytest.raises(PointsError, match="row 1, column aspect: 'wide' is not a positive number"):
        posterior.predict(pd.DataFrame([{**at, "aspect": "wide"}]))


def test_plans_and_decisions_know_shapes_by_either_name(posterior: bs.Posterior) -> None:
    shape = {"width": 7500.0, "depth": 30.0}
    wide, same = (
        posterior.allocate([1e20], fixed=f).table["loss"].item() for f in (shape, {"aspect": 250.0})
    )
    usual = posterior.allocate([1e20]).table["loss"].item()
    assert wide == pytest.approx(same, rel=1e-6) and wide > usual
    target = pd.DataFrame([{"params": 3e9, "tokens": 6e10, **shape}])
    plan = posterior.plan(target, most=2)
    assert np.isfinite(plan.gain) and plan.gain > 0
    assert set(shape) <= set(plan.runs.columns)
    offered = pd.DataFrame([{"params": 5e8, "tokens": 1e10, "aspect": 40.0}])
    assert np.isfinite(posterior.plan(target, offered, most=1).gain)
    decided = posterior.decide(
        bs.Decision(
            target_loss=2.2,
            baseline_loss=2.5,
            actions=(
                bs.Action(name="plain", params=3e9, tokens=6e10),
                bs.Action(name="wide", params=3e9, tokens=6e10, inputs=shape),
                bs.Action(name="aspect", params=3e9, tokens=6e10, inputs={"aspect": 250.0}),
            ),
        )
    )
    losses = decided.table.set_index("action")["loss_median"]
    assert losses["wide"] == pytest.approx(losses["aspect"], rel=1e-3)
    assert losses["wide"] > losses["plain"]
