"""Groups against each other at scale."""

from __future__ import annotations

from typing import Annotated

import typer

from bayescale.commands.console import say, say_json
from bayescale.commands.fits import fit_of
from bayescale.commands.options import AsJson, FitFile, For, NewGroups
from bayescale.commands.parsing import assignments, labels_of, names, numbers


def versus(
    fit: FitFile,
    by: Annotated[str, typer.Option("--by", help="The grouping column whose levels are compared.")],
    flops: Annotated[str, typer.Option("--flops", help="Budgets in FLOPs, separated by commas.")],
    levels: Annotated[
        str, typer.Option("--levels", help="Which of them, separated by commas; all where absent.")
    ] = "",
    only: For = "",
    new_groups: NewGroups = False,
    at: Annotated[
        str, typer.Option("--at", help="Where the law takes more than params and tokens: granularity=8")
    ] = "",
    equivalence: Annotated[
        str,
        typer.Option(
            "--equivalence",
            help="Largest difference that counts as none: in nats (0.01) or of the loss (1%); the noise of one run "
            "where absent.",
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Groups against each other at a budget: the difference, who is best, where curves cross, what a lead is worth.

    Each group is at its own optimum, and again all are at the same params and tokens. Draws are paired: what the groups
    share cancels out of the difference, and a group with few runs borrows from the others. A lead is also given as
    compute: by how much the other's budget would have to be multiplied to catch up. A difference is stated where it is
    larger than `--equivalence` with a probability of 90 %.

    \b
        bayescale versus fit.nc --by architecture --flops 1e21 --for task=code
    """
    with fit_of(fit, as_json) as posterior:
        found = posterior.versus(
            by,
            numbers(flops, "--flops"),
            names(levels) if levels else None,
            labels_of(only, "--for"),
            assignments(at, "--at"),
            equivalence or None,
            new_groups,
        )
        if as_json:
            say_json(
                {
                    "by": by,
                    "looked": list(found.looked),
                    "arms": found.arms.to_dict("records"),
                    "pairs": found.pairs.to_dict("records"),
                    "equivalence": found.equivalence.sentence,
                    "sentences": found.sentences,
                }
            )
        else:
            say(str(found))
