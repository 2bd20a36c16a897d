"""When skills emerge, and whether held-out runs agree."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import bayescale as bs
from bayescale.errors import UserError
from bayescale.skills.accuracy import SkillFit
from bayescale.skills.agreement import agreement
from bayescale.skills.emergence import emergence
from bayescale.skills.frontier import points_along
from bayescale.skills.scores import fit_scores, gains
from bayescale.skills.table import with_runs
from tests.simulate import TRUTH, expected
from tests.skills.conftest import LEVELS, REFERENCE, SHORT, SLOPES


def test_emergence_follows_the_truth(fitted: SkillFit, posterior: bs.Posterior) -> None:
    found = emergence(fitted, posterior)
    table = found.table.set_index(["architecture", "task", "skill"])
    for (architecture, task), truth in TRUTH.items():
        cell = {"architecture": architecture, "task": task}
        point = points_along(posterior, cell, [3e13])
        loss = expected(point["params"].to_numpy(), point["tokens"].to_numpy(), truth)[0]
        for k in range(3):
            p = 0.25 + 0.75 / (1 + np.exp(-(LEVELS[k] + SLOPES[k] * (REFERENCE[task] - loss))))
            row = table.loc[(architecture, task, f"s{k}")]
            # The band is of a run's accuracy, which scatters about the truth.
            assert row["accuracy_q0.05"] - 0.02 < p < row["accuracy_q0.95"] + 0.02
            assert row["within"] >= row["now"] - 0.1
    assert (table.xs("s2", level="skill")["now"] > 0.99).all()
    assert (table.xs("s0", level="skill")["now"] < 0.9).all()
    text = str(found)
    assert "there already" in text and "emerges within the next factor 10" in text


def test_a_wider_margin_is_reached_later(fitted: SkillFit, posterior: bs.Posterior) -> None:
    near, far = (emergence(fitted, posterior, margin=m).table for m in (0.05, 0.2))
    assert (far["within"] <= near["within"] + 1e-9).all()
    later = far["flops"].fillna(np.inf).to_numpy() >= near["flops"].fillna(np.inf).to_numpy()
    assert later.all()


def test_runs_of_the_truth_agree(
    fitted: SkillFit, posterior: bs.Posterior, skills: pd.DataFrame, dearer: pd.DataFrame
) -> None:
    record = agreement(fitted, posterior, with_runs(skills, dearer))
    assert not record.broken
    assert record.inside(0.9) > 0.75
    assert record.brier < 0.25
    assert len(record.rows) == 3 * len(dearer)
    table = record.by("task", "skill")
    assert table["rows"].sum() == len(record.rows)
    assert table["above"].sum() == record.found
    assert table["expected"].sum() == pytest.approx(record.expected)


def test_runs_of_another_truth_do_not(
    fitted: SkillFit, posterior: bs.Posterior, skills: pd.DataFrame, dearer: pd.DataFrame
) -> None:
    rows = with_runs(skills, dearer)
    record = agreement(fitted, posterior, rows.assign(correct=(rows["chance"] * rows["items"]).astype(int)))
    assert record.broken and "disagree" in str(record)


def test_what_cannot_be_asked_is_refused(
    fitted: SkillFit, posterior: bs.Posterior, skills: pd.DataFrame, measured: pd.DataFrame
) -> None:
    with pytest.raises(UserError, match="margin lies between"):
        emergence(fitted, posterior, margin=0.8)
    with pytest.raises(UserError, match="are among the fitted ones"):
        agreement(fitted, posterior, with_runs(skills, measured))


def test_smooth_scores_improve_with_compute(
    skills: pd.DataFrame, measured: pd.DataFrame, posterior: bs.Posterior
) -> None:
    rows = with_runs(skills, measured)
    rng = np.random.default_rng(2)
    rate = rows["skill"].map({"s0": 0.1, "s1": 0.2, "s2": 0.4})
    mean = -1.4 + rate * (3.0 - rows["loss"]) + 0.05 * rng.normal(size=len(rows))
    fit = fit_scores(rows.assign(loglik=mean * rows["items"]), "loglik", settings=SHORT)
    assert fit.health().verdict != "FAIL", str(fit.health())
    assert np.median(fit.at(0, np.array([2.6]))) == pytest.approx(-1.36, abs=0.03)
    assert (gains(fit, posterior)["improves"] > 0.95).all()
    with pytest.raises(UserError, match="no column 'brier_sum'"):
        fit_scores(rows, "brier_sum")
