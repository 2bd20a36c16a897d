"""The drift: forecasts of known runs, and what they say of it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast.expected import Predictor
from bayescale.inference import Settings, folds
from bayescale.inference.drift import HELD, _of_fold, drift_draws, evidence, log_prior
from bayescale.inference.folds import Cut, Fold, choose_folds
from bayescale.models import Design, Model, make_design
from bayescale.models.spec import Drift
from bayescale.posterior import prior_posterior

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
    cuts = choose_folds(design)
    assert {axis for axis, _, _ in cuts} == set(AXES)
    for axis, share, kept in cuts:
        x = design.axes[axis]
        assert kept.any() and (~kept).any()
        assert x[~kept].min() > x.max() - share * np.ptp(x) >= x[kept].max()


def test_folds_tell_a_drift_from_none(design: Design) -> None:
    rng = np.random.default_rng(0)
    typical, holds = {}, {}
    for k in (0.0, 0.004, 0.03):
        found = [drift_draws(design, [fold_of(design, 0.3, k, rng)], 2000, rng) for _ in range(12)]
        typical[k] = np.median([np.median(draws["flops"]) for draws in found])
        holds[k] = np.mean([draws["holds"].mean() for draws in found])
    prior = np.sqrt(0.003 * 0.016)
    assert typical[0.0] < 0.2 * prior < prior < 1.5 * prior < typical[0.03]
    assert typical[0.0] < typical[0.004] < typical[0.03]
    assert holds[0.0] > 0.75 > holds[0.004] > holds[0.03] and holds[0.03] < 0.05


def test_without_folds_the_drift_is_as_the_model_has_it(design: Design) -> None:
    draws = drift_draws(design, (), 40_000, np.random.default_rng(0))
    assert draws["holds"].mean() == pytest.approx(0.5, abs=0.02)
    for axis in AXES:
        for holds, share in ((0, 1.0), (1, HELD)):
            low, high = np.quantile(draws[axis][draws["holds"] == holds], [0.05, 0.95])
            assert (low, high) == pytest.approx((share * 0.003, share * 0.016), rel=0.1)
    never = Model.load("chinchilla").model_copy(update={"drift": Drift(holds=0)})
    other = drift_draws(replace(design, model=never), (), 4000, np.random.default_rng(0))
    assert not other["holds"].any() and np.median(other["flops"]) == pytest.approx(0.0069, rel=0.05)


def test_the_density_of_draws_is_that_they_were_drawn_from(design: Design) -> None:
    # Weights by the density's inverse make the log of the drift flat where it was drawn: both states alike.
    draws = drift_draws(design, (), 40_000, np.random.default_rng(1))
    weight = np.exp(-log_prior(design, draws))
    z = np.log(draws["flops"] / np.where(draws["holds"] == 1, HELD, 1.0))
    middle = np.abs(z - z.mean()) < z.std()
    upper, lower = weight[middle & (z > z.mean())].sum(), weight[middle & (z <= z.mean())].sum()
    assert upper / lower == pytest.approx(1.0, abs=0.15)


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
    # No run counts twice on an axis: of the deeper fold, only those that the other still had.
    assert evidence(design, [fold, fold], AXES, k) == pytest.approx(evidence(design, [fold], AXES, k))
    half = fold_of(design, 0.15, 0.02, rng)
    both = evidence(design, [fold, half], AXES, k) - evidence(design, [half], AXES, k)
    only = half.kept[~fold.kept]
    alone = _of_fold(design, fold, AXES, k, only)
    assert both == pytest.approx(alone)


def test_a_fold_that_does_not_settle_is_drawn_longer(design: Design, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float, int, int]] = []

    def once(
        design: Design, known: object, seed: int, settings: Settings, cut: Cut, progress: object
    ) -> Fold:
        axis, share, _ = cut
        asked.append((axis, share, settings.warmup, settings.draws))
        short = axis == "flops" and share == 0.15 and settings.draws == folds.DRAWS
        found = fold_of(design, share, 0.0, np.random.default_rng(0))
        return replace(found, axis=axis, r_hat=1.2 if short else 1.0)

    monkeypatch.setattr(folds, "_fold", once)
    found = folds.run_folds(design, None, 0, Settings(warmup=500))  # type: ignore[arg-type]
    assert all(fold.settled for fold in found) and len(found) == len(choose_folds(design))
    assert asked[len(found) :] == [("flops", 0.15, 1500, 3 * folds.DRAWS)]


def test_a_fit_keeps_its_folds(posterior: bs.Posterior) -> None:
    records = posterior.provenance["folds"]
    assert {r["axis"] for r in records} == set(AXES)
    for record in records:
        assert record["fitted"] + record["forecast"] == len(posterior.runs)
        assert 0 <= record["inside90"] <= 1 and record["mean_abs_miss"] < 0.1
    # The runs follow the law, and forecasts of them held.
    assert np.mean([r["inside90"] for r in records]) > 0.7
    assert np.median(posterior.draws("drift_flops")) < np.sqrt(0.003 * 0.016) * 1.3


@pytest.mark.parametrize("constant", ["flops", "params"])
def test_a_table_of_one_budget_or_one_size_drifts_along_it(constant: str) -> None:
    """No fold cuts an axis along which nothing varies: its drift is the model's, and no misfit lies along it."""
    grid = np.geomspace(1e7, 1e9, 8)
    one = {"flops": grid * (1e18 / 6 / grid), "params": np.full(8, 1e8)}[constant]
    runs = pd.DataFrame({"params": grid, "tokens": one / grid} if constant == "flops" else {"params": one})
    if constant == "params":
        runs["tokens"] = 10 * grid
    model = Model.load("generalised")
    design = make_design(model, runs.assign(loss=3.0))
    assert set(design.axes) == {"flops", "params"} and constant not in design.varying_axes
    assert constant not in {axis.axis for axis in design.misfit}
    assert constant not in {axis for axis, _, _ in choose_folds(design)}
    posterior = prior_posterior(runs, model, draws=400)
    inside = {"params": 1e8, "tokens": float(runs["tokens"].min())}
    beyond = (
        {"params": 1e8, "tokens": 1e3 * inside["tokens"]}
        if constant == "flops"
        else {**inside, "params": 1e11}
    )
    drift = Predictor(posterior).drift(pd.DataFrame([inside, beyond]))
    assert not drift[:, 0].any() and drift[:, 1].std() > 0.003
