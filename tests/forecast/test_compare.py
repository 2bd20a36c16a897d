"""Laws against each other: figures that can be checked, refusals, and the sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from arviz_stats import loo

import bayescale as bs
from bayescale.forecast import loss_draws
from bayescale.forecast.compare import (
    CompareError,
    Comparison,
    check_same_rows,
    compare_posteriors,
    split_runs,
)
from bayescale.forecast.scores import crps, predicted_quantiles
from bayescale.forecast.split_slopes import SplitSlopesError, split_slopes
from tests.simulate import simulate

QUICK = bs.Settings(chains=2, warmup=500, draws=2000)


def silent(*_: int) -> None:
    """No progress bar."""


def line(law: str) -> bs.Model:
    """Guo's line with a level for each task: quick to sample."""
    return bs.Model(name=law, law=law, pooling={"beta": "1 + (1|task)"})


@pytest.fixture(scope="module")
def posteriors(runs: pd.DataFrame, posterior: bs.Posterior) -> dict[str, bs.Posterior]:
    lines = {name: bs.fit(runs, line(name), 0, QUICK, silent) for name in ("guo", "guo-free")}
    return {"chinchilla": posterior, **lines}


@pytest.fixture(scope="module")
def held() -> pd.DataFrame:
    return simulate(np.array([3e13]), 3, seed=4)


@pytest.fixture(scope="module")
def comparison(posteriors: dict[str, bs.Posterior], held: pd.DataFrame) -> Comparison:
    return compare_posteriors(posteriors, held)


def test_the_law_that_made_the_runs_is_the_one_to_believe(comparison: Comparison) -> None:
    assert comparison.table["model"].iloc[0] == "chinchilla"
    assert comparison.table["rank"].tolist() == [1, 2, 3]
    assert comparison.sentence.startswith("Believe chinchilla for dearer runs")
    assert "the forecast of guo" in comparison.sentence
    assert comparison.table.set_index("model")["forecast"].to_dict() == {
        "chinchilla": "holds",
        "guo": "fails",
        "guo-free": "fails",
    }
    assert (comparison.fitted, comparison.held_out) == (80, 12)
    assert "chinchilla" in str(comparison) and "CRPS" in str(comparison)


@pytest.mark.filterwarnings("ignore:Estimated shape parameter")
def test_elpd_is_arvizs_and_differences_are_paired(
    posteriors: dict[str, bs.Posterior], comparison: Comparison
) -> None:
    table = comparison.table.set_index("model")
    found = {name: loo(p.tree, var_name="log_loss", pointwise=True) for name, p in posteriors.items()}
    for name, one in found.items():
        assert table.loc[name, "elpd"] == pytest.approx(float(one.elpd))
        assert table.loc[name, "pareto_k_bad"] == (np.asarray(one.pareto_k) > one.good_k).sum()
    apart = np.asarray(found["chinchilla"].elpd_i) - np.asarray(found["guo"].elpd_i)
    assert table.loc["guo", "elpd_diff"] == pytest.approx(apart.sum())
    assert table.loc["guo", "elpd_diff_se"] == pytest.approx(np.sqrt(len(apart)) * apart.std(), rel=0.05)
    assert table["weight"].sum() == pytest.approx(1, abs=1e-6)
    assert table["weight"].idxmax() == "chinchilla"


def test_held_out_figures(
    posteriors: dict[str, bs.Posterior], held: pd.DataFrame, comparison: Comparison
) -> None:
    row = comparison.table.set_index("model").loc["chinchilla"]
    predicted = posteriors["chinchilla"].predict(held, quantiles=(0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95))
    off = predicted["q0.5"] / predicted["loss"] - 1
    assert row["error"] == pytest.approx(off.abs().mean(), rel=0.05)
    assert row["bias"] == pytest.approx(off.mean(), abs=5e-4)
    inside = (predicted["q0.05"] <= predicted["loss"]) & (predicted["loss"] <= predicted["q0.95"])
    assert row["inside90"] == pytest.approx(inside.mean(), abs=0.11)
    assert row["crps_diff"] == 0


def test_crps_is_that_of_the_draws(posteriors: dict[str, bs.Posterior], held: pd.DataFrame) -> None:
    draws, _ = loss_draws(posteriors["chinchilla"], held, "run", seed=7)
    loss = held["loss"].to_numpy()
    # E|X - y| - E|X - X'| / 2, the second mean from sorted draws (Gneiting & Raftery 2007, eq. 21).
    x, n = np.sort(draws, axis=0), len(draws)
    spread = 2 * ((2 * np.arange(1, n + 1) - n - 1)[:, None] * x).sum(axis=0) / n**2
    energy = np.abs(draws - loss).mean(axis=0) - spread / 2
    np.testing.assert_allclose(
        crps(predicted_quantiles(posteriors["chinchilla"], held), loss), energy, rtol=0.08
    )


def test_a_failed_fit_is_listed_without_a_rank(
    posteriors: dict[str, bs.Posterior], held: pd.DataFrame
) -> None:
    good = posteriors["chinchilla"]
    checks = tuple(replace(c, verdict="FAIL") if c.name == "R-hat" else c for c in good.health().checks)
    failed = replace(good, verdict=replace(good.health(), checks=checks))
    found = compare_posteriors({**posteriors, "chinchilla": failed}, held)
    last = found.table.iloc[-1]
    assert last["model"] == "chinchilla"
    assert pd.isna(last["rank"]) and pd.isna(last["elpd"])
    assert any("chinchilla failed the health gate" in note for note in found.notes)
    assert found.sentence.startswith("Believe none of them")  # what is left does not forecast
    every = {name: replace(p, verdict=replace(p.health(), checks=checks)) for name, p in posteriors.items()}
    nothing = compare_posteriors(every)
    assert nothing.sentence == "Believe none of them: no fit passed its health gate."
    assert nothing.table["rank"].isna().all()
    assert nothing.slopes is None


def test_without_held_out_runs_leave_one_out_decides(posteriors: dict[str, bs.Posterior]) -> None:
    found = compare_posteriors(posteriors)
    assert found.table["elpd"].is_monotonic_decreasing
    assert "leave-one-row-out clearly prefers it to" in found.sentence
    assert "only held-out runs can show" in found.sentence
    assert "crps" not in found.table


def test_fits_of_other_rows_are_refused(posteriors: dict[str, bs.Posterior], runs: pd.DataFrame) -> None:
    good = posteriors["guo"]
    shorter = replace(good, runs=good.runs.iloc[1:].reset_index(drop=True))
    with pytest.raises(CompareError, match=r"80 rows and 'guo' to 79.*same table"):
        compare_posteriors({"chinchilla": posteriors["chinchilla"], "guo": shorter})
    with pytest.raises(CompareError, match="at least two"):
        compare_posteriors({"guo": good})
    with pytest.raises(CompareError, match="two or more different"):
        bs.compare(runs, ["guo", "guo"])


def test_laws_that_need_other_columns_are_refused(runs: pd.DataFrame) -> None:
    models = [bs.Model.load("chinchilla"), bs.Model.load("muennighoff")]
    with pytest.raises(
        CompareError, match="'muennighoff' needs the column 'unique_tokens', which the table lacks"
    ):
        check_same_rows(runs, models)
    some = runs.assign(unique_tokens=runs["tokens"].where(runs.index > 3))
    with pytest.raises(CompareError, match=r"4 of 80 rows.*row 1.*--where 'unique_tokens > 0'"):
        check_same_rows(some, models)
    mixed = runs.assign(metric=["nats/token", "bits/byte"] * 40)
    with pytest.raises(CompareError, match="bits/byte, nats/token"):
        check_same_rows(mixed, models[:1])
    with pytest.raises(CompareError, match="no row says 'fit'"):
        split_runs(runs.assign(split="holdout"), "split")


def test_slopes_of_a_table_with_a_known_tilt() -> None:
    rng = np.random.default_rng(5)
    params, tokens = np.exp(rng.uniform(np.log([[1e6], [1e8]]), np.log([[1e9], [1e11]]), (2, 60)))
    loss = 1.5 - 0.09 * np.log(params / 1e9) - 0.06 * np.log(tokens / 1e12)
    table = pd.DataFrame(
        {"params": params, "tokens": tokens, "loss": loss * np.exp(0.003 * rng.normal(size=60))}
    )
    posterior = bs.fit(table, "guo-free", 0, QUICK, silent)
    found = split_slopes(posterior)
    assert found.bounds[0] < -0.03 < found.bounds[1]
    assert found.p_same == 0
    assert "size pays more than data" in found.sentence
    assert found.margin == pytest.approx(0.0075, rel=0.05)
    assert "No tilt" in split_slopes(posterior, margin=0.1).sentence
    with pytest.raises(SplitSlopesError, match="positive"):
        split_slopes(posterior, margin=0)


def test_the_slopes_come_along_and_are_those_of_guo_free(
    comparison: Comparison, posteriors: dict[str, bs.Posterior]
) -> None:
    assert comparison.slopes is not None
    free = posteriors["guo-free"]
    difference = free.draws("alpha_N_mean") - free.draws("alpha_D_mean")
    np.testing.assert_array_equal(comparison.slopes.difference, difference)
    assert comparison.slopes.sentence in str(comparison)
    with pytest.raises(SplitSlopesError, match="this posterior is of guo"):
        split_slopes(posteriors["guo"])


def test_the_command(runs: pd.DataFrame, tmp_path: Path) -> None:
    one = runs[(runs["task"] == "code") & (runs["architecture"] == "gpt")]
    one.drop(columns=["task", "architecture"]).to_csv(tmp_path / "runs.csv", index=False)
    command = [sys.executable, "-m", "bayescale.cli", "compare", str(tmp_path / "runs.csv"), "--models"]
    done = subprocess.run(
        [*command, "guo,guo-free", "--chains", "2", "--warmup", "500", "--draws", "2000", "--json",
         "--out", str(tmp_path / "out.json")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures == json.loads((tmp_path / "out.json").read_text())
    assert {row["model"] for row in figures["models"]} == {"guo", "guo-free"}
    assert figures["slopes"]["quantity"] == "alpha_N - alpha_D"
    assert "sampling" in done.stderr
    refused = subprocess.run([*command, "guo"], capture_output=True, text=True, timeout=300)
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("error: a comparison needs two or more")
    assert "Traceback" not in refused.stderr


PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "hoffmann_2022_digitised.csv"


@pytest.mark.slow
@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published tables are not here")
def test_hoffmanns_runs_are_a_surface_and_no_line() -> None:
    found = bs.compare(
        PUBLISHED, ["chinchilla", "guo", "guo-free"], settings=bs.Settings(draws=500, warmup=500)
    )
    assert found.table["model"].iloc[0] == "chinchilla"
    table = found.table.set_index("model")
    assert table.loc["guo", "elpd_diff"] > 10 * table.loc["guo", "elpd_diff_se"]
    # Most runs are near the optimum, where the tilt is small: Guo's test alone would not show it.
    assert found.slopes is not None
