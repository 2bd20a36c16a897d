"""From a runs table to a posterior, to bands, to a page."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say, say_json
from bayescale.commands.fits import (
    exit_by_health,
    fit_of,
    fit_table,
    fits_beside,
    read_for,
    settings_of,
    unseen,
    weights_in,
    writable,
)
from bayescale.commands.options import (
    Accept,
    AsJson,
    Beside,
    Chains,
    FitFile,
    Kept,
    ModelName,
    NewGroups,
    RunsFile,
    Seed,
    Warmup,
    Weights,
    Where,
)
from bayescale.commands.parsing import levels_of


class Of(StrEnum):
    """Whose loss a band is of."""

    run = "run"
    mean = "mean"


def fit(
    runs: RunsFile,
    out: Annotated[Path, typer.Option("--out", help="Where the posterior goes.")] = Path("fit.nc"),
    model: ModelName = DEFAULT_MODEL,
    where: Where = None,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 500,
    draws: Kept = 1000,
    target_accept: Accept = 0.95,
    as_json: AsJson = False,
) -> None:
    """Fit a model to measured runs by NUTS, check the sampling, and save the posterior.

    Ends with status 1 where the fit fails its health gate: it is saved, and not to be believed.
    """
    from bayescale.models import Model

    specification = Model.load(model)
    table = read_for([specification], runs, where)
    settings = settings_of(chains, warmup, draws, target_accept)
    # Found out now and not after sampling.
    writable(out)
    posterior = fit_table(table, specification, seed, settings)
    posterior.save(out)
    if as_json:
        summary = posterior.summary().reset_index(names="quantity").to_dict("records")
        say_json(
            {
                "out": str(out),
                "sha256": posterior.sha256,
                "health": posterior.health().to_dict(),
                "summary": summary,
            }
        )
    else:
        say(str(posterior.health()))
        say(str(posterior))
        say(f"wrote {out}")
    exit_by_health(posterior)


def predict(
    fit: FitFile,
    points: Annotated[
        Path,
        typer.Argument(metavar="POINTS", help="A table of runs to predict: the law's inputs and labels."),
    ],
    out: Annotated[str, typer.Option("--out", help="A CSV file, or - for standard output.")] = "-",
    quantiles: Annotated[
        str, typer.Option("--quantiles", help="0.05,0.5,0.95 or LOW:HIGH:STEP.")
    ] = "0.05,0.25,0.5,0.75,0.95",
    of: Annotated[
        Of, typer.Option("--of", help="The loss a new run would measure, or the expected loss.")
    ] = Of.run,
    beside: Beside = None,
    weights: Weights = None,
    new_groups: NewGroups = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Predict the loss at points, with bands.

    A label that the fitted runs have is that group; one that they do not have is an error, or with --new-groups a new
    group from the same population; a missing one is a mixture over the known groups. The column `group` says which.

    The columns `loss_mean` and `loss_sd` are empty for the loss of a new run: its Student-t noise on the log has no
    moments. The quantiles exist always; --of mean has the moments of the expected loss.

    With --beside every fit says what it predicts, a row a fit and point, and with --weights their average comes along.
    """
    from bayescale.runs import read_runs

    with fit_of(fit, as_json) as posterior:
        others = fits_beside(posterior, beside, as_json)
        every = [posterior, *others.values()]
        inputs = tuple(dict.fromkeys(c for one in every for c in one.model.definition.inputs))
        table = read_runs(points, inputs=inputs, measured=False)
        levels = levels_of(quantiles)
        if others:
            weighed = weights_in(weights)
            predicted = posterior.beside(others, table, weighed, of.value, levels, seed, new_groups)
        else:
            predicted = posterior.predict(table, of.value, levels, seed, new_groups=new_groups)
        if as_json:
            say_json({"predictions": predicted.to_dict("records")})
        elif out == "-":
            sys.stdout.write(predicted.to_csv(index=False))
        else:
            from bayescale.runs.atomic import replace_files

            writable(Path(out))
            replace_files({Path(out): predicted.to_csv(index=False).encode()})
            say(f"wrote {out}: {len(predicted)} rows, band of the {predicted['band'].iloc[0]}")


def report(
    fit: FitFile,
    out: Annotated[Path, typer.Option("--out", help="The page.")] = Path("report.html"),
    decision: Annotated[
        Path | None, typer.Option("--decision", help="A decision file; its verdict opens the page.")
    ] = None,
    holdout: Annotated[
        Path | None, typer.Option("--holdout", help="Runs that the fit has not seen, to check it by.")
    ] = None,
    where: Annotated[str | None, typer.Option("--where", help="Rows of --holdout to use.")] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder for the figures as files of their own.")
    ] = None,
    beside: Beside = None,
    weights: Weights = None,
    new_groups: NewGroups = False,
) -> None:
    """Write one self-contained HTML page: verdict, bands, exponents, allocation, health, conventions.

    With --beside the page also shows what other fits say: of other laws, and their average by --weights, or of the same
    law with and without a large run that is known already (`bayescale fit RUNS --where "run_id != 'big'"`).
    """
    from bayescale.decide import Decision

    # The page says of itself that a fit failed, which every other answer leaves to the gate.
    with fit_of(fit, despite=True) as posterior:
        question = Decision.from_toml(decision) if decision else None
        held = unseen(posterior, holdout, where)
        others = fits_beside(posterior, beside, despite=True)
        posterior.report(out, question, held, figures, others, weights_in(weights), new_groups)
        say(f"wrote {out}")
        for one in others.values():
            exit_by_health(one)
