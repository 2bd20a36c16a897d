"""An observational law of our own runs, the worlds being families."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayescale.numerals import percent
from bayescale.runs import read_runs
from bayescale.skills.observational import check_scores, fit_observational, held_out_scores, scores_of_runs
from bayescale.skills.table import read_skills, with_runs
from fitted.common import COMMAND, DOCS, SEED, WORLDS, gate, interval, table
from fitted.figures import draw_observed
from fitted.marked import put


def observational(_: Path) -> None:
    runs = read_runs(WORLDS / "runs.parquet", where='status == "finished"')
    counts = read_skills(WORLDS / "skills.parquet")
    # All models on the same items.
    same = with_runs(counts[(counts["test"] == "simple_prose").to_numpy()], runs)
    shipped = scores_of_runs(same, family="task")
    # An example of a table that `bayescale skills observe` reads.
    shipped.to_csv(WORLDS / "scores.csv", index=False)
    scores = check_scores(shipped)
    held = (scores.models["split"] == "holdout").to_numpy()
    fit = fit_observational(scores.keeping(~held), seed=SEED)
    record = held_out_scores(fit, scores.keeping(held), SEED)
    draw_observed(fit, record, DOCS / "skills-observed.png")
    best = fit.efficiency.sort_values("best", ascending=False).iloc[0]
    put(
        DOCS / "skills.md",
        "observational",
        COMMAND,
        "\n\n".join(
            [
                "## An observational law of our own runs",
                f"A table as one finds it in the literature, made from {len(scores.models)} runs of small worlds: four "
                "families, what each was trained on, and three benchmarks, the items of simple prose for all. "
                "Losses are not used. Runs of the dearest budget are held out. "
                + gate("the factor model", fit.health()),
                "![Measured scores against those forecast from compute and family](skills-observed.png)",
                table(
                    [
                        "family",
                        f"logits of {scores.benchmarks[fit.model.anchors[0]]} a decade of compute",
                        "its compute is worth, of the typical family's",
                        "P(best)",
                    ],
                    [
                        [
                            row["family"],
                            interval(pd.Series(row), "per_decade", lambda x: f"{x:.2f}"),
                            interval(pd.Series(row), "worth", lambda x: f"{x:.2g}"),
                            percent(row["best"]),
                        ]
                        for row in fit.efficiency.to_dict("records")
                    ],
                ),
                f"At the middle of the compute `{best['family']}` is the most capable family with probability "
                f"{percent(best['best'])}. {record}",
            ]
        ),
    )
