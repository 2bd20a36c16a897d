"""At what size a skill leaves chance."""

from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.skills.accuracy import SkillFit
from bayescale.skills.frontier import dearest_of, points_along
from bayescale.skills.leaving import crossing, leaves_chance
from tests.simulate import TRUTH, expected
from tests.skills.conftest import LEVELS, REFERENCE, SLOPES


def test_a_crossing_is_where_the_curve_stays_above() -> None:
    sizes = np.log([1.0, 10.0, 100.0])
    assert crossing(np.array([-1.0, 1.0, 2.0]), sizes) == pytest.approx(np.sqrt(10))
    assert crossing(np.array([1.0, -1.0, 1.0]), sizes) == pytest.approx(np.sqrt(1000))
    assert crossing(np.array([1.0, 1.0, 1.0]), sizes) == 0
    assert crossing(np.array([1.0, 1.0, -1.0]), sizes) == np.inf


def test_sizes_follow_the_truth(fitted: SkillFit, posterior: bs.Posterior) -> None:
    found = leaves_chance(fitted, posterior)
    for row, draws in zip(found.table.to_dict("records"), found.draws, strict=True):
        cell = {name: row[name] for name in ("architecture", "task")}
        dearest = dearest_of(posterior, cell)
        points = points_along(posterior, cell, np.geomspace(dearest / 1e3, dearest * 10, 200).tolist())
        truth = TRUTH[cell["architecture"], cell["task"]]
        loss = expected(points["params"].to_numpy(), points["tokens"].to_numpy(), truth)
        k = int(row["skill"][1:])
        p = 0.25 + 0.75 / (1 + np.exp(-(LEVELS[k] + SLOPES[k] * (REFERENCE[cell["task"]] - loss))))
        true = crossing(p - 0.3, np.log(points["params"].to_numpy()))
        # Twelve answers of two tasks and three skills: each has to be possible, not all inside their 90 %.
        low, high = np.quantile(draws, (0.002, 0.998), method="nearest")
        assert low <= true <= high, row
    assert (found.draws[:, :5] >= 0).all()
    easy, hard = (found.table.query(f"skill == '{skill}'")["params"].to_numpy() for skill in ("s2", "s0"))
    assert (easy < hard).all()
    assert found.sooner("s1", "code", "code") == 0.5
    assert "params" in str(found)
