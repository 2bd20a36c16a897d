"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RunsFile = Annotated[Path, typer.Argument(metavar="RUNS", help="A runs table: .csv, .parquet or .jsonl.")]
FitFile = Annotated[Path, typer.Argument(metavar="FIT.nc", help="A posterior that `bayescale fit` wrote.")]
ModelName = Annotated[
    str,
    typer.Option(
        "--model",
        help="A model or a law by its name (`bayescale models`, `bayescale laws`), an expression such as "
        "'E + A * params**-a', or a model file. A law is pooled over the grouping columns that the table has.",
    ),
]
Where = Annotated[
    str | None, typer.Option("--where", help="Rows to use, such as 'split == \"fit\" and flops < 1e20'.")
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="The same seed, data and versions give the same figures.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print figures as JSON.")]
Chains = Annotated[int, typer.Option("--chains", help="Chains; R-hat needs at least two.")]
Warmup = Annotated[int, typer.Option("--warmup", help="Warm-up iterations a chain.")]
Kept = Annotated[int, typer.Option("--draws", help="Draws a chain.")]
Accept = Annotated[
    float,
    typer.Option("--target-accept", help="Raise towards 0.999 where there are divergences."),
]
Beside = Annotated[
    list[Path] | None,
    typer.Option("--beside", help="Another fit to stand beside this one; may be given several times."),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", help="Weights of the fits: what `bayescale backtest RUNS --model A,B --out` wrote."
    ),
]
NewGroups = Annotated[
    bool,
    typer.Option("--new-groups", help="Labels that no run has are new groups; without it they are an error."),
]
For = Annotated[
    str, typer.Option("--for", help="Only these groups, by their labels: architecture=llama,task=code.")
]
