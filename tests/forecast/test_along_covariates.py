"""A fit with a covariate and with slopes of groups: what it recovers, and what it predicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.decide import DecisionError
from bayescale.forecast import PointsError, expected_loss
from bayescale.inference import Settings
from bayescale.laws import Range
from tests.simulate import NOISE, TRUTH, simulate

SLOPES = {"code": -0.10, "docs": -0.02, "web": -0.06}
"""Of log E in log context, per unit."""

MODEL = bs.Model(
    name="context",
    law="chinchilla",
    pooling={"E": "1 + log(context) + (log(context)|task)"},
    spread={"E": Range(0.05, 0.5), "E.log(context)": Range(0.005, 0.1)},
)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    floors = {"code": 1.2, "docs": 1.6, "web": 1.4}
    pieces = []
    for i, (context, task) in enumerate((c, t) for c in (128.0, 512.0, 2048.0) for t in floors):
        floor = floors[task] * np.exp(SLOPES[task] * np.log(context / 512))
        cells = {("gpt", task): TRUTH["gpt", "code"] | {"E": floor}}
        pieces.append(simulate(np.geomspace(3e10, 3e12, 3), 4, seed=i, cells=cells).assign(context=context))
    return pd.concat(pieces, ignore_index=True)


@pytest.fixture(scope="module")
def fitted(table: pd.DataFrame) -> bs.Posterior:
    return bs.fit(table, model=MODEL, seed=0, settings=Settings(folds=False, draws=500))


def point(**columns: object) -> pd.DataFrame:
    return pd.DataFrame([{"params": 2e5, "tokens": 1e6, "architecture": "gpt", **columns}])


def test_slopes_are_recovered(fitted: bs.Posterior) -> None:
    assert fitted.health().verdict == "PASS"
    sd = fitted.design.covariates[0].scale
    common = fitted.draws("E.log(context)") / sd
    low, high = np.quantile(common, (0.005, 0.995))
    assert low < np.mean(list(SLOPES.values())) < high < 0
    own = common[:, None] + fitted.draws("E.log(context)|task") / sd
    assert np.median(own, axis=0) == pytest.approx([SLOPES[t] for t in ("code", "docs", "web")], abs=0.015)
    assert any("covariate log(context) is centred" in note for note in fitted.provenance["notes"])


def test_a_point_is_predicted_where_its_covariate_is(fitted: bs.Posterior, table: pd.DataFrame) -> None:
    shown, _ = expected_loss(fitted, table)
    off = np.abs(np.log(np.median(shown, axis=0) / table["loss"].to_numpy()))
    assert np.quantile(off, 0.9) < 3 * NOISE
    # Between the values that runs have, and on the law's own terms.
    low, mid, high = (expected_loss(fitted, point(task="code", context=c))[0] for c in (128, 300, 2048))
    assert (high.mean() < mid.mean() < low.mean()) and fitted.predict(point(task="code", context=300))[
        "group"
    ].item() == "known"


def test_new_and_missing_groups_have_slopes_of_their_own(fitted: bs.Posterior) -> None:
    new = [expected_loss(fitted, point(task="latin", context=c))[0][:, 0] for c in (128, 2048)]
    known = [expected_loss(fitted, point(task="code", context=c))[0][:, 0] for c in (128, 2048)]
    # A new group's slope is as uncertain as groups differ; and the same draw at both points.
    assert np.std(np.log(new[1] / new[0])) > 2 * np.std(np.log(known[1] / known[0]))
    mixed = fitted.predict(point(context=512.0))
    assert mixed["group"].item() == "mixture over task"
    assert (
        fitted.predict(point(task="latin", context=512.0), new_groups=True)["group"].item()
        == "new: task=latin"
    )


def test_a_missing_covariate_is_named_and_one_outside_is_said(fitted: bs.Posterior) -> None:
    with pytest.raises(PointsError, match=r"lack the column 'context'.*the runs have 128 to 2048"):
        fitted.predict(point(task="code"))
    with pytest.raises(PointsError, match="row 1, column context: 'long' is not a positive number"):
        fitted.predict(point(task="code", context="long"))
    found = pd.concat([fitted.predict(point(task="code", context=c)) for c in (2048, 8192, 1e6)])
    assert found["level"].tolist() == ["inside", "beyond", "far"]
    assert found["beyond_along"].tolist() == ["", "context", "context"]
    assert found["decades_beyond"].round(2).tolist() == [0.0, 0.6, 2.69]


def test_saved_and_loaded_it_predicts_the_same(fitted: bs.Posterior, tmp_path: Path) -> None:
    fitted.save(tmp_path / "fit.nc")
    again = bs.load(tmp_path / "fit.nc")
    points = point(task="latin", context=700.0)
    pd.testing.assert_frame_equal(
        again.predict(points, new_groups=True), fitted.predict(points, new_groups=True)
    )
    assert again.model.sha256 == fitted.model.sha256


def test_plans_are_made_at_the_mean_covariate_or_at_one_that_is_given(fitted: bs.Posterior) -> None:
    plan = fitted.allocate([1e13]).table
    assert plan["context"].to_numpy() == pytest.approx(np.full(3, 512.0))
    at = fitted.allocate([1e13], fixed={"context": 2048.0}).table
    assert (at["context"] == 2048).all()
    with pytest.raises(PointsError, match="lack the column 'context'"):
        fitted.versus("task", [1e13])
    assert len(fitted.versus("task", [1e13], fixed={"context": 512.0}).arms)
    decision = {"name": "go", "params": 1e6, "tokens": 1e7, "groups": {"task": "code"}}
    with pytest.raises(DecisionError, match="takes context; say at which"):
        fitted.decide(bs.Decision(target_loss=3.0, actions=[decision]))


def test_report_shows_it(fitted: bs.Posterior, tmp_path: Path) -> None:
    fitted.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "E.log(context)" in page
    assert "it moves with log(context)" in page
