"""Runs tables: what is wrong or odd in one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say, say_json
from bayescale.commands.options import (
    AsJson,
    ModelName,
    RunsFile,
    Where,
)
from bayescale.errors import UserError


def check(
    runs: RunsFile,
    model: ModelName = DEFAULT_MODEL,
    where: Where = None,
    holdout: Annotated[
        Path | None,
        typer.Option(
            "--holdout", help="Of a posterior: runs that it has not seen, in place of the fitted ones."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong or odd in a table (or what a posterior finds odd), row by row, all of it at once.

    With what the runs cannot tell about the model's parameters, whatever their losses. Ends with status 2 where
    something keeps the table from being fitted.

    Of a posterior (FIT.nc), the fitted runs that it finds odd, each with its probability; with --holdout those among
    runs that it has not seen (--where selects them).
    """
    if runs.suffix == ".nc":
        _odd(runs, holdout, where, as_json)
        return
    if holdout is not None:
        raise UserError("--holdout goes with a posterior: bayescale check FIT.nc --holdout RUNS")
    from dataclasses import asdict

    from bayescale.commands.fits import other_laws
    from bayescale.models import Model
    from bayescale.models.identifiability import problems_of
    from bayescale.runs import check_file, read_runs

    specification = Model.load(model)
    inputs = specification.definition.inputs
    problems = check_file(runs, where=where, inputs=inputs)
    problems += other_laws(runs, problems, inputs)
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


def _odd(path: Path, holdout: Path | None, where: str | None, as_json: bool) -> None:
    from bayescale.commands.fits import fit_of, unseen
    from bayescale.forecast.odd import odd_line, odd_runs

    with fit_of(path, as_json) as posterior:
        table = unseen(posterior, holdout, where)
        found = odd_runs(posterior, table)
        if as_json:
            say_json({"odd": found.to_dict("records")})
            return
        for row in found.to_dict("records"):
            say(f"odd: {odd_line(row)}")
        name, rows = (path, posterior.runs) if holdout is None or table is None else (holdout, table)
        say(f"{name.name}: {len(found)} of {len(rows)} runs odd")
