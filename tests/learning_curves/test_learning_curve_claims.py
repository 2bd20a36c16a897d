"""What docs/learning-curves.md claims, fitted anew: slow."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.learning_curves.curves import TABLE, curves
from benchmarks.learning_curves.fits import forecast
from benchmarks.learning_curves.halves import (
    INDEPENDENT,
    KNOWN,
    STARTED,
    TARGET,
    UNKNOWN,
    halves,
    second_halves,
    simulated,
)
from benchmarks.published.tables import available, table

pytestmark = pytest.mark.slow


def test_run_effects_narrow_the_forecast_of_a_started_run_and_widen_that_of_a_larger_one() -> None:
    found = []
    for seed in range(100, 106):
        runs = simulated(seed)
        late = second_halves(runs, [f"run-{i}" for i in STARTED])
        found.append(halves(runs, late, TARGET, keep=False))
    assert all(set(one.verdicts.values()) == {"PASS"} for one in found)

    def mean(way: str, figure: str) -> float:
        return float(np.mean([getattr(one.ways[way], figure) for one in found]))

    assert mean(KNOWN, "width") < 0.6 * mean(INDEPENDENT, "width")
    assert mean(KNOWN, "error") < 0.6 * mean(INDEPENDENT, "error")
    assert mean(KNOWN, "inside") > 0.8
    assert mean(UNKNOWN, "target_sd") > 1.5 * mean(INDEPENDENT, "target_sd")


@pytest.mark.skipif(not available(TABLE), reason="no published curves here")
def test_a_law_with_a_floor_forecasts_a_curve_of_translation_better_than_one_without() -> None:
    curve = next(c for c in curves(table(TABLE)) if c.domain == "translation")
    bare, floor = (forecast(curve, law, keep=False) for law in ("m1", "m2"))
    assert bare.passed and floor.passed
    assert floor.error < bare.error
