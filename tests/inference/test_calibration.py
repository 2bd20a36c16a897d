"""Calibration: the test of ranks against ranks that are known, and small calibrations of a real fit."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.inference import Settings
from bayescale.inference.calibration import (
    RANKED,
    Calibration,
    CalibrationError,
    Simulation,
    calibrate,
    far,
    uniformity,
)
from bayescale.laws import Range
from bayescale.models import Noise, make_design

OF = RANKED
MODEL = bs.Model(name="one curve", law="kaplan-d")
RUNS = pd.DataFrame({"tokens": np.geomspace(1e7, 1e9, 6), "params": 1e8})
QUICKER = Settings(chains=2, warmup=200, draws=150, again=False, folds=False)


def of_ranks(ranks: np.ndarray, **others: np.ndarray) -> Calibration:
    """Simulations with such ranks of one quantity, or more."""
    every = {"a": ranks} | others
    return Calibration(
        "made up",
        tuple(
            Simulation(
                i, "PASS", (), False, {n: int(x[i]) for n, x in every.items()}, OF, 400.0, 1.0, 0, 0, 0, 1.0
            )
            for i in range(len(ranks))
        ),
    )


def conjugate(
    rng: np.random.Generator, stretch: float = 1.0, shift: float = 0.0, size: int = 200
) -> np.ndarray:
    """Ranks of the mean of Gaussian data in its exact posterior, made wider or moved by so many standard deviations."""
    mean = rng.normal(size=size)
    data = mean + 0.5 * rng.normal(size=size)
    sd = 1 / np.sqrt(1 + 1 / 0.25)
    draws = data / 0.25 * sd**2 + shift * sd + stretch * sd * rng.normal(size=(OF, size))
    return np.asarray((draws < mean).sum(axis=0))


def test_p_values_of_exact_posteriors_are_even() -> None:
    rng = np.random.default_rng(0)
    p = np.array([uniformity(conjugate(rng), OF) for _ in range(400)])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.033)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.075)


@pytest.mark.parametrize(
    "wrong, mean, spread",
    [({"stretch": 0.6}, 0.5, 1.5), ({"stretch": 1.8}, 0.5, 0.5), ({"shift": 0.5}, 0.36, 1.0)],
)
def test_posteriors_that_are_narrow_wide_or_moved_are_seen(
    wrong: dict[str, float], mean: float, spread: float
) -> None:
    found = of_ranks(conjugate(np.random.default_rng(1), **wrong))
    row = found.table.iloc[0]
    assert not found.uniform and row["p"] < 1e-3
    assert row["mean"] == pytest.approx(mean, abs=0.05)
    assert row["spread"] == pytest.approx(spread, abs=0.3)


def test_many_quantities_are_corrected_for() -> None:
    rng = np.random.default_rng(2)
    many = {f"q{i}": conjugate(rng) for i in range(60)}
    found = of_ranks(conjugate(rng), **many)
    assert found.uniform and len(found.table) == 61
    assert (found.table["p_all"] >= found.table["p"]).all() and found.table["p_all"].is_monotonic_increasing
    assert not of_ranks(conjugate(rng, stretch=0.5), **many).uniform


def test_failed_fits_are_counted_and_ranked() -> None:
    found = of_ranks(conjugate(np.random.default_rng(3)))
    failed = replace(found.simulations[0], verdict="FAIL", missed=("R-hat",))
    found = replace(found, simulations=(failed, *found.simulations[1:]))
    assert found.verdicts == {"PASS": 199, "REVIEW": 0, "FAIL": 1}
    assert len(found.without_failed().simulations) == 199
    assert "199 PASS, 0 REVIEW, 1 FAIL" in str(found)


def test_fits_without_numbers_are_counted_and_have_no_ranks() -> None:
    found = of_ranks(conjugate(np.random.default_rng(3)))
    lost = replace(found.simulations[0], verdict="FAIL", ranks={})
    found = replace(found, simulations=(lost, *found.simulations[1:]))
    assert len(found.ranked) == 199 and found.uniform
    assert found.pit()["prior_sbc"]["a"].shape == (1, 199)
    assert "1 FAIL; 1 without draws" in str(found)


@pytest.fixture(scope="module")
def small() -> list[Simulation]:
    return list(calibrate(MODEL, RUNS, range(8), settings=QUICKER))


def test_a_small_calibration(small: list[Simulation]) -> None:
    assert [s.number for s in small] == list(range(8))
    # All fits share the first one's programs.
    assert small[0].compiled > 0 and not any(s.compiled for s in small[1:])
    names = set(small[0].ranks)
    assert {"a_D[all]", "D_c[all]", "sigma", "nu", "loss_far[all]", "log_likelihood"} <= names
    # One cell: the population's parameters are its own, and ranked once.
    assert not names & {"a_D_mean", "D_c_mean"}
    for s in small:
        assert set(s.ranks) == names and s.of == OF
        assert all(0 <= rank <= OF for rank in s.ranks.values())
        assert s.ess > 20 and s.cpu_s > 0
    # Sixteen standard errors or so: a gross error, such as ranks of another table's truth, is beyond.
    shares = np.array([[s.ranks[n] / OF for n in sorted(names)] for s in small])
    assert 0.2 < shares.mean() < 0.8 and shares.std() > 0.12
    tree = Calibration("one curve", tuple(small)).pit(["sigma"])
    assert tree["prior_sbc"]["sigma"].shape == (1, 8)


def test_a_simulation_stands_alone_and_is_kept_as_text(small: list[Simulation]) -> None:
    alone = next(calibrate(MODEL, RUNS, [5], settings=QUICKER))
    assert alone.ranks == small[5].ranks and alone.verdict == small[5].verdict
    assert Simulation.from_dict(json.loads(json.dumps(alone.to_dict()))) == alone


def test_what_is_derived_is_the_laws_own() -> None:
    runs = pd.DataFrame({"params": [1e8, 4e8], "tokens": [2e9, 8e9], "loss": 1.0})
    design = make_design(bs.Model(name="one", law="chinchilla"), runs)
    values = {"E": 1.7, "A": 406.0, "B": 410.0, "alpha": 0.34, "beta": 0.28}
    found = far(design, {name: np.full((3, 1), x) for name, x in values.items()})
    flops = 100 * 6 * 4e8 * 8e9
    params = np.sqrt(flops / 6 / 20)
    assert found["loss_far"] == pytest.approx(1.7 + 406 * params**-0.34 + 410 * (20 * params) ** -0.28)
    best = (0.34 * 406 / (0.28 * 410)) ** (1 / 0.62) * (flops / 6) ** (0.28 / 0.62)
    assert found["optimum_far"] == pytest.approx(best) and found["optimum_far"].shape == (3, 1)


def test_a_prior_without_usable_tables_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bayescale.inference.calibration.ATTEMPTS", 20)
    model = bs.Model(name="absurd", law="kaplan-d", priors={"D_c": Range(200.0, 300.0)})
    with pytest.raises(CalibrationError, match="tighten its priors"):
        next(calibrate(model, RUNS, [0], settings=QUICKER))


@pytest.mark.slow
def test_a_right_prior_passes_and_a_wrong_one_is_seen() -> None:
    right = Calibration("right", tuple(calibrate(MODEL, RUNS, range(80), settings=QUICKER)))
    assert right.uniform, str(right)
    # Tables are three times as noisy as the fitted prior says.
    truth = bs.Model(name="noisy", law="kaplan-d", noise=Noise(sigma=Range(0.003, 0.15)))
    wrong = Calibration("wrong", tuple(calibrate(MODEL, RUNS, range(80), settings=QUICKER, truth=truth)))
    assert not wrong.uniform, str(wrong)
    assert wrong.table.set_index("quantity").loc["sigma", "mean"] > 0.55
