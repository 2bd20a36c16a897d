"""The whole story on the bundled runs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import say
from bayescale.commands.fits import fit_table
from bayescale.commands.gate import answering
from bayescale.commands.options import (
    Seed,
)


class Sweep(StrEnum):
    """A bundled sweep with a question of its own."""

    small_lm = "small-lm"
    lab = "lab"


def demo(
    runs: Annotated[
        Sweep,
        typer.Argument(
            help="small-lm: 100 runs of two architectures on two tasks; lab: 340 runs of five on seven, for "
            "a few minutes longer."
        ),
    ] = Sweep.small_lm,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the posterior, the report and the figures.")
    ] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """The whole story on the bundled runs, offline: fit, forecast, report, and a verdict.

    Fits the runs below the largest budget, forecasts those at the largest, which the fit has not seen, and answers the
    bundled decision file's question.
    """
    from bayescale.bundled import bundled
    from bayescale.decide import Decision
    from bayescale.forecast import held_out
    from bayescale.report.sentences import coverage
    from bayescale.runs import read_runs

    folder = bundled("runs") / runs.value
    everything = read_runs(folder / "runs.parquet", where='status == "finished"')
    fitted, holdout = (everything[everything["split"] == s] for s in ("fit", "holdout"))
    decision = Decision.from_toml(folder / "decision.toml")
    out.mkdir(parents=True, exist_ok=True)
    say(f"{len(fitted)} measured runs to fit, {len(holdout)} dearer ones held out.")
    say("\nsampling by NUTS, then again without the dearest and the largest runs ...")
    posterior = fit_table(fitted, DEFAULT_MODEL, seed, None)
    say(str(posterior))
    say(str(posterior.health()))
    # A fit that failed gets its page and the answer "not from these data".
    with answering(posterior.health(), despite=True):
        record = held_out(posterior, holdout)
        say(f"forecast: {coverage(record)}")
        posterior.save(out / "fit.nc")
        say(f"\nwrote {out / 'fit.nc'}; drawing the report ...")
        posterior.report(out / "report.html", decision=decision, holdout=holdout, figures=out / "figures")
        say(f"wrote {out / 'report.html'} and {out / 'figures'}")
        say(f"\n{decision.question}")
        say(str(posterior.decide(decision, seed, holdout)))
