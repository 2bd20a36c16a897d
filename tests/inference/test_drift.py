"""The drift: forecasts of known runs, and what they say of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.inference.drift import drift_draws, evidence
from bayescale.inference.folds import Fold, choose_folds
from bayescale.models import Design, Model, make_design

AXES = ["flops", "params"]


@pytest.fixture(scope="module")
def design(runs: pd.DataFrame) -> Design:
    return make_design(Model.load("chinchilla"), runs)


def fold_of(design: Design, share: float, k: float, rng: np.random.Generator) -> Fold:
    """A fold in compute whose forecasts were sure of the law, while losses drifted by k an e-fold."""
    x = design.axes["flops"]
    kept = x <= x.max() - share * np.ptp(x)
    beyond = {a: np.maximum(0, y[~kept] - y[kept].max()) for a, y in design.axes.items()}
    noise = np.full((~kept).sum(), 0.003**2)
    drift = (k * rng.normal(size=len(design.cells)))[design.cell[~kept]] * beyond["flops"]
    residual = drift + np.sqrt(noise) * rng.normal(size=len(noise))
    return Fold("flops", share, kept, residual, np.diag(0 * noise), noise, 0.0, beyond, 1.0)


def test_folds_cut_the_top_of_each_axis(design: Design) -> None:
    folds = choose_folds(design)
    assert {axis for axis, _, _ in folds} == set(AXES)
    for axis, share, kept in folds:
        x = design.axes[axis]
        assert kept.any() and (~kept).any()
        assert x[~kept].min() > x.max() - share * np.ptp(x) >= x[kept].max()


def test_folds_tell_a_drift_from_none(design: Design) -> None:
    rng = np.random.default_rng(0)
    typical = {}
    for k in (0.0, 0.004, 0.03):
        folds = [fold_of(design, 0.3, k, rng) for _ in range(12)]
        typical[k] = np.median([np.median(drift_draws(design, [f], 2000, rng)["flops"]) for f in folds])
    prior = np.median(drift_draws(design, (), 4000, rng)["flops"])
    assert prior == pytest.approx(np.sqrt(0.003 * 0.016), rel=0.05)
    assert typical[0.0] < 0.75 * prior < prior < 1.5 * prior < typical[0.03]
    assert typical[0.0] < typical[0.004] < typical[0.03]


def test_evidence_is_greatest_at_the_drift_there_was(design: Design) -> None:
    rng = np.random.default_rng(1)
    k = np.array([[x, 0.001] for x in (0.002, 0.005, 0.01, 0.02, 0.05)])
    total = sum(evidence(design, [fold_of(design, 0.3, 0.01, rng)], AXES, k) for _ in range(30))
    assert np.argmax(total) == 2


def test_what_did_not_settle_or_repeats_itself_does_not_count(design: Design) -> None:
    rng = np.random.default_rng(2)
    fold = fold_of(design, 0.3, 0.02, rng)
    k = np.array([[0.001, 0.001], [0.02, 0.001]])
    assert not evidence(design, [replace(fold, r_hat=1.3)], AXES, k).any()
    # Folds of one axis leave out nearly the same runs: together they count as one.
    assert evidence(design, [fold, fold], AXES, k) == pytest.approx(evidence(design, [fold], AXES, k))


def test_a_fit_keeps_its_folds(posterior: bs.Posterior) -> None:
    records = posterior.provenance["folds"]
    assert {r["axis"] for r in records} == set(AXES)
    for record in records:
        assert record["fitted"] + record["forecast"] == len(posterior.runs)
        assert 0 <= record["inside90"] <= 1 and record["mean_abs_miss"] < 0.1
    # The runs follow the law, and forecasts of them held.
    assert np.mean([r["inside90"] for r in records]) > 0.7
    assert np.median(posterior.draws("drift_flops")) < np.sqrt(0.003 * 0.016) * 1.3
