"""Whether to run it, and what to run first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say, say_json, table_text
from bayescale.commands.fits import exit_by_health, fit_of, load_fit, unseen
from bayescale.commands.options import (
    AsJson,
    FitFile,
    ModelName,
    Seed,
)
from bayescale.commands.parsing import names
from bayescale.errors import UserError


def decide(
    fit: FitFile,
    decision: Annotated[
        Path,
        typer.Argument(metavar="DECISION.toml", help="Actions, target loss, and the bar for go and no-go."),
    ],
    holdout: Annotated[
        Path | None,
        typer.Option("--holdout", help="Runs the fit has not seen: no answer where their forecast fails."),
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Rows of --holdout to use.")] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            "--also", help="A fit of another law to the same runs: does it answer the same? Repeatable."
        ),
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Go, no-go, or what to run first.

    A decision file looks like this:

    \b
        question = "Is the bigger run worth it?"
        target_loss = 2.9        # reach this, with
        go = 0.8                 # at least this probability: go
        no_go = 0.2              # at most this one: no-go; in between: learn first
        min_gain = 0.02          # on the best measured loss, in the table's units

    \b
        [[actions]]
        name = "big"
        params = 1e9
        tokens = 2e10
        groups = { architecture = "llama", task = "code" }

    With what a loss is worth, the action of the highest expected utility is chosen, and runs that would tell more than
    they cost come first:

    \b
        [utility]
        unit = "USD"
        at_target = 5e6          # or per_nat = ..., or points = [[3.1, 0], [2.9, 2e6], [2.7, 5e6]]

    \b
        [costs]
        per_flop = 2e-18         # or a column of the runs that says: measured = "hours", per_unit = 2.5

    Further actions: kind = "nothing", "first" (runs = [...]), "ensemble" (members, effect), "compress" (effect). See
    docs/decisions.md.
    """
    from bayescale.decide import Decision

    with fit_of(fit) as posterior:
        question = Decision.from_toml(decision)
        others = [load_fit(path) for path in also or []]
        verdict = posterior.decide(question, seed, unseen(posterior, holdout, where), others)
        if as_json:
            say_json(verdict.to_dict())
            return
        say(question.question)
        say(str(verdict))
        say(table_text(verdict.table))
        if len(verdict.first):
            say(
                "\nRuns to make first:"
                if question.utility
                else "\nRuns that would teach most, for what they cost:"
            )
            say(table_text(verdict.first))


def next_(
    fit: Annotated[
        Path,
        typer.Argument(
            metavar="FIT.nc|prior", help="A posterior; or the word prior, before there are any runs."
        ),
    ],
    candidates: Annotated[
        Path | None,
        typer.Argument(
            metavar="[CANDIDATES]", help="A table of runs that could be made; some are made up without."
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--target", help="A table of one row: the run whose loss is to be known better."),
    ] = None,
    decision: Annotated[
        Path | None,
        typer.Option(
            "--decision", help="A decision file with a [utility]: runs worth more to it than they cost."
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option("--about", help="Quantities to learn, separated by commas: alpha, E_mean, N*(1e21)."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option("--budget", help="FLOPs: of all runs together, or with --target alone of each."),
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--runs", help="Choose so many runs together; with --target alone, rank them."),
    ] = None,
    model: ModelName = DEFAULT_MODEL,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Which runs to buy next: for a decision until nothing is worth its cost, or to learn most per FLOP.

    With --decision: the expected value of sample information of single runs and of a batch, in the decision's unit,
    against what they cost. With --about, or with --target and --runs: the batch that gives most information on
    quantities or on a run's expected loss within --budget. With --target alone: candidates one by one.

    Before any data: bayescale next prior --budget 1e18 --about alpha,beta plans a first sweep from the model's prior.
    """
    from bayescale.decide import Decision
    from bayescale.models import Model
    from bayescale.runs import read_runs

    if sum(x is not None for x in (target, decision, about)) != 1:
        raise UserError("say what the runs are for, by one of --decision, --target and --about")
    if str(fit) == "prior":
        from bayescale.api import before_data

        chosen, table = Model.load(model), None
        inputs = chosen.definition.inputs
        if candidates is not None:
            table = read_runs(candidates, inputs=inputs, measured=False)
        elif budget is None:
            raise UserError("before any data, --budget says what FLOPs the first sweep may cost")
        posterior = before_data(chosen, table, budget, seed)
    else:
        posterior = load_fit(fit)
        inputs = posterior.model.definition.inputs
    offered = read_runs(candidates, inputs=inputs, measured=False) if candidates is not None else None
    try:
        if decision is not None:
            plan = posterior.plan(Decision.from_toml(decision), offered, budget, most or 8, seed)
        else:
            wanted = read_runs(target, inputs=inputs, measured=False) if target is not None else None
            if wanted is not None and most is None and str(fit) != "prior":
                _rank(posterior.next_runs(wanted, offered, budget), as_json)
                return exit_by_health(posterior)
            quantities = wanted if wanted is not None else names(about or "")
            plan = posterior.plan(quantities, offered, budget, most or 8, seed)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(str(error)) from None
    if as_json:
        say_json(plan.to_dict())
    else:
        say(plan.sentence)
        if len(plan.runs):
            say(table_text(plan.runs))
        say("\nCandidates by themselves:")
        say(table_text(plan.candidates.head(10)))
    if str(fit) != "prior":
        exit_by_health(posterior)


def _rank(ranked: Any, as_json: bool) -> None:
    if as_json:
        say_json(ranked.to_dict("records"))
    else:
        say(table_text(ranked))
