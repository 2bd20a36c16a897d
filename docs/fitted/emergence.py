"""When each skill emerges, whether the held-out runs agree, and at what size each leaves chance."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayescale.bundled import DEFAULT_MODEL
from bayescale.numerals import count, percent, scientific
from bayescale.report.figures.skills import draw
from bayescale.runs import read_runs
from bayescale.skills.agreement import MASSES
from bayescale.skills.leaving import Leaving, leaves_chance
from bayescale.skills.study import FEWEST_RUNS, SkillStudy, own_texts, parted, study_skills
from bayescale.skills.table import read_skills
from fitted.common import COMMAND, DOCS, SEED, WORLDS, fitted, gate, interval, table
from fitted.figures import draw_sizes
from fitted.marked import put

UNLIKELY = 0.05
"""Probability under the forecast below which counts do not agree with it."""


def emergence(work: Path) -> None:
    runs = read_runs(WORLDS / "runs.parquet", where='status == "finished"')
    cheaper, dearer, _ = parted(runs)
    posterior = fitted(work, "cheaper-generalised", cheaper, DEFAULT_MODEL)
    counts = own_texts(read_skills(WORLDS / "skills.parquet"))
    found = study_skills(posterior, counts, dearer, seed=SEED)
    draw(found.emergence, found.fit, found.agreement, DOCS / "skills-emergence.png")
    leaving = leaves_chance(found.fit, posterior, seed=SEED)
    draw_sizes(leaving, cheaper, DOCS / "skills-sizes.png")
    record = found.agreement
    assert record is not None
    records = {budget: cut(work, runs, counts, budget) for budget in earlier(cheaper)}
    rows = [
        [
            row["skill"],
            row["task"],
            percent(row["now"]),
            percent(row["within"]),
            scientific(row["flops"]) if row["flops"] > 0 else "beyond",
            f"{row['accuracy']:.2f} ({row['accuracy_q0.05']:.2f} to {row['accuracy_q0.95']:.2f})",
            f"{row['chance']:.2f}",
        ]
        for row in found.emergence.table.sort_values(["skill", "task"]).to_dict("records")
    ]
    said = found.emergence.table
    put(
        DOCS / "skills.md",
        "emergence",
        COMMAND,
        "\n\n".join(
            [
                "## The bundled families: when each skill emerges",
                f"The loss of {len(cheaper)} runs of [small worlds](small-worlds.md), up to "
                f"{scientific(said['dearest'].max())} FLOPs, and the counts of right items of the same runs; "
                f"{len(dearer)} dearer runs are held out. {gate('the loss', posterior.health())} "
                f"{gate('the skills', found.fit.health())}",
                "![Accuracy against loss by skill and world, and the probability of having emerged by compute]"
                "(skills-emergence.png)",
                f"Probability that a run is above chance by {found.emergence.margin:g}: of the dearest fitted run's "
                f"compute (now), and of ten times it. Accuracy with its 90 % interval is of ten times it.",
                table(
                    [
                        "skill",
                        "world",
                        "P now",
                        "P within ten times the compute",
                        "FLOPs from which P is 0.9",
                        "accuracy at ten times",
                        "chance",
                    ],
                    rows,
                ),
                "### Do the held-out largest models agree?",
                " ".join(str(record).splitlines()[:2]),
                table(
                    ["said", "accuracies", "above, expected", "above, found"],
                    [
                        [between(row["said"]), str(row["rows"]), f"{row['expected']:.1f}", str(row["above"])]
                        for row in record.bins().to_dict("records")
                    ],
                ),
                "By world and by skill; `rank` is the mean rank of what was measured among what was forecast, a half "
                "where forecasts lean neither way.",
                table(
                    [
                        "",
                        "accuracies",
                        "above, expected",
                        "above, found",
                        "inside the 90 % band",
                        "rank",
                    ],
                    [
                        [
                            str(row[column]),
                            str(row["rows"]),
                            f"{row['expected']:.1f}",
                            str(row["above"]),
                            percent(row["inside90"]),
                            f"{row['rank']:.2f}",
                        ]
                        for column in ("task", "skill")
                        for row in record.by(column).to_dict("records")
                    ],
                ),
                "### At earlier cuts",
                "The same with less to go by: the law and the curves fitted to runs below a budget alone, and asked of "
                "all runs from it on.",
                cuts_text(records),
            ]
        ),
    )
    put(DOCS / "small-worlds.md", "sizes", COMMAND, sizes_text(leaving))


def earlier(cheaper: pd.DataFrame) -> list[float]:
    """The dearest budget of the fitted runs, from which on everything is held out too."""
    return sorted(cheaper["budget"].unique())[-1:]


def cut(work: Path, runs: pd.DataFrame, counts: pd.DataFrame, budget: float) -> tuple[int, SkillStudy, str]:
    """Runs below a budget, and what they say of the others: how many were fitted, what was found, and the gates."""
    sizes = runs.groupby("task")["run_id"].transform("size")
    runs = runs[sizes >= FEWEST_RUNS]
    below = (runs["budget"] < budget).to_numpy()
    posterior = fitted(work, f"below-{budget:.0e}", runs[below].reset_index(drop=True), DEFAULT_MODEL)
    found = study_skills(posterior, counts, runs[~below].reset_index(drop=True), seed=SEED)
    gates = ", ".join(h.verdict for h in (posterior.health(), found.fit.health()))
    return int(below.sum()), found, gates


def cuts_text(records: dict[float, tuple[int, SkillStudy, str]]) -> str:
    rows, said = [], []
    for budget, (runs, found, gates) in records.items():
        record = found.agreement
        assert record is not None
        if record.p_value < UNLIKELY:
            lean = "cautious" if record.found > record.expected else "confident"
            said.append(
                f"From {scientific(budget)} FLOPs on they do not agree: forecasts from runs so small are too {lean}."
            )
        rows.append(
            [
                scientific(budget),
                str(runs),
                gates,
                f"{len(record.rows)} of {record.rows['run_id'].nunique()} runs",
                f"{record.expected:.1f}",
                str(record.found),
                percent(record.p_value),
                f"{record.brier:.3f}",
                ", ".join(percent(record.inside(mass)) for mass in MASSES),
            ]
        )
    head = [
        "held out from",
        "runs fitted",
        "gates of loss, of skills",
        "accuracies",
        "above, expected",
        "above, found",
        "P(a count so far off)",
        "Brier score",
        "inside the 50, 80, 90 % bands",
    ]
    return "\n\n".join([table(head, rows), *said])


def between(said: pd.Interval) -> str:
    return f"{percent(max(said.left, 0.0) or 0.0)} to {percent(said.right)}".replace("under 1", "0").replace(
        "over 99", "100"
    )


def sizes_text(leaving: Leaving) -> str:
    shared = [
        skill
        for skill, part in leaving.table.groupby("skill", sort=False)
        if {"simple_prose", "ordinary_prose"} <= set(part["task"])
    ]
    sooner = "; ".join(f"{skill} {sooner_text(leaving, skill)}" for skill in shared)

    def size(value: float) -> str:
        if value == 0:
            return "before all"
        return count(value) if value < float("inf") else "beyond"

    return "\n\n".join(
        [
            "## At what size each skill leaves chance",
            "From the posterior of losses and that of accuracies ([skills](skills.md)), fitted to the runs of all "
            "budgets but the dearest: the size from which the expected accuracy is above chance by "
            f"{leaving.margin:g}, along the recipe by which the runs were made, with its 90 % interval. `within`: the "
            "probability that the size is one of at most ten times the dearest fitted run's compute. `before all`: of "
            "a thousandth of that compute and below.",
            "![Sizes at which skills leave chance](skills-sizes.png)",
            table(
                ["skill", "world", "params", "within"],
                [
                    [
                        str(row["skill"]),
                        str(row["task"]),
                        interval(pd.Series(row), "params", size),
                        percent(row["within"]),
                    ]
                    for row in leaving.table.sort_values(["skill", "task"]).to_dict("records")
                ],
            ),
            f"Probability that the skill leaves chance at a smaller size on simple prose than on ordinary prose: "
            f"{sooner}.",
        ]
    )


def sooner_text(leaving: Leaving, skill: str) -> str:
    both = leaving.table[
        (leaving.table["skill"] == skill) & leaving.table["task"].isin(["simple_prose", "ordinary_prose"])
    ]
    if (both["params_q0.95"] == 0).all():
        return "not known, since it is there in both before all sizes asked"
    return percent(leaving.sooner(skill, "simple_prose", "ordinary_prose"))
