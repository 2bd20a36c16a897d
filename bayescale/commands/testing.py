"""Laws against each other, and against the past."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import models_of, read_for, settings_of, writable, write_json
from bayescale.commands.options import (
    Accept,
    AsJson,
    Chains,
    Kept,
    RunsFile,
    Seed,
    Warmup,
    Where,
)
from bayescale.errors import UserError


def compare(
    runs: RunsFile,
    models: Annotated[str, typer.Option("--models", help="Models or laws, separated by commas.")],
    split: Annotated[
        str, typer.Option("--split", help="Column that says which rows to fit and which to hold out.")
    ] = "split",
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 500,
    draws: Kept = 1000,
    target_accept: Accept = 0.95,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the comparison there, as JSON.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Laws against each other on the same runs: by leave-one-out, and by the forecast of held-out runs.

    Where the table has a column `split`, rows that say fit are fitted and rows that say holdout are forecast. A model
    that fails its health gate is listed and gets no rank. With the law guo-free among the models, the test of whether
    the loss depends on how compute is split comes along.

    Ends with status 1 where no model passed its health gate.
    """
    from bayescale.api import compare as compare_models

    chosen = models_of(models)
    table = read_for(chosen, runs, where)
    if split != "split" and split not in table:
        raise UserError(f"{runs}: there is no column {split!r} to split by")
    if out is not None:
        writable(out)
    settings = settings_of(chains, warmup, draws, target_accept)
    comparison = compare_models(table, chosen, split, seed, settings, announce=note)
    if out is not None:
        write_json(comparison.to_dict(), out)
    if as_json:
        say_json(comparison.to_dict())
    else:
        say(str(comparison))
    if comparison.table["rank"].isna().all():
        raise typer.Exit(1)


def backtest(
    runs: RunsFile,
    models: Annotated[
        str, typer.Option("--model", help="Models or laws, separated by commas.")
    ] = DEFAULT_MODEL,
    split: Annotated[
        str, typer.Option("--split", help="Column that says which rows to fit and which to hold out.")
    ] = "split",
    above: Annotated[
        float | None, typer.Option("--above", help="Hold out what cost more than so many FLOPs.")
    ] = None,
    rolling: Annotated[
        int | None, typer.Option("--rolling", help="Forecast so many last budgets, each from what cost less.")
    ] = None,
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 500,
    draws: Kept = 1000,
    target_accept: Accept = 0.95,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write scores and forecasts there, as JSON.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw calibration and errors, as a PNG, SVG or PDF.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The past as a test: fit the cheaper runs, forecast the dearer ones, compare with the usual practice.

    What is held out: rows that say holdout in the column `split`, what cost more than --above, or the last --rolling
    budgets in turn. Each model stands beside the last point and Huber fits of Chinchilla's form, resampled, with no
    pooling, shared exponents, and complete pooling; skill is against the first of these three.

    Ends with status 1 where a fit failed its health gate: its scores are marked.
    """
    from bayescale.api import backtest as backtest_models

    chosen = models_of(models)
    table = read_for(chosen, runs, where)
    for path in filter(None, (out, figure)):
        writable(path)
    settings = settings_of(chains, warmup, draws, target_accept)
    try:
        found = backtest_models(table, chosen, split, above, rolling, seed, settings, announce=note)
    except UserError as error:
        raise UserError(f"{runs}: {error}") from None
    if out is not None:
        write_json(found.to_dict(), out)
    if figure is not None:
        from bayescale.report.figures.backtest import draw

        draw(found, figure)
        note(f"wrote {figure}")
    if as_json:
        say_json(found.to_dict())
    else:
        say(str(found))
    if not found.passed:
        raise typer.Exit(1)
