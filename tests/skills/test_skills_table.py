"""A table of skills is refused with everything that is wrong with it, by row and column, with a remedy."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from bayescale.errors import UserError
from bayescale.skills.table import check_skills, read_skills, with_runs

GOOD = pd.DataFrame(
    {
        "run_id": ["a", "a", "b", "b"],
        "skill": ["x", "y", "x", "y"],
        "items": [100, 50, 100, 50],
        "correct": [50, 30, 60, 20],
    }
)


def refused(frame: pd.DataFrame, **options: object) -> str:
    with pytest.raises(UserError) as raised:
        check_skills(frame, **options)  # type: ignore[arg-type]
    return str(raised.value)


def test_a_good_table_is_filled_in() -> None:
    out = check_skills(GOOD, chance={"x": 0.5, "y": 0.25})
    assert out["chance"].tolist() == [0.5, 0.25, 0.5, 0.25]
    assert (out["ceiling"] == 1).all()


def test_accuracies_become_counts() -> None:
    table = GOOD.assign(accuracy=GOOD["correct"] / GOOD["items"]).drop(columns="correct")
    assert check_skills(table, chance=0.25)["correct"].tolist() == [50, 30, 60, 20]


def test_accuracy_outside_zero_and_one_is_named() -> None:
    table = GOOD.assign(accuracy=[0.5, 0.6, 61.0, -0.1]).drop(columns="correct")
    text = refused(table, chance=0.25)
    assert "row 3, column accuracy" in text and "row 4, column accuracy" in text
    assert "divide percentages by 100" in text
    text = refused(GOOD.assign(correct=[50, 51, 60, 20]), chance=0.25)
    assert "row 2, column correct" in text and "outside [0, 1]" in text


def test_missing_item_counts_are_named() -> None:
    assert "no column 'items'" in refused(GOOD.drop(columns="items"), chance=0.25)
    text = refused(GOOD.assign(items=[100, None, 100, 12.5]), chance=0.25)
    assert "row 2, column items" in text and "row 4, column items" in text and "Say how many items" in text


def test_chance_has_to_be_known() -> None:
    assert "--chance" in refused(GOOD)
    assert "not below the ceiling" in refused(GOOD, chance=0.6, ceiling=0.5)
    assert "does not lie between 0 and 1" in refused(GOOD, chance=25)
    assert "several values of chance" in refused(GOOD.assign(chance=[0.5, 0.25, 0.4, 0.25]))


def test_one_row_a_run_and_skill() -> None:
    assert "row 3" in refused(GOOD.assign(run_id=["a", "a", "a", "b"]), chance=0.25)


def test_other_texts_are_skills_of_their_own() -> None:
    table = GOOD.assign(task="prose", test=["prose", "code", "prose", "code"], skill="x")
    assert check_skills(table, chance=0.25)["skill"].tolist() == ["x", "x on code", "x", "x on code"]


def test_runs_are_found_by_name(tmp_path: Path) -> None:
    GOOD.to_csv(tmp_path / "skills.csv", index=False)
    skills = read_skills(tmp_path / "skills.csv", chance=0.25)
    runs = pd.DataFrame({"run_id": ["a", "c"], "loss": [3.0, 2.0], "task": "prose"})
    assert with_runs(skills, runs)["loss"].tolist() == [3.0, 3.0]
    with pytest.raises(UserError, match="none of its 2 runs is among the 1"):
        with_runs(skills, runs[runs["run_id"] == "c"])
    with pytest.raises(UserError, match="several rows"):
        with_runs(skills, pd.concat([runs, runs]))
