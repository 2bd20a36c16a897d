"""A fit whose groups' effects are correlated over parameters: what it recovers, and what a new group is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.forecast import expected_loss
from bayescale.forecast.expected import Predictor
from bayescale.inference import Settings
from bayescale.laws import Range
from tests.simulate import TRUTH, simulate

MODEL = bs.Model(
    name="correlated",
    law="chinchilla",
    pooling={"E": "1 + (1|p|task)", "A": "1 + (1|p|task)"},
    priors={"|p|task": Range(-0.95, 0.95)},
)


@pytest.fixture(scope="module")
def fitted() -> bs.Posterior:
    rng = np.random.default_rng(0)
    pieces = []
    for i in range(8):
        common = rng.normal()
        one = TRUTH["gpt", "code"]
        # Correlated by 0.97: text that is harder to the end is harder for small models too.
        cell = one | {
            "E": one["E"] * np.exp(0.15 * common),
            "A": one["A"] * np.exp(0.25 * (common + 0.25 * rng.normal())),
        }
        pieces.append(simulate(np.geomspace(3e10, 3e12, 3), 4, seed=i, cells={("gpt", f"task{i}"): cell}))
    return bs.fit(pd.concat(pieces), model=MODEL, seed=0, settings=Settings(folds=False, draws=500))


def test_the_correlation_is_recovered(fitted: bs.Posterior) -> None:
    assert fitted.health().verdict == "PASS"
    correlation = fitted.draws("cor|p|task")[:, 0]
    assert np.median(correlation) > 0.6
    assert np.mean(correlation > 0) > 0.97


def test_a_new_group_is_drawn_with_it(fitted: bs.Posterior) -> None:
    point = pd.DataFrame([{"params": 2e5, "tokens": 1e6, "task": "latin"}])
    cells = Predictor(fitted).parameters(point)
    assert cells.groups == ["new: task=latin"]
    log_e = np.log(cells.values["E"][:, 0] / fitted.draws("E_mean"))
    # Of the size term too, A is sampled as: its exponent is the same for all.
    log_a = np.log(cells.values["A"][:, 0] / fitted.draws("A_mean"))
    assert np.corrcoef(log_e, log_a)[0, 1] > 0.4


def test_saved_and_loaded_it_predicts_the_same(fitted: bs.Posterior, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    again = bs.load(tmp_path / "fit.nc")
    points = pd.DataFrame({"params": 2e5, "tokens": 1e6, "task": ["latin", "task1", None]})
    assert np.array_equal(expected_loss(again, points)[0], expected_loss(fitted, points)[0])


def test_the_report_shows_it(fitted: bs.Posterior, tmp_path: Path) -> None:
    fitted.report(tmp_path / "report.html")
    assert "cor|p|task" in (tmp_path / "report.html").read_text()
