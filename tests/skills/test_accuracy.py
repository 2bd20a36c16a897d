"""From loss to accuracy: the truth comes back, and priors do what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import UserError
from bayescale.skills.accuracy import SkillFit, fit_accuracy
from bayescale.skills.priors import AccuracyPriors
from bayescale.skills.table import with_runs
from tests.skills.conftest import LEVELS, REFERENCE, SLOPES
from tests.skills.simulate import SPREAD, counts


def test_the_truth_comes_back(fitted: SkillFit) -> None:
    assert fitted.health().verdict != "FAIL"
    for unit, about in fitted.units.iterrows():
        k = int(about["skill"][1:])
        # The truth's curve at losses inside the runs, whatever the level and slope that it is written with.
        loss = np.linspace(2.3, 3.6, 7)
        truth = 0.25 + 0.75 / (1 + np.exp(-(LEVELS[k] + SLOPES[k] * (REFERENCE[about["task"]] - loss))))
        low, high = np.quantile(fitted.accuracy(int(unit), loss), (0.001, 0.999), axis=0)
        assert ((low <= truth) & (truth <= high)).all(), about["skill"]
    spread = fitted.sampled.flat("typical_spread")
    assert np.quantile(spread, 0.005) < SPREAD < np.quantile(spread, 0.995)


def test_leave_one_out_is_for_every_row(fitted: SkillFit) -> None:
    assert fitted.loo().n_data_points == len(fitted.rows)


def test_the_summary_says_where_a_skill_is_half_way(fitted: SkillFit) -> None:
    table = fitted.summary().set_index(["skill", "task"])
    truth = REFERENCE["code"] + LEVELS[2] / SLOPES[2]
    row = table.loc[("s2", "code")]
    assert row["half_way_loss_q0.05"] - 0.1 < truth < row["half_way_loss_q0.95"] + 0.1


def test_too_little_is_refused(skills: pd.DataFrame, measured: pd.DataFrame) -> None:
    rows = with_runs(skills, measured)
    with pytest.raises(UserError, match="one skill only"):
        fit_accuracy(rows[(rows["skill"] == "s0") & (rows["task"] == "code")])
    few = rows[rows["run_id"].isin(["r0", "r1", "r2"])]
    with pytest.raises(UserError, match="measured on 3 of the runs"):
        fit_accuracy(few)
    with pytest.raises(UserError, match="no curve 'cubic'"):
        fit_accuracy(rows, "cubic")  # type: ignore[arg-type]


def test_priors_are_printed_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "priors.toml"
    path.write_text("slope = { range = [1, 2] }\n")
    changed = AccuracyPriors.load(path)
    assert changed.normal("slope")[1] < AccuracyPriors().normal("slope")[1]
    assert "1 to 2 " in str(changed)
    path.write_text("slopes = { range = [1, 2] }\nspread = { range = [-1, 2] }\n")
    with pytest.raises(UserError, match=r"slopes.*"):
        AccuracyPriors.load(path)


@pytest.mark.slow
def test_ranks_are_uniform_where_the_truth_is_drawn_from_the_prior() -> None:
    """Simulation-based calibration (Talts et al. 2018) of what is reported, with one compilation for all tables."""
    priors, rng = AccuracyPriors(), np.random.default_rng(0)
    settings = bs.Settings(chains=2, warmup=400, draws=400, again=False, target_accept=0.9)
    runs, names, tables = 20, 4, 100
    loss = np.linspace(4.5, 2.5, runs)
    ranks: dict[str, list[float]] = {
        "level": [],
        "slope": [],
        "typical_slope": [],
        "typical_level": [],
        "spread": [],
    }
    for seed in range(tables):
        hyper = {name: rng.normal(*priors.normal(name)) for name in AccuracyPriors.about()}
        level = hyper["level"] + np.exp(hyper["level_sd"]) * rng.normal(size=names)
        slope = np.exp(hyper["slope"] + np.exp(hyper["slope_sd"]) * rng.normal(size=names))
        spread = np.exp(hyper["spread"] + np.exp(hyper["spread_sd"]) * rng.normal(size=names))
        rows = pd.concat(
            pd.DataFrame(
                {
                    "run_id": [f"r{i}" for i in range(runs)],
                    "skill": f"s{k}",
                    "items": 200,
                    "correct": counts(
                        loss,
                        level[k],
                        slope[k],
                        float(np.median(loss)),
                        rng,
                        items=200,
                        spread=min(spread[k], 0.9),
                    ),
                    "chance": 0.25,
                    "ceiling": 1.0,
                    "loss": loss,
                }
            )
            for k in range(names)
        )
        fit = fit_accuracy(rows, seed=seed, settings=settings)
        truth = {"level": level[0], "slope": slope[0], "spread": spread[0]}
        for name, value in truth.items():
            ranks[name].append(float((fit.sampled.flat(name)[:, 0] < value).mean()))
        ranks["typical_level"].append(float((fit.sampled.flat("typical_level") < hyper["level"]).mean()))
        ranks["typical_slope"].append(
            float((fit.sampled.flat("typical_slope") < np.exp(hyper["slope"])).mean())
        )
    from scipy.stats import kstest

    for name, found in ranks.items():
        assert kstest(found, "uniform").pvalue > 0.002, name
