"""One training run that changes its shape on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import fit_of, writable
from bayescale.commands.options import AsJson, FitFile, For
from bayescale.commands.parsing import assignments, labels_of, names, numbers


def adapt(
    fit: FitFile,
    by: Annotated[
        str | None, typer.Option("--by", help="The grouping column whose levels are shapes.")
    ] = None,
    sizes: Annotated[
        str,
        typer.Option(
            "--sizes", help="Params that a shape may have, separated by commas; several are shapes."
        ),
    ] = "",
    flops: Annotated[
        float | None, typer.Option("--flops", help="Budget: down to the loss that the best shape reaches.")
    ] = None,
    loss: Annotated[float | None, typer.Option("--loss", help="Instead of a budget: down to this.")] = None,
    levels: Annotated[
        str, typer.Option("--levels", help="Which levels, separated by commas; all where absent.")
    ] = "",
    only: For = "",
    at: Annotated[
        str, typer.Option("--at", help="Where the law takes more than params and tokens: granularity=8")
    ] = "",
    margin: Annotated[
        float, typer.Option("--margin", help="Share of the FLOPs that a change has to save to pay.")
    ] = 0.01,
    figure: Annotated[Path | None, typer.Option("--figure", help="Draw it, as a PNG, SVG or PDF.")] = None,
    as_json: AsJson = False,
) -> None:
    """When one training run should change its shape, and what that saves (Anagnostidis et al. 2023).

    A shape is a level of a grouping column, such as an architecture or the length of a sequence, a size, or both. At
    every loss the shape that needs the least further compute for a further fall is followed, in every draw of the
    posterior. Printed: one plan for all draws with the FLOPs that it saves against the best single shape, the
    probability that a change pays at all, where the draws change, and the orders by probability.

    \b
        bayescale adapt fit.nc --sizes 1e8,4e8,1e9 --flops 1e21
        bayescale adapt fit.nc --by architecture --levels patch-32,patch-16 --sizes 1e8 --loss 2.1
        bayescale adapt compute-only.nc --by architecture --flops 1e21 --for task=code
    """
    if figure is not None:
        writable(figure)
    with fit_of(fit, as_json) as posterior:
        found = posterior.adapt(
            by,
            flops,
            loss,
            names(levels) if levels else None,
            numbers(sizes, "--sizes") if sizes else None,
            labels_of(only, "--for"),
            assignments(at, "--at"),
            margin,
        )
        if as_json:
            say_json(found.to_dict())
        else:
            say(str(found))
        if figure is not None:
            from bayescale.report.figures.adaptive import draw

            draw(found, figure)
            note(f"wrote {figure}")
