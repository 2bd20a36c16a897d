"""Measuring more of trained models than the loss they ended with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.commands.console import note, say

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.trainer.after.kept import Kept

app = typer.Typer(
    name="measure",
    help="Measure trained models: skills, groups of tokens, ensembles, compression, retrieval.\n\n"
    "Takes a sweep file that says keep_weights = true, once `bayescale train` has carried it out, in full or in part; "
    "what was measured before is read, not made again.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SweepFile = Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="The sweep that was trained.")]
Work = Annotated[Path | None, typer.Option("--work", help="Its work folder; .bayescale/NAME where absent.")]
Cells = Annotated[
    list[str] | None,
    typer.Option("--cells", help="Only runs of these cells, such as 'llama/*'; may be given again."),
]


def _kept(sweep: Path, work: Path | None, cells: list[str] | None) -> Kept:
    from bayescale.trainer import needs
    from bayescale.trainer.config import read_sweep

    needs("torch", "tokenizers", "safetensors")
    from bayescale.trainer.after.kept import open_kept

    read = read_sweep(sweep)
    return open_kept(read, work or Path(".bayescale") / read.name, cells or ())


@app.command()
def skills(
    sweep: SweepFile,
    out: Annotated[Path, typer.Option("--out", help="The table of counts, .parquet or .csv.")] = Path(
        "skills.parquet"
    ),
    work: Work = None,
    cells: Cells = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", help="A task whose skills every model is scored on besides its own."),
    ] = None,
    task: Annotated[
        list[Path] | None,
        typer.Option("--task", help="A task file of lm-evaluation-harness, for every model."),
    ] = None,
) -> None:
    """Score every model on zero-shot skills made from its task's held-out text: counts of right answers."""
    kept = _kept(sweep, work, cells)
    from bayescale.trainer.after.skills import measure

    table = measure(kept, out, also or (), task or (), note)
    say(f"{len(table)} rows, {table['run_id'].nunique()} runs, {table['skill'].nunique()} skills: {out}")


Table = Annotated[Path | None, typer.Option("--out", help="The runs table; NAME.parquet where absent.")]


@app.command()
def groups(sweep: SweepFile, out: Table = None, work: Work = None, cells: Cells = None) -> None:
    """Measure losses by section, token frequency, context and document length."""
    kept = _kept(sweep, work, cells)
    from bayescale.trainer.after.groups import measure

    _said(measure(kept, out or Path("groups.parquet"), note), out or Path("groups.parquet"))


@app.command()
def ensembles(sweep: SweepFile, out: Table = None, work: Work = None, cells: Cells = None) -> None:
    """Measure ensembles of seeds, of every size that the sweep's seeds allow, beside its single models."""
    kept = _kept(sweep, work, cells)
    from bayescale.trainer.after.ensembles import measure

    _said(measure(kept, out or Path("ensembles.parquet"), note), out or Path("ensembles.parquet"))


@app.command()
def compression(
    sweep: SweepFile,
    out: Table = None,
    work: Work = None,
    cells: Cells = None,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            "--scheme", help="int8, int4g16 (a scale for every 16 weights), prune50; may be given again."
        ),
    ] = None,
    held_out_tokens: Annotated[
        int, typer.Option("--held-out-tokens", min=1, help="Tokens to measure each loss on, at most.")
    ] = 16_384,
) -> None:
    """Measure the loss after rounding weights to few bits, or setting the smallest to zero; nothing is retrained."""
    kept = _kept(sweep, work, cells)
    from bayescale.trainer.after.compression import DEFAULT, measure

    out = out or Path("compression.parquet")
    _said(measure(kept, out, tuple(scheme or DEFAULT), held_out_tokens, note), out)


@app.command()
def retrieval(
    sweep: SweepFile,
    out: Table = None,
    work: Work = None,
    cells: Cells = None,
    datastore: Annotated[
        list[int] | None,
        typer.Option("--datastore", min=1, help="Tokens of a datastore; may be given again for other sizes."),
    ] = None,
    neighbours: Annotated[int, typer.Option("--neighbours", min=1, help="Neighbours to look up.")] = 16,
    held_out_tokens: Annotated[
        int, typer.Option("--held-out-tokens", min=1, help="Tokens to predict, at most.")
    ] = 8_192,
) -> None:
    """Measure a kNN language model over datastores of several sizes.

    Needs the extra: pip install "bayescale[retrieval]".
    """
    kept = _kept(sweep, work, cells)
    from bayescale.trainer.after.retrieval import Settings, measure

    usual = Settings()
    settings = Settings(
        tuple(datastore) if datastore else usual.datastore_tokens, neighbours, held_out_tokens, usual.seed
    )
    out = out or Path("retrieval.parquet")
    _said(measure(kept, out, settings, note), out)


def _said(table: pd.DataFrame, out: Path) -> None:
    say(f"{len(table)} rows, {table['run_id'].nunique()} runs: {out}")
