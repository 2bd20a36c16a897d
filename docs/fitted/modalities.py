"""Compute exponents over modalities, with Henighan's published ones as prior."""

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
    # A law in compute is one of the frontier: the best run of each budget.
    runs = runs.loc[runs.groupby(["task", "budget"])["loss"].idxmin()].reset_index(drop=True)
    prior = exponent_range("compute", with_floor=True)
    plain = bs.Model.of_law("henighan-c")
    model = plain.model_copy(
        update={
            "name": "henighan-c-by-modality",
            "pooling": dict.fromkeys(plain.definition.parameter_names, "1 + (1|task)"),
            "priors": plain.priors | {"a_C": prior},
        },
        deep=True,
    )
    posterior = fitted(work, "modalities", runs, model)
    draws = exponents_of(posterior)
    draw_modalities(posterior, draws, TABLE, DOCS / "measured-modalities.png")
    put(DOCS / "measured.md", "modalities", COMMAND, modalities_text(posterior, draws, prior))


def exponents_of(posterior: bs.Posterior) -> dict[str, np.ndarray]:
    """Draws of the compute exponent, by task."""
    values = posterior.draws("a_C")
    return {str(task): values[:, i] for i, task in enumerate(posterior.design.cells["task"])}


def modalities_text(posterior: bs.Posterior, draws: dict[str, np.ndarray], prior: Range) -> str:
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
        f"{row.domain} {row.compute.exponent:g}"
        for row in TABLE
        if row.compute is not None and row.compute.floor
    )
    return "\n\n".join(
        [
            "## Exponents over modalities",
            "Henighan's law of the compute frontier, L = L_inf + (C_0/C)^a_C, of the best run of each budget: speech, "
            "digits, prose and code, every parameter partially pooled over the four. The prior of a_C is the spread of "
            f"Henighan's own exponents of domains with a floor ({prior.low:.3f} to {prior.high:.3f} with probability "
            f"{percent(prior.mass)}; published: {published}). {gate('the law', posterior.health())}",
            "![Frontiers and compute exponents of modalities](measured-modalities.png)",
            table(["task", "a_C, 90 % interval", "P(inside Henighan's range)"], rows),
            f"Probability that the exponent is above that of ordinary prose: {steeper}.",
        ]
    )
