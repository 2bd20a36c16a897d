"""Whether to run it, and what to run first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say, say_json, table_text
from bayescale.commands.fits import fit_of, other_fits, unseen
from bayescale.commands.gate import answering
from bayescale.commands.options import (
    AsJson,
    FitFile,
    ModelName,
    NewGroups,
    Seed,
)
from bayescale.commands.parsing import names
from bayescale.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.decide import Decision


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
    new_groups: NewGroups = False,
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

    A label that no run has is an error, unless `new_groups = true` in the file, or --new-groups, says that it is new.

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
    # A fit that failed gets the answer "not from these data".
    with fit_of(fit, despite=True) as posterior:
        question = _question(decision, new_groups)
        others = other_fits(also or [], as_json)
        verdict = posterior.decide(question, seed, unseen(posterior, holdout, where), others)
        if as_json:
            say_json(verdict.to_dict())
            return
        say(question.question)
        say(str(verdict))
        if verdict.believed:
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
    learn: Annotated[
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
    new_groups: NewGroups = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Which runs to buy next: for a decision until nothing is worth its cost, or to learn most per FLOP.

    With --decision: the expected value of sample information of single runs and of a batch, in the decision's unit,
    against what they cost. With --about, or with --target and --runs: the batch that gives most information on
    quantities or on a run's expected loss within --budget. With --target alone: candidates one by one.

    Before any data: bayescale next prior --budget 1e18 --about alpha,beta plans a first sweep from the model's prior.
    """
    from bayescale.models import Model
    from bayescale.runs import read_runs

    if sum(x is not None for x in (target, decision, learn)) != 1:
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
        from bayescale.api import load

        posterior = load(fit)
        inputs = posterior.model.definition.inputs
    named = "the model's prior" if str(fit) == "prior" else str(fit)
    with answering(posterior.health(), as_json, fit=named):
        offered = read_runs(candidates, inputs=inputs, measured=False) if candidates is not None else None
        wanted = read_runs(target, inputs=inputs, measured=False) if target is not None else None
        ranking = wanted is not None and most is None and str(fit) != "prior"
        try:
            if ranking and wanted is not None:
                _rank(posterior.next_runs(wanted, offered, budget, new_groups), as_json)
                return
            about: Any = _question(decision, new_groups) if decision is not None else wanted
            about = names(learn or "") if about is None else about
            plan = posterior.plan(about, offered, budget, most or 8, seed, new_groups)
        except UserError:
            raise
        except ValueError as error:
            raise UserError(str(error)) from None
        if as_json:
            say_json(plan.to_dict())
            return
        say(plan.sentence)
        if len(plan.runs):
            say(table_text(plan.runs))
        say("\nCandidates by themselves:")
        say(table_text(plan.candidates.head(10)))


def _question(path: Path, new_groups: bool) -> Decision:
    """A decision file's question, with new groups allowed where the option says so."""
    from bayescale.decide import Decision

    question = Decision.from_toml(path)
    return question.model_copy(update={"new_groups": question.new_groups or new_groups})


def _rank(ranked: pd.DataFrame, as_json: bool) -> None:
    if as_json:
        say_json({"candidates": ranked.to_dict("records")})
    else:
        say(table_text(ranked))
