"""From a posterior of the loss and a table of skills to when they emerge, and whether held-out runs agree."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from bayescale.posterior import PosteriorData
from bayescale.skills.accuracy import SkillFit, fit_accuracy
from bayescale.skills.agreement import Agreement, agreement
from bayescale.skills.emergence import FACTOR, MARGIN, SURE, Emergence, emergence
from bayescale.skills.links import Link
from bayescale.skills.priors import AccuracyPriors
from bayescale.skills.table import with_runs

FEWEST_RUNS = 8
"""Runs of a task, below which it has no law of its own."""


@dataclass(frozen=True, eq=False)
class SkillStudy:
    """What was found.

    Attributes
    ----------
    rows : DataFrame
        A row a fitted run and skill.
    fit : SkillFit
    emergence : Emergence
    agreement : Agreement or None
        Where there were held-out runs.
    """

    rows: pd.DataFrame
    fit: SkillFit
    emergence: Emergence
    agreement: Agreement | None


def study_skills(
    posterior: PosteriorData,
    counts: pd.DataFrame,
    holdout: pd.DataFrame | None = None,
    link: Link = "sigmoid",
    margin: float = MARGIN,
    factor: float = FACTOR,
    sure: float = SURE,
    optimal: bool = False,
    priors: AccuracyPriors | None = None,
    seed: int = 0,
    file: str = "table of skills",
) -> SkillStudy:
    """Fit accuracies, ask when each skill emerges, and compare with held-out runs.

    Parameters
    ----------
    posterior : PosteriorData
        Of the loss, fitted to the runs whose skills are in the table.
    counts : DataFrame
        As `bayescale.skills.table.read_skills` returns it.
    holdout : DataFrame, optional
        Runs that the posterior has not seen.
    link, margin, factor, sure, optimal, priors, seed
        As for `fit_accuracy` and `emergence`.
    file : str
        What errors call the table.
    """
    rows = with_runs(counts, posterior.runs, file)
    fit = fit_accuracy(rows, link, priors, seed)
    found = emergence(fit, posterior, margin, factor, sure, optimal, seed)
    record = None
    if holdout is not None:
        record = agreement(fit, posterior, with_runs(counts, holdout, file), margin, seed)
    return SkillStudy(rows, fit, found, record)


def own_texts(counts: pd.DataFrame) -> pd.DataFrame:
    """Skills on the text that each model was trained on; all, where the table does not tell."""
    if not {"test", "task"} <= set(counts):
        return counts
    return counts[(counts["test"].astype(str) == counts["task"].astype(str)).to_numpy()]


def parted(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, tuple[str, ...]]:
    """Runs to fit, dearer ones to be predicted (as the table says, or else its dearest budget), and tasks left out."""
    sizes = runs.groupby("task")["run_id"].transform("size")
    few = tuple(map(str, runs.loc[sizes < FEWEST_RUNS, "task"].unique()))
    runs = runs[sizes >= FEWEST_RUNS]
    held = runs["split"] == "holdout"
    if not held.any():
        held = runs["budget"] == runs["budget"].max()
    return runs[~held].reset_index(drop=True), runs[held].reset_index(drop=True), few
