"""The check of fit: right models pass, wrong ones are named; at modes, which need no sampling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kruskal, kstest

import bayescale as bs
from bayescale.inference.fit_check import (
    Residuals,
    _binned,
    _noise,
    bartels,
    check_fit,
    kruskal_wallis,
    one_apart,
)
from bayescale.inference.start import find_start
from bayescale.laws.base import Range
from bayescale.models import Model, make_design
from bayescale.models.arrays import data_of
from bayescale.models.layout import layout_of
from tests.simulate import TRUTH, simulate


def checks(runs: pd.DataFrame, model: Model | str) -> dict[str, bs.inference.health.Check]:
    design = make_design(Model.load(model), runs)
    start = find_start(layout_of(design), data_of(design), np.random.default_rng(0), attempts=2)
    return {check.name: check for check in check_fit(design, start.modes[:1][None])}


def interacting(seed: int = 3) -> pd.DataFrame:
    """Three corpora, each run scored on three sets; a set is easier for the corpus that is like it."""
    rng = np.random.default_rng(seed)
    level = {"prose": 1.0, "code": 0.75, "mixed": 0.95}
    like = {
        ("web", "code"): 1.35,
        ("sources", "code"): 0.75,
        ("sources", "prose"): 1.25,
        ("web", "prose"): 0.95,
    }
    rows = [
        {
            "run_id": f"{corpus}-{params:.0e}-{ratio}",
            "architecture": corpus,
            "task": name,
            "params": params,
            "tokens": ratio * params,
            "loss": (1.6 + 300 * params**-0.33 + 600 * (ratio * params) ** -0.3)
            * factor
            * like.get((corpus, name), 1.0)
            * np.exp(0.004 * rng.standard_normal()),
        }
        for corpus in ("web", "sources", "blend")
        for params in (1e7, 4e7, 1.6e8, 6.4e8)
        for ratio in (5, 20, 80)
        for name, factor in level.items()
    ]
    return pd.DataFrame(rows)


def without_interaction() -> Model:
    model = Model.load("generalised")
    pooling = model.pooling | dict.fromkeys(("E", "K"), "1 + (1|architecture) + (1|task)")
    return model.model_copy(update={"name": "additive", "pooling": pooling})


def test_the_test_on_ranks_is_scipys() -> None:
    rng = np.random.default_rng(0)
    values, groups = rng.normal(size=40), np.repeat(np.arange(4), 10)
    expected = kruskal(*(values[groups == g] for g in range(4))).pvalue
    assert kruskal_wallis(values, groups) == pytest.approx(expected, rel=1e-9)


def test_neighbours_are_alike_as_rarely_as_p_says() -> None:
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1, 2], [12, 20, 6])
    found = [bartels(rng.standard_t(3, size=38) + 5 * groups, groups) for _ in range(400)]
    assert kstest(found, "uniform").pvalue > 0.01
    assert bartels(np.sin(np.arange(38) / 4), groups) < 1e-3


def test_cells_that_interact_are_found_and_named() -> None:
    found = checks(interacting(), without_interaction())
    missed = [check for check in found.values() if check.verdict != "PASS"]
    assert "FAIL" in {check.verdict for check in missed}
    assert any("architecture and task interact" in check.advice for check in missed)
    assert any("web:code" in check.advice and "sources:prose" in check.advice for check in missed)


def test_the_default_lets_them_interact() -> None:
    design = make_design(Model.load("generalised"), interacting())
    assert {e.parameter for e in design.effects if e.factor == ("architecture", "task")} == {"E", "K"}
    assert all(check.verdict == "PASS" for check in checks(interacting(), "generalised").values())


def test_an_interaction_drops_out_where_no_factors_cross() -> None:
    runs = interacting()
    alone = runs[runs["architecture"] == "web"]
    nested = runs[
        runs["task"] == runs["architecture"].map({"web": "prose", "sources": "code", "blend": "mixed"})
    ]
    for table in (alone, nested):
        design = make_design(Model.load("generalised"), table)
        assert not any(len(e.factor) > 1 for e in design.effects)


def test_a_right_model_passes(runs: pd.DataFrame) -> None:
    found = checks(runs, "chinchilla")
    assert {"fit by cell", "fit by budget", "fit by ratio", "fit along inputs", "noise"} <= found.keys()
    assert all(check.verdict == "PASS" for check in found.values()), found


def test_one_odd_run_is_no_failing_fit() -> None:
    cells = {("gpt", "code"): TRUTH["gpt", "code"]}
    runs = simulate(np.geomspace(3e10, 3e12, 4), seed=2, cells=cells)
    runs.loc[5, "loss"] *= 1.3
    assert all(check.verdict == "PASS" for check in checks(runs, "chinchilla").values())


def test_a_smooth_curve_that_the_law_cannot_follow_fails() -> None:
    x = np.array([0.015, 0.02, 0.03, 0.04, 0.055, 0.07, 0.09, 0.12, 0.16, 0.2, 0.25])
    # The floor of this power law is negative, and the model's is not.
    runs = pd.DataFrame({"width": x, "loss": 2 * x**-0.35 - 2.9})
    found = checks(runs, Model.load("E + A * width**-alpha"))
    assert found["noise"].verdict == "FAIL" and found["noise"].value > 0.05


def test_sizes_without_gaps_are_cut_into_bins() -> None:
    x = np.geomspace(1e6, 1e8, 41)
    found = _binned(x)
    assert list(np.bincount(found)) == [6, 6, 6, 5, 6, 6, 6]
    assert (np.diff(found) >= 0).all() and np.ptp(np.log10(x[found == 0])) < 0.3
    assert list(_binned(np.array([3e8, 1e8, 1.1e8, 1e9]))) == [1, 0, 0, 2]


def test_one_group_that_lies_apart_among_many_is_found_and_none_is_by_chance() -> None:
    rng = np.random.default_rng(4)
    groups = np.repeat(np.arange(10), 8)
    aside = rng.standard_t(5, size=80) + 20 * (groups == 3)
    assert kruskal_wallis(aside, groups) > 1e-3 and one_apart(aside, groups) < 1e-6
    few = np.repeat(np.arange(9), 4)
    assert one_apart(rng.standard_t(5, size=36) - 20 * (few == 8), few) < 5e-4
    found = np.array([one_apart(rng.standard_t(5, size=36), few) for _ in range(100)])
    assert (found < 0.05).mean() <= 0.11


def test_noise_that_the_model_states_is_no_alarm() -> None:
    x = np.geomspace(1e6, 1e9, 30)
    runs = pd.DataFrame({"params": x, "loss": 1.5 + 60 * x**-0.3})
    model = Model.load("E + A * params**-alpha")
    stated = model.model_copy(update={"noise": model.noise.model_copy(update={"sigma": Range(0.02, 0.3)})})
    nine = Residuals(np.zeros(30), np.zeros(30), np.full(30, 0.09), np.full(50, 0.09), np.full(50, 20.0))
    assert _noise(make_design(model, runs), nine, 1.0).verdict == "REVIEW"
    assert _noise(make_design(stated, runs), nine, 1.0).verdict == "PASS"
