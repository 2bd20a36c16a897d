"""What the table cannot teach, however well it was measured."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayescale.runs.checks.inspection import Inspection, named
from bayescale.runs.problem import Problem

# Up to here a repeated token is worth nearly a new one (Muennighoff et al. 2023).
EPOCHS_THAT_COUNT = 4.0
_FEWEST_RUNS = 5
_CONSTANT = 1.1
_RATIO_SD = 0.1
_COLLINEAR = 0.99


def identifiable(table: Inspection) -> list[Problem]:
    """Inputs that hardly vary, or that vary together."""
    problems = []
    varying = []
    for name in table.inputs:
        values = table.positive(name)
        values = values[np.isfinite(values)]
        if len(values) < 2:
            continue
        low, high = float(values.min()), float(values.max())
        if high / low < _CONSTANT:
            spread = f"{low:.4g} in every row" if high == low else f"{low:.4g} to {high:.4g}"
            what = f"{name} hardly vary ({spread}): the law's term in {name} will repeat its prior"
            problems += table.once(
                "warning", what, "Add runs that differ in it, or fit a law without that term.", name
            )
        else:
            varying.append(name)
    if "params" in varying and "tokens" in varying:
        problems += _one_ratio(table)
    return problems


def enough(table: Inspection) -> list[Problem]:
    """Too few runs, or too little compute between the least and the most."""
    problems = []
    ids = [label for label in table.labels("run_id") if label is not None]
    count = len(set(ids)) if len(ids) == len(table.frame) else len(table.frame)
    if table.measured and count < _FEWEST_RUNS:
        what = f"{count} run{'' if count == 1 else 's'}, fewer than a law has parameters"
        problems += table.once("warning", what, "Add runs, or expect the priors back.")
    flops = table.positive("flops")
    compute = np.where(np.isfinite(flops), flops, table.compute)
    compute = compute[np.isfinite(compute)]
    if len(compute) > 1 and compute.max() < 10.0 * compute.min():
        what = f"compute spans a factor of {compute.max() / compute.min():.2g}, less than a decade"
        problems += table.once(
            "note", what, "A forecast beyond it leans on the law and the priors; add smaller runs."
        )
    return problems


def one_size_a_run(table: Inspection) -> list[Problem]:
    """Rows that share a run_id and not their params: an id of something else than a run."""
    ids = np.array(["" if label is None else label for label in table.labels("run_id")], dtype=object)
    params = table.positive("params")
    usable = (ids != "") & np.isfinite(params)
    if not usable.any():
        return []
    sizes = pd.Series(params[usable]).groupby(ids[usable])
    mixed = set((sizes.max() > (1 + 1e-9) * sizes.min()).pipe(lambda s: s[s]).index)
    at = usable & np.isin(ids, list(mixed))
    if not mixed:
        return []
    what = f"rows of one run_id differ in params, in {named([int(row) for row in table.rows[at]])}"
    remedy = "Rows that share a run_id count as one run; give each training run an id of its own."
    return table.once("warning", what, remedy, "run_id", at)


def repeated_data(table: Inspection) -> list[Problem]:
    """Runs that went over their data more often than the usual law allows."""
    epochs = table.positive("tokens") / table.positive("unique_tokens")
    many = np.nan_to_num(epochs) > EPOCHS_THAT_COUNT * (1 + 1e-9)
    if not many.any():
        return []
    rows = named([int(row) for row in table.rows[many]])
    what = f"more than {EPOCHS_THAT_COUNT:g} epochs over the data in {rows}, up to {np.nanmax(epochs):.3g}"
    remedy = "Use a law that takes unique_tokens, or keep --where 'tokens <= 4 * unique_tokens'."
    return table.once("note", what, remedy, "unique_tokens", many)


def _one_ratio(table: Inspection) -> list[Problem]:
    params, tokens = np.log(table.positive("params")), np.log(table.positive("tokens"))
    both = np.isfinite(params) & np.isfinite(tokens)
    if both.sum() < 3:
        return []
    params, tokens = params[both], tokens[both]
    sd = float(np.std(tokens - params))
    correlation = float(np.corrcoef(params, tokens)[0, 1])
    if sd >= _RATIO_SD and abs(correlation) <= _COLLINEAR:
        return []
    ratio = float(np.exp(np.median(tokens - params)))
    what = (
        f"all runs lie near {ratio:.3g} tokens per parameter"
        if sd < _RATIO_SD
        else f"log params and log tokens go together (correlation {correlation:.3f})"
    )
    return table.once(
        "warning",
        f"{what}, so that alpha and beta cannot be told apart",
        "Add runs at other ratios: at one compute budget, sizes a factor of 3 to either side.",
        "tokens",
    )
