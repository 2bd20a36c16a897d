"""The parts of the benchmark of learning curves; its claims are in test_learning_curve_claims.py."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.learning_curves import command, fits, halves
from benchmarks.learning_curves.curves import DOMAINS, Curve, curves, spread_out, thinned
from benchmarks.learning_curves.figure import figure
from benchmarks.learning_curves.fits import LAWS, Forecast, neighbour_correlation
from benchmarks.learning_curves.page import markdown, shared


def published_like() -> pd.DataFrame:
    """Five curves of image classification and one of each other domain, a row of the language model four times."""
    rows = []
    tasks = [("IC/a", f"net-{i}") for i in range(5)] + [("NMT/b", "net"), ("LM/c", "net"), ("BB/d", "net")]
    for task, architecture in tasks:
        for i, x in enumerate(np.linspace(1e6, 1e9, 100)):
            split = "fit" if i < 60 else "holdout"
            rows += [(task, architecture, x, 0.1 + x**-0.2, split)] * (4 if task == "LM/c" else 1)
    return pd.DataFrame(rows, columns=["task", "architecture", "examples", "loss", "split"])


def test_places_are_even_and_hold_both_ends() -> None:
    assert spread_out(9, 3) == [0, 4, 8]
    assert spread_out(2, 3) == [0, 1]


def test_thinning_is_even_in_log_examples() -> None:
    rows = pd.DataFrame({"examples": np.linspace(1e6, 1e9, 2000), "loss": np.linspace(1, 0.5, 2000)})
    kept = thinned(rows, 40)
    assert len(kept) <= 40
    assert kept["examples"].iloc[[0, -1]].tolist() == [1e6, 1e9]
    # From where the grid is finer than the steps, every step has a row of its own.
    gaps = np.diff(np.log(kept["examples"].to_numpy()))[-20:]
    assert gaps.max() / gaps.min() < 1.3
    assert len(thinned(rows.iloc[:30], 40)) == 30


def test_curves_cover_every_domain_and_count_a_repeated_row_once() -> None:
    found = curves(published_like())
    assert [c.domain for c in found].count(DOMAINS["IC"]) == 3
    assert {c.domain for c in found} == set(DOMAINS.values())
    language = next(c for c in found if c.domain == DOMAINS["LM"])
    assert (language.given, language.distinct, len(language.held)) == (240, 60, 40)
    assert language.fitted["examples"].is_monotonic_increasing
    assert not set(language.fitted["examples"]) & set(language.held["examples"])


def test_neighbours() -> None:
    rng = np.random.default_rng(0)
    assert abs(neighbour_correlation(rng.normal(size=4000))) < 0.05
    assert neighbour_correlation(np.cumsum(rng.normal(size=4000))) > 0.9
    assert np.isnan(neighbour_correlation(np.zeros(5)))


def test_the_laws_are_those_of_the_table_with_another_input() -> None:
    for law in LAWS.values():
        assert law.inputs == ("examples",)


def test_simulated_curves_are_kaplans_with_an_effect_of_each_run() -> None:
    table = pd.concat(halves.simulated(seed).assign(seed=seed) for seed in range(20))
    off = np.log(table["loss"] / halves.expected(table["params"].to_numpy(), table["steps"].to_numpy()))
    by_run = off.groupby([table["seed"], table["run_id"]])
    assert by_run.mean().std() == pytest.approx(halves.BETWEEN, rel=0.15)
    assert by_run.std().mean() == pytest.approx(halves.WITHIN, rel=0.05)


def test_second_halves_are_of_the_named_runs_and_late() -> None:
    table = halves.simulated(0)
    late = halves.second_halves(table, ["run-2", "run-9"])
    assert set(table.loc[late, "run_id"]) == {"run-2", "run-9"}
    assert late.sum() == halves.ROWS
    assert table.loc[late, "steps"].min() > table.loc[~late & (table["run_id"] == "run-2"), "steps"].max()


def run_of_ours(run_id: str, params: int, **changed: object) -> dict:
    curve = [[256 * step, 8 / step**0.1] for step in range(3, 300, 3)]
    return {
        "run_id": run_id,
        "architecture": "gpt",
        "task": halves.TASK,
        "params": params,
        "flops": 1.02 * halves.BUDGET,
        "batch_tokens": 256,
        "status": "finished",
        "seed": 0,
        "curve": curve,
        **changed,
    }


def test_a_curve_of_ours_is_averaged_over_log_steps() -> None:
    rows = halves.binned(run_of_ours("a", 1000))
    assert len(rows) == halves.ROWS
    assert rows["steps"].between(297 / 30, 297).all() and rows["steps"].is_monotonic_increasing
    assert rows["loss"].to_numpy() == pytest.approx(8 / rows["steps"].to_numpy() ** 0.1, rel=2e-3)


def test_runs_of_ours_are_of_one_budget_and_corpus(tmp_path) -> None:
    assert halves.measured(tmp_path) is None
    for i in range(8):
        (tmp_path / f"{i}.json").write_text(json.dumps(run_of_ours(f"run-{i}", 1000 * (8 - i))))
    for name, changed in {"task": "bible", "flops": 1e10, "status": "diverged", "seed": 1}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(run_of_ours(name, 500, **{name: changed})))
    table = halves.measured(tmp_path)
    assert table is not None
    assert set(table["run_id"]) == {f"run-{i}" for i in range(8)}
    # The third and the seventh by size; the smallest is the last file.
    assert halves.started(table) == ["run-5", "run-1"]


def made(curve: Curve, law: str, verdict: str = "PASS") -> Forecast:
    grid = np.geomspace(1e6, 1e9, 5)
    return Forecast(
        law=law,
        curve=curve.name,
        domain=curve.domain,
        rows=len(curve.fitted),
        held=len(curve.held),
        verdict=verdict,
        failures="" if verdict == "PASS" else "R-hat 1.2",
        longer=verdict != "PASS",
        blind="",
        error=0.0123,
        log_error=0.0145,
        inside=0.85,
        crps=0.0067,
        neighbours=0.4,
        band=[[x, 0.3, 0.4, 0.5] for x in grid],
        cpu_s=1.0,
    )


def test_a_fit_that_did_not_pass_has_no_figure_on_the_page() -> None:
    chosen = curves(published_like())
    failed = (chosen[1].name, "bnsl1")
    forecasts = {
        (c.name, law): made(c, law, "FAIL" if (c.name, law) == failed else "PASS")
        for c in chosen
        for law in LAWS
    }
    forecasts[failed] = replace(forecasts[failed], error=0.98765)
    assert [c.name for c in shared(chosen, forecasts)] == [c.name for c in chosen if c.name != failed[0]]
    way = halves.Way(0.9, 0.02, 0.005, 0.01, True)
    ways = dict.fromkeys((halves.INDEPENDENT, halves.UNKNOWN, halves.KNOWN), way)
    table = halves.Halves({}, 168, 16, ways, 0.01, 1.0)
    ours = halves.Halves({halves.KNOWN: "FAIL"}, 100, 14, {}, 0.02, 1.0)
    page = markdown(chosen, forecasts, [table, table], ours)
    line = next(x for x in page.splitlines() if x.startswith(f"| {chosen[1].name} |"))
    assert "FAIL" in line and "98.8" not in page
    assert (
        f"| `bnsl1` | {len(chosen) - 1} of {len(chosen)} | 1.23 % | 0.0145 | 85 % | 0.0067 | +0.40 |" in page
    )
    assert "No figures: the gate was not passed" in page
    assert figure(chosen, forecasts).startswith(b"\x89PNG")


def test_what_was_fitted_is_read_back(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "CACHE", tmp_path)
    curve = curves(published_like())[0]
    calls = []

    def fitted(curve: Curve, law: str, *_: object) -> Forecast:
        calls.append(law)
        return made(curve, law)

    monkeypatch.setattr(fits, "_forecast", fitted)
    first, again = fits.forecast(curve, "m4"), fits.forecast(curve, "m4")
    assert asdict(first) == asdict(again)
    fits.forecast(curve, "m2")
    fits.forecast(replace(curve, fitted=curve.fitted.iloc[1:]), "m4")
    assert calls == ["m4", "m2", "m4"]


def test_the_command_says_where_the_curves_belong(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "available", lambda name: False)
    assert command.main([]) == 1
    assert "alabdulmohsin_2022_learning_curves.csv" in capsys.readouterr().out
