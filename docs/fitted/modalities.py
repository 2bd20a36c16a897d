"""Exponents of size over modalities, with Henighan's published ones as prior."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.laws import Range
from bayescale.laws.henighan import TABLE, exponent_range
from bayescale.numerals import percent
from bayescale.runs import read_runs
from fitted.common import COMMAND, DOCS, WORLDS, fitted, gate, table
from fitted.figures import draw_modalities
from fitted.marked import put


def modalities(work: Path) -> None:
    other = read_runs(WORLDS.parent / "modalities" / "runs.parquet", where='status == "finished"')
    text = read_runs(WORLDS / "runs.parquet", where='status == "finished"')
    text = text[text["task"].isin(["ordinary_prose", "python_code"])]
    runs = pd.concat([other, text], ignore_index=True)
    runs.attrs = text.attrs
    prior = exponent_range("size", with_floor=True)
    joint = bs.Model.load("generalised")
    model = joint.model_copy(
        update={
            "name": "generalised-by-modality",
            "pooling": dict.fromkeys(joint.definition.parameter_names, "1 + (1|task)"),
            "priors": joint.priors | {"a": prior},
        },
        deep=True,
    )
    # No run is forecast here, so nothing is asked of its own forecasts.
    posterior = fitted(work, "modalities", runs, model, bs.Settings(folds=False))
    draws = exponents_of(posterior)
    draw_modalities(posterior, draws, TABLE, DOCS / "measured-modalities.png")
    put(DOCS / "measured.md", "modalities", COMMAND, modalities_text(posterior, draws, prior))


def exponents_of(posterior: bs.Posterior) -> dict[str, np.ndarray]:
    """Draws of the exponent of size, by task."""
    values = posterior.draws("a")
    return {str(task): values[:, i] for i, task in enumerate(posterior.design.cells["task"])}


def modalities_text(posterior: bs.Posterior, draws: dict[str, np.ndarray], prior: Range) -> str:
    health, runs = posterior.health(), len(posterior.runs)
    rows = []
    for task, values in draws.items():
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        inside = float(((values > prior.low) & (values < prior.high)).mean())
        rows.append([task, f"{middle:.3f} ({low:.3f} to {high:.3f})", percent(inside)])
    text = draws["ordinary_prose"]
    steeper = ", ".join(
        f"{task} {percent(float((draws[task] > text).mean()))}"
        for task in ("digits", "speech", "python_code")
    )
    published = "; ".join(
        f"{row.domain} {row.size.exponent:g}" for row in TABLE if row.size is not None and row.size.floor
    )
    return "\n\n".join(
        [
            "## Exponents over modalities",
            "The joint law of size and data, every parameter partially pooled over speech, digits, prose and code, on "
            f"{runs} runs. The prior of a, the exponent of size, is the spread of Henighan's own exponents of domains "
            f"with a floor ({prior.low:.3f} to {prior.high:.3f} with probability {percent(prior.mass)}; published: "
            f"{published}). {gate('the law', health)}",
            "![Frontiers and size exponents of modalities](measured-modalities.png)",
            table(["task", "a, 90 % interval", "P(inside Henighan's range)"], rows),
            f"Probability that the exponent is above that of ordinary prose: {steeper}.",
        ]
    )
