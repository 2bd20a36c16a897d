"""The parts of the benchmark on published data; the claims themselves are in test_claims.py."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from benchmarks.published import clark, command, derived, fits, hoffmann, huber, muennighoff, tables
from benchmarks.published.optimal_size import akima_minima, cubic_minima, model
from benchmarks.published.page import markdown
from benchmarks.published.row import Row, Section, ratio_row

TRUTH = {"E": 1.8, "A": 480.0, "B": 2000.0, "alpha": 0.35, "beta": 0.37}
HERE = pytest.mark.skipif(
    not tables.available("hoffmann_2022_digitised"), reason="no tables of published runs here"
)


def simulated(noise: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    params, tokens = np.exp(rng.uniform(17, 23, 200)), np.exp(rng.uniform(20, 26, 200))
    loss = bs.law("chinchilla").loss(TRUTH, {"params": params, "tokens": tokens})
    loss = np.asarray(loss) * np.exp(noise * rng.normal(size=200))
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


def curves() -> pd.DataFrame:
    """IsoFLOP curves of unequal sides whose minimum is at 0.1 C^0.55."""
    rows = []
    for flops in np.geomspace(1e17, 1e20, 7):
        u = np.log(2.0) * np.arange(-3, 4) + 0.11
        loss = 2 + 0.1 * (np.expm1(0.5 * u) / 0.5 + np.expm1(-0.3 * u) / 0.3)
        rows += [(flops, 0.1 * flops**0.55 * np.exp(x), y) for x, y in zip(u, loss, strict=True)]
    table = pd.DataFrame(rows, columns=["flops", "params", "loss"])
    return table.assign(tokens=table["flops"] / 6 / table["params"])


def test_huber_fit_finds_the_truth_where_there_is_no_noise() -> None:
    found = huber.huber_fit(simulated())
    assert found[0] == pytest.approx([TRUTH[n] for n in huber.NAMES], rel=1e-3)


def test_huber_fit_does_not_follow_outliers() -> None:
    runs = simulated(0.003)
    runs.loc[:4, "loss"] *= 2
    found = dict(zip(huber.NAMES, huber.huber_fit(runs)[0], strict=True))
    assert found["beta"] == pytest.approx(TRUTH["beta"], abs=0.03)


def test_many_tables_at_once_are_the_tables_one_by_one() -> None:
    runs = simulated(0.005)
    weights = huber.bootstrap_weights(len(runs), 3)
    assert (weights.sum(axis=1) == len(runs)).all()
    together = huber.huber_fit(runs, weights)
    for weight, row in zip(weights, together, strict=True):
        assert huber.huber_fit(runs, weight[None])[0] == pytest.approx(row, rel=1e-6)


def test_gradient_of_the_log_loss() -> None:
    x, y = np.array([-1.0, 0.5]), np.array([0.3, -0.7])
    theta = huber.START[None]
    _, gradient = huber.log_loss(theta, x, y)
    for i in range(5):
        step = np.eye(5)[i] * 1e-6
        numeric = (huber.log_loss(theta + step, x, y)[0] - huber.log_loss(theta - step, x, y)[0]) / 2e-6
        assert gradient[..., i] == pytest.approx(numeric, rel=1e-6)


@HERE
def test_besiroglus_estimator_gives_besiroglus_figures() -> None:
    kept, every = hoffmann.runs(), hoffmann.runs(keep_outliers=True)
    assert (len(kept), len(every)) == (240, 245)
    found = huber.huber_fit(kept)[0]
    assert found == pytest.approx([1.8172, 477.8, 2143, 0.3473, 0.3672], rel=2e-3)
    assert huber.huber_fit(every)[0][4] == pytest.approx(0.453, abs=1e-3)


def test_minima_of_exact_curves() -> None:
    for minima in (akima_minima, cubic_minima):
        found = minima(curves())
        assert len(found) == 7
        slope = np.polyfit(np.log(found["flops"]), np.log(found["loss"]), 1)[0]
        assert slope == pytest.approx(0.55, abs=1e-6)
        assert found["loss"].to_numpy() == pytest.approx(0.1 * found["flops"].to_numpy() ** 0.55, rel=0.1)


def test_a_curve_that_is_lowest_at_its_end_has_no_minimum() -> None:
    table = curves()
    first = table["flops"] == table["flops"].min()
    cut = table[~first | (table["params"] < 0.1 * table["flops"] ** 0.55 / 1.5)]
    assert len(akima_minima(cut)) == 6


def test_a_fit_is_kept_and_found_again(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fits, "CACHE", tmp_path)
    rng = np.random.default_rng(3)
    flops = np.geomspace(1e16, 1e19, 12)
    runs = pd.DataFrame({"flops": flops, "loss": 0.1 * flops**0.6 * np.exp(0.05 * rng.normal(size=12))})
    settings = bs.Settings(warmup=500, draws=500)
    first = fits.fitted("a power law", runs, model(), settings=settings)
    assert first.passed and first.covers("a", 0.6) and 0.002 < first.sd["a"] < 0.02
    assert [p.suffix for p in tmp_path.iterdir()] == [".json"]
    monkeypatch.setattr(bs, "fit", None)
    assert fits.fitted("a power law", runs, model(), settings=settings) == first
    stored = json.loads(next(tmp_path.iterdir()).read_text())
    assert stored["verdict"] == "PASS" and len(stored["draws"]["a"]) == 500


def test_bagged_variance_is_within_plus_between() -> None:
    def summary(mean: float, sd: float) -> fits.Summary:
        return fits.Summary("PASS", "", 1, {"E": mean}, {"E": sd}, {}, {}, {})

    mean, spread, between = hoffmann.bagged_moments([summary(1.0, 0.3), summary(3.0, 0.5)], "E")
    assert mean == 2.0 and between == pytest.approx(np.sqrt(2))
    assert spread == pytest.approx(np.sqrt((0.09 + 0.25) / 2 + 2))


def test_what_follows_from_published_constants() -> None:
    section = derived.section()
    assert len(section.rows) >= 15
    assert [r.quantity for r in section.rows if r.agrees is False] == []


def test_muennighoffs_check_values() -> None:
    rows = muennighoff.check_rows()
    assert len(rows) == 2 and all(r.agrees for r in rows)


@HERE
def test_clarks_rows_are_those_of_the_laws_refit() -> None:
    assert [len(clark.runs(router)) for router in clark.ROUTERS] == [53, 54, 51]


def test_a_fit_that_fails_gets_no_figure() -> None:
    row = Row.failed("alpha", "0.3", "R-hat 1.4")
    page = markdown([Section("T", "i", (row, ratio_row("sd", 0.02, 0.025, 0.3, "s", "PASS")))])
    assert "| alpha | 0.3 | no figure | the fit did not pass: R-hat 1.4 | **no** | not PASS |" in page
    assert "+25%" in page and "1 of 2 claims hold" in page


def test_without_the_tables_the_command_says_which(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    assert command.main(["--only", "clark"]) == 1
    assert "clark_2022_routing.csv" in capsys.readouterr().out


def test_the_page_is_what_the_command_writes() -> None:
    """Of the sections that need no data; the others are checked where the data is."""
    page = command.PAGE.read_text(encoding="utf-8")
    own = markdown([derived.section()])
    assert own[own.index("## ") :].strip() in page
