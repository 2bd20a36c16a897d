"""The table of skills: a row a run and a skill, with how many items there were and how many were right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.runs import BadRuns, Problem
from bayescale.runs.cells import numbers
from bayescale.runs.formats import load
from bayescale.runs.problem import quote
from bayescale.skills.errors import SkillsError

NEEDED = ("run_id", "skill", "items", "correct")
CEILING = 1.0
MOST_NAMED = 20
"""Problems of one kind that are listed."""


def read_skills(
    path: str | Path, chance: float | Mapping[str, float] | None = None, ceiling: float | None = None
) -> pd.DataFrame:
    """Read a table of skills, and refuse it with everything that is wrong with it at once.

    Parameters
    ----------
    path : path
        CSV, Parquet or JSON lines.
    chance, ceiling
        As for `check_skills`.

    Returns
    -------
    DataFrame
        See `check_skills`.

    Raises
    ------
    BadRuns
        Every problem, by row and column, with what to do.
    """
    path = Path(path)
    return check_skills(load(path).frame, chance, ceiling, path.name)


def check_skills(
    frame: pd.DataFrame,
    chance: float | Mapping[str, float] | None = None,
    ceiling: float | None = None,
    file: str = "table of skills",
) -> pd.DataFrame:
    """Check a table of skills and fill in what follows from it.

    Parameters
    ----------
    frame : DataFrame
        As `bayescale measure skills` writes it: ``run_id``, ``skill``, ``items`` (how many), and ``correct`` (how
        many were right) or ``accuracy``; optionally ``chance`` and ``ceiling`` (accuracy of guessing, best
        possible accuracy), ``brier_sum`` and ``loglik`` (sums over the items).
    chance : float or mapping, optional
        Accuracy of guessing: of every skill, or by skill. It goes before the column.
    ceiling : float, optional
        Best possible accuracy, of every skill; 1 where neither this nor the column says.
    file : str
        What problems name.

    Returns
    -------
    DataFrame
        With ``correct``, ``chance`` and ``ceiling`` in every row.

    Raises
    ------
    BadRuns
        Every problem, by row and column, with what to do.
    """
    frame = frame.reset_index(drop=True).copy()
    problems = _columns(frame, file)
    if problems:
        raise BadRuns(problems)
    items, bad = numbers(frame["items"])
    wrong = bad | ~(np.isfinite(items) & (items >= 1) & (items == np.round(items)))
    problems += _rows(
        frame, file, "items", wrong, "is no count of items", "Say how many items each accuracy is of."
    )
    if "correct" in frame:
        correct, bad = numbers(frame["correct"])
        wrong_correct = bad | ~np.isfinite(correct) | (correct != np.round(correct))
        problems += _rows(
            frame, file, "correct", wrong_correct, "is no count", "Give the number of right items."
        )
        outside = ~wrong & ~wrong_correct & ((correct < 0) | (correct > items))
        problems += _rows(
            frame,
            file,
            "correct",
            outside,
            "gives an accuracy outside [0, 1]",
            "It lies between 0 and the row's items.",
        )
    else:
        accuracy, bad = numbers(frame["accuracy"])
        outside = bad | ~((accuracy >= 0) & (accuracy <= 1))
        remedy = "Give a share between 0 and 1; divide percentages by 100."
        problems += _rows(frame, file, "accuracy", outside, "is an accuracy outside [0, 1]", remedy)
        correct = np.round(accuracy * items)
    for column in ("run_id", "skill"):
        absent = frame[column].isna().to_numpy()
        problems += _rows(frame, file, column, absent, "is missing", f"Name the {column} in every row.")
    if {"test", "task"} <= set(frame) and not problems:
        # A model may be asked about other texts than it was trained on: those are skills of their own.
        other = frame["test"].notna() & (frame["test"].astype(str) != frame["task"].astype(str))
        asked = frame["skill"].astype(str) + " on " + frame["test"].astype(str)
        frame["skill"] = frame["skill"].where(~other, asked)
    twice = frame.duplicated(["run_id", "skill"]).to_numpy()
    problems += _rows(
        frame,
        file,
        "skill",
        twice,
        "stands twice for one run",
        "Keep one row a run and skill, or add counts.",
    )
    frame["items"], frame["correct"] = items, correct
    frame["run_id"], frame["skill"] = frame["run_id"].astype(str), frame["skill"].astype(str)
    problems += _bounds(frame, chance, ceiling, file)
    if problems:
        raise BadRuns(problems)
    return frame


def with_runs(skills: pd.DataFrame, runs: pd.DataFrame, file: str = "table of skills") -> pd.DataFrame:
    """Add each row's run: its loss, compute and labels.

    Rows of runs that `runs` does not have are left out: a table of skills may be of more runs than a question.

    Raises
    ------
    SkillsError
        No row is of one of the runs, or a run has several rows (checkpoints), so that its loss is not one number.
    """
    ids = runs["run_id"].astype(str) if "run_id" in runs else None
    if ids is None:
        raise SkillsError(
            "the runs table has no column run_id to find the runs of a table of skills by; add one"
        )
    wanted = runs.assign(run_id=ids)[ids.isin(set(skills["run_id"])).to_numpy()]
    if wanted.empty:
        raise SkillsError(
            f"{file}: none of its {skills['run_id'].nunique()} runs is among the {len(runs)} of the runs table; "
            "give the runs table that it was measured with"
        )
    twice = wanted.loc[wanted["run_id"].duplicated(), "run_id"]
    if len(twice):
        raise SkillsError(
            f"{file}: run {quote(twice.iloc[0])} has several rows in the runs table, so its skills have no one loss; "
            "keep the last row of each run with --where"
        )
    own = [c for c in skills if c == "run_id" or c not in wanted]
    return skills[own].merge(wanted, on="run_id", how="inner", validate="many_to_one")


def _columns(frame: pd.DataFrame, file: str) -> list[Problem]:
    missing = [c for c in NEEDED if c not in frame and not (c == "correct" and "accuracy" in frame)]
    remedies = {
        "items": "Add how many items each accuracy is of: a share of 20 items and one of 2,000 weigh differently.",
        "correct": "Add how many items were right, or a column accuracy.",
        "run_id": "Add the run_id of the runs table.",
        "skill": "Add the name of the skill or benchmark.",
    }
    return [Problem("error", file, f"there is no column {c!r}", remedies[c], column=c) for c in missing]


def _bounds(
    frame: pd.DataFrame, chance: float | Mapping[str, float] | None, ceiling: float | None, file: str
) -> list[Problem]:
    """Fill in chance and ceiling; what is wrong with them."""
    if isinstance(chance, Mapping):
        known = frame["skill"].map(dict(chance))
        frame["chance"] = known.fillna(frame["chance"]) if "chance" in frame else known
    elif chance is not None:
        frame["chance"] = float(chance)
    if "chance" not in frame:
        remedy = "Add a column chance, or say --chance 0.5, or --chance agreement=0.5,cloze=0.25."
        return [Problem("error", file, "the accuracy of guessing is not known", remedy, column="chance")]
    if ceiling is not None or "ceiling" not in frame:
        frame["ceiling"] = CEILING if ceiling is None else float(ceiling)
    problems: list[Problem] = []
    for name in ("chance", "ceiling"):
        values, bad = numbers(frame[name])
        outside = bad | ~((values >= 0) & (values <= 1))
        problems += _rows(
            frame, file, name, outside, "does not lie between 0 and 1", "It is a share of items."
        )
        frame[name] = values
    if problems:
        return problems
    problems += _rows(
        frame,
        file,
        "chance",
        (frame["chance"] >= frame["ceiling"]).to_numpy(),
        "is not below the ceiling",
        "A skill lies between the two.",
    )
    by = [c for c in ("skill", "task") if c in frame]
    for name in ("chance", "ceiling"):
        several = frame.groupby(by, dropna=False)[name].nunique()
        for key in several.index[several > 1]:
            skill = key[0] if isinstance(key, tuple) else key
            what = f"the skill {quote(skill)} has several values of {name}"
            remedy = "Give different tests names of their own."
            problems.append(Problem("error", file, what, remedy, column=name))
    return problems


def _rows(
    frame: pd.DataFrame, file: str, column: str, wrong: np.ndarray, what: str, remedy: str
) -> list[Problem]:
    rows = np.flatnonzero(wrong)
    found = [
        Problem("error", file, f"{quote(frame[column].iloc[i])} {what}", remedy, column, int(i) + 1)
        for i in rows[:MOST_NAMED]
    ]
    if len(rows) > MOST_NAMED:
        found.append(Problem("error", file, f"{len(rows) - MOST_NAMED} rows more: {what}", remedy, column))
    return found
