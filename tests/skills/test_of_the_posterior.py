"""What is asked of a law's posterior: gaps between groups, and what simpler data move."""

from __future__ import annotations

import numpy as np
import pytest

import bayescale as bs
from bayescale.errors import UserError
from bayescale.laws import law
from bayescale.models.design import make_design
from bayescale.skills.complexity import role_of, what_moves
from bayescale.skills.groups import gaps, group_model, renamed


def test_the_gap_between_groups(posterior: bs.Posterior) -> None:
    """Two tasks whose floors are 0.4 nats apart, and nothing else: the gap stays."""
    found = gaps(posterior, by="task", factor=10)
    assert found.pairs["worse"].tolist() == ["docs", "docs"]
    assert found.pairs["gap"].to_numpy() == pytest.approx(0.4, abs=0.1)
    assert found.pairs["grows"].between(0.02, 0.98).all()
    assert (found.groups["improves"] > 0.9).all() and (found.groups["left_behind"] < 0.1).all()
    # A floor in common weighs more of a smaller loss.
    assert (found.pairs["grows_relative"] > found.pairs["grows"]).all()
    assert "the gap between docs and code" in str(found)


def test_weights_make_the_average(posterior: bs.Posterior) -> None:
    found = gaps(posterior, by="task", weights={"code": 1.0, "docs": 0.0}).groups.set_index("task")
    assert found.loc["code", "behind"].to_numpy() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(UserError, match="no weight"):
        gaps(posterior, by="task", weights={"code": 1.0})


def test_groups_have_to_be_pooled(posterior: bs.Posterior) -> None:
    with pytest.raises(UserError, match="was not pooled over 'group'"):
        gaps(posterior, by="group")
    assert "(1|group)" in str(group_model())


def test_what_measure_groups_writes_can_be_fitted() -> None:
    runs = bs.read_runs(
        bs.bundled("runs") / "small-worlds" / "groups.parquet", where="grouping == 'frequency'"
    )
    table, by = renamed(runs)
    cells = make_design(group_model("chinchilla", by), table).cells
    assert set(cells[by]) == {"frequent", "middling", "rare"}
    assert renamed(runs, "section")[0] is runs


def test_the_floor_moves_and_the_exponents_do_not(posterior: bs.Posterior) -> None:
    table = what_moves(posterior, {"code": 0, "docs": 1}).table.set_index("parameter")
    floor = table.loc["E"]
    assert floor["role"] == "floor" and floor["ratio_q0.05"] < 1.6 / 1.2 < floor["ratio_q0.95"]
    assert floor["higher"] > 0.95
    exponents = table[table["role"] == "exponent"]
    assert set(exponents.index) == {"alpha", "beta"}
    assert (exponents["ratio_q0.05"] < 1).all() and (exponents["ratio_q0.95"] > 1).all()
    assert np.isfinite(table["moved"]).all()


def test_corpora_have_to_be_known(posterior: bs.Posterior) -> None:
    with pytest.raises(UserError, match="no fitted run has task 'poems'"):
        what_moves(posterior, {"poems": 0, "code": 1})
    with pytest.raises(UserError, match="different complexity"):
        what_moves(posterior, {"docs": 1, "code": 1})


def test_the_roles_of_a_law_with_a_share() -> None:
    roles = {p.name: role_of(p) for p in law("generalised").parameters}
    assert roles["E"] == "floor" and roles["K"] == "offset" and roles["rho"] == "share"
    assert roles["a"] == roles["b"] == "exponent"
