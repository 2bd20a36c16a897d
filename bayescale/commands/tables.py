"""Runs tables: what is wrong or odd in one."""

from __future__ import annotations

from pathlib import Path

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say, say_json
from bayescale.commands.options import (
    AsJson,
    ModelName,
    RunsFile,
    Where,
)


def check(
    runs: RunsFile,
    model: ModelName = DEFAULT_MODEL,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong or odd in a table (or what a posterior finds odd), row by row, all of it at once.

    With what the runs cannot tell about the model's parameters, whatever their losses. Ends with status 2 where
    something keeps the table from being fitted.

    Of a posterior (FIT.nc), the fitted runs that it finds odd, each with its probability.
    """
    if runs.suffix == ".nc":
        _odd(runs, as_json)
        return
    from dataclasses import asdict

    from bayescale.models import Model
    from bayescale.models.identifiability import problems_of
    from bayescale.runs import check_file, read_runs

    specification = Model.load(model)
    inputs = specification.definition.inputs
    problems = check_file(runs, where=where, inputs=inputs)
    if not any(problem.severity == "error" for problem in problems):
        problems += problems_of(specification, read_runs(runs, where=where, inputs=inputs), runs.name)
    if as_json:
        say_json([asdict(problem) for problem in problems])
    else:
        for problem in problems:
            say(f"{problem.severity}: {problem}")
        counts = {s: sum(p.severity == s for p in problems) for s in ("error", "warning", "note")}
        say(f"{runs.name}: " + ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in counts.items()))
    if any(problem.severity == "error" for problem in problems):
        raise typer.Exit(2)


def _odd(path: Path, as_json: bool) -> None:
    from bayescale.commands.fits import load_fit
    from bayescale.forecast.odd import odd_runs

    posterior = load_fit(path)
    found = odd_runs(posterior)
    if as_json:
        say_json(found.to_dict("records"))
        return
    for row in found.to_dict("records"):
        who = f"run {row['run_id']}" if "run_id" in row else f"row {row['row']}"
        say(
            f"odd: {who}: loss {row['loss']:.4g}, expected {row['expected']:.4g} ({100 * row['off']:+.1f} %, "
            f"{row['scales']:+.1f} scales of the noise), P(odd) {row['p_odd']:.2f}"
        )
    say(f"{path.name}: {len(found)} of {len(posterior.runs)} runs odd")
