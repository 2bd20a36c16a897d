"""A table of models and benchmarks: a row a model, a column a benchmark, cells empty where nobody measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bayescale.errors import UserError
from bayescale.flops import dense_flops
from bayescale.runs import BadRuns, Problem
from bayescale.runs.cells import numbers
from bayescale.runs.formats import load
from bayescale.runs.problem import quote
from bayescale.skills.errors import SkillsError

ABOUT = (
    "model",
    "family",
    "flops",
    "params",
    "tokens",
    "split",
    "run_id",
    "task",
    "architecture",
    "loss",
    "seed",
)
"""Columns that are no benchmarks."""

ITEMS = "_items"
"""Ending of a column that says of how many items a benchmark's scores are."""

CHANCE = "_chance"
"""Ending of a column that says what guessing scores on a benchmark."""

FEWEST = 3
"""Models that a benchmark needs to be placed at all."""


@dataclass(frozen=True, eq=False)
class Scores:
    """A checked table.

    Attributes
    ----------
    models : DataFrame
        A row a model: ``model``, ``family``, ``flops``, and the post-training columns, 0 or 1.
    scores : ndarray, shape (models, benchmarks)
        Shares between 0 and 1; NaN where not measured.
    items : ndarray, shape (models, benchmarks)
        Counts; NaN where not known.
    benchmarks : tuple of str
    chance, ceiling : ndarray, shape (benchmarks,)
    post : tuple of str
        Post-training interventions.
    """

    models: pd.DataFrame
    scores: np.ndarray
    items: np.ndarray
    benchmarks: tuple[str, ...]
    chance: np.ndarray
    ceiling: np.ndarray
    post: tuple[str, ...]

    def keeping(self, rows: np.ndarray) -> Scores:
        """The same of some models."""
        models = self.models[rows].reset_index(drop=True)
        return Scores(
            models, self.scores[rows], self.items[rows], self.benchmarks, self.chance, self.ceiling, self.post
        )


def read_scores(
    path: str | Path,
    benchmarks: Sequence[str] = (),
    post: Sequence[str] = (),
    chance: float | Mapping[str, float] | None = None,
    ceiling: float = 1.0,
) -> Scores:
    """Read and check a table of models and benchmarks: CSV, Parquet or JSON lines; see `check_scores`."""
    path = Path(path)
    return check_scores(load(path).frame, benchmarks, post, chance, ceiling, path.name)


def check_scores(
    frame: pd.DataFrame,
    benchmarks: Sequence[str] = (),
    post: Sequence[str] = (),
    chance: float | Mapping[str, float] | None = None,
    ceiling: float = 1.0,
    file: str = "table of scores",
) -> Scores:
    """Check a table of models and benchmarks.

    Parameters
    ----------
    frame : DataFrame
        ``model``, ``family``, ``flops`` of pre-training (or ``params`` and ``tokens``: then 6 N D), the
        post-training columns (0 or 1), a column a benchmark with shares between 0 and 1, and optionally
        ``<benchmark>_items``.
    benchmarks : sequence of str
        Which columns; where empty, every other column of numbers.
    post : sequence of str
        Post-training interventions.
    chance : float or mapping
        Score of guessing: of all, or by benchmark; where it does not say, a column ``<benchmark>_chance``, or 0.
    ceiling : float
        Best possible score.
    file : str

    Raises
    ------
    BadRuns
        Every problem, by row and column, with what to do: scores outside [0, 1], a benchmark with one family only,
        ...
    """
    frame = frame.reset_index(drop=True).copy()
    problems = [
        Problem("error", file, f"there is no column {c!r}", f"Add each row's {c}.", column=c)
        for c in ("model", "family", *post)
        if c not in frame
    ]
    if "flops" not in frame and not {"params", "tokens"} <= set(frame):
        remedy = "Add FLOPs of pre-training, or params and tokens."
        problems.append(
            Problem("error", file, "the compute of the models is not known", remedy, column="flops")
        )
    chosen = tuple(benchmarks) or tuple(
        str(c)
        for c in frame
        if c not in ABOUT
        and c not in post
        and not str(c).endswith((ITEMS, CHANCE))
        and not numbers(frame[c])[1].any()
    )
    for name in (*chosen, *(chance if isinstance(chance, Mapping) else ())):
        if name not in frame:
            problems.append(
                Problem("error", file, f"there is no benchmark {quote(name)}", "Name columns of the table.")
            )
    if problems:
        raise BadRuns(problems)
    if not chosen:
        raise SkillsError(f"{file}: no column of scores is left; name the benchmarks with --benchmarks")
    if "flops" in frame:
        flops, bad = numbers(frame["flops"])
    else:
        (params, wrong), (tokens, bad) = (numbers(frame[c]) for c in ("params", "tokens"))
        flops, bad = dense_flops(params, tokens), bad | wrong
    column = "flops" if "flops" in frame else "params"
    problems += [
        Problem(
            "error",
            file,
            f"{quote(frame[column].iloc[i])} is no positive number",
            "Give it.",
            column,
            int(i) + 1,
        )
        for i in np.flatnonzero(bad | ~(np.isfinite(flops) & (flops > 0)))
    ]
    marks = {}
    for name in post:
        marks[name], bad = numbers(frame[name])
        for i in np.flatnonzero(bad | ~np.isin(marks[name], (0.0, 1.0))):
            what = f"{quote(frame[name].iloc[i])} is not 0 or 1"
            problems.append(Problem("error", file, what, "Say whether it was applied.", name, int(i) + 1))
    scores = np.full((len(frame), len(chosen)), np.nan)
    items = np.full_like(scores, np.nan)
    for j, name in enumerate(chosen):
        scores[:, j], bad = numbers(frame[name])
        outside = bad | (scores[:, j] < 0) | (scores[:, j] > 1)
        for i in np.flatnonzero(outside):
            what = f"{quote(frame[name].iloc[i])} lies outside [0, 1]"
            remedy = "Scores are shares; divide percentages by 100, or leave the cell empty."
            problems.append(Problem("error", file, what, remedy, name, int(i) + 1))
        if f"{name}{ITEMS}" in frame:
            items[:, j], bad = numbers(frame[f"{name}{ITEMS}"])
            for i in np.flatnonzero(bad | (items[:, j] < 1)):
                what = f"{quote(frame[f'{name}{ITEMS}'].iloc[i])} is no count of items"
                problems.append(
                    Problem("error", file, what, "Give it, or leave it empty.", f"{name}{ITEMS}", int(i) + 1)
                )
        there = np.isfinite(scores[:, j])
        families = frame.loc[there, "family"].astype(str).unique()
        if len(families) < 2:
            whose = f"one family only, {quote(families[0])}" if len(families) else "no model"
            what = f"the benchmark {quote(name)} has scores of {whose}"
            remedy = (
                "What the benchmark asks for cannot be told from what that family is good at: add another "
                "family's scores, or leave it out with --benchmarks."
            )
            problems.append(Problem("error", file, what, remedy, name))
        elif there.sum() < FEWEST:
            what = f"the benchmark {quote(name)} has {there.sum()} scores"
            problems.append(
                Problem("error", file, what, f"It needs {FEWEST}; leave it out with --benchmarks.", name)
            )
    if problems:
        raise BadRuns(problems)
    by_name = dict(chance) if isinstance(chance, Mapping) else {}
    if isinstance(chance, (int, float)):
        by_name = dict.fromkeys(chosen, float(chance))
    for name in chosen:
        column = f"{name}{CHANCE}"
        if name not in by_name and column in frame:
            by_name[name] = float(np.nanmedian(numbers(frame[column])[0]))
    guess = np.array([float(by_name.get(name, 0.0)) for name in chosen])
    if not ((guess >= 0) & (guess < ceiling)).all() or not 0 < ceiling <= 1:
        raise SkillsError("chance lies between 0 and the ceiling, and the ceiling is at most 1")
    models = pd.DataFrame(
        {"model": frame["model"].astype(str), "family": frame["family"].astype(str), "flops": flops}
    )
    if "split" in frame:
        models["split"] = frame["split"].astype(str)
    measured = np.isfinite(scores).any(axis=1)
    out = Scores(
        models.assign(**marks), scores, items, chosen, guess, np.full(len(chosen), ceiling), tuple(post)
    )
    return out.keeping(measured)


def scores_of_runs(rows: pd.DataFrame, family: str = "architecture") -> pd.DataFrame:
    """A table of models and benchmarks from our own runs and their skills.

    Parameters
    ----------
    rows : DataFrame
        As `bayescale.skills.table.with_runs` makes it.
    family : str
        The column that says which runs are of one recipe.

    Returns
    -------
    DataFrame
        ``model``, ``family``, ``flops``, a column a skill and its ``_items``; what `check_scores` takes.
    """
    if family not in rows:
        raise UserError(f"the runs have no column {family!r} to be families by")
    if "test" in rows:
        # What a test is of is the same for whoever takes it: "agreement on prose", on one's own text or another's.
        suffix = " on " + rows["test"].astype(str)
        bare = [name.removesuffix(end) for name, end in zip(rows["skill"], suffix, strict=True)]
        rows = rows.assign(skill=pd.Series(bare, index=rows.index) + suffix)
    rows = rows.assign(score=rows["correct"] / rows["items"])
    wide = rows.pivot_table(index="run_id", columns="skill", values=["score", "items"], aggfunc="first")
    runs = rows.drop_duplicates("run_id").set_index("run_id").loc[wide.index]
    out = pd.DataFrame(
        {"model": wide.index, "family": runs[family].to_numpy(), "flops": runs["flops"].to_numpy()}
    )
    if "split" in runs:
        out["split"] = runs["split"].to_numpy()
    for skill in dict.fromkeys(rows["skill"]):
        out[skill] = wide["score"][skill].to_numpy()
        out[f"{skill}{ITEMS}"] = wide["items"][skill].to_numpy()
        out[f"{skill}{CHANCE}"] = rows.loc[rows["skill"] == skill, "chance"].iloc[0]
    return out
