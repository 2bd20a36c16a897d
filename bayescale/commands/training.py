"""Measuring: train a sweep of small models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bayescale.commands.console import say


class Engine(StrEnum):
    """What carries a sweep's runs out."""

    local = "local"
    ray = "ray"


class Device(StrEnum):
    """What runs are trained on."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def train(
    sweep: Annotated[
        Path, typer.Argument(metavar="SWEEP.toml", help="Sizes, budgets, architectures and tasks.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The runs table; what the sweep file says where absent.")
    ] = None,
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for tokens, checkpoints and finished runs.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", help="Runs at once.")] = 1,
    threads: Annotated[int, typer.Option("--threads", help="Threads of each run.")] = 1,
    engine: Annotated[
        Engine, typer.Option("--engine", help="This machine's processes, or the Ray cluster there is.")
    ] = Engine.local,
    device: Annotated[
        Device, typer.Option("--device", help="Where to train; a GPU where there is one, by default.")
    ] = Device.auto,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile the models' blocks: worth it for runs of minutes.")
    ] = False,
) -> None:
    """Train a sweep of small language models and write the runs table.

    Goes on where it stopped: a finished run never runs again, an interrupted one resumes from its checkpoint.
    Needs the extra: pip install "bayescale[train]"; with --engine ray also "bayescale[ray]".
    """
    from bayescale.trainer import run_sweep

    table = run_sweep(
        sweep,
        out=out,
        work=work,
        workers=workers,
        threads=threads,
        engine=engine.value,
        device=device.value,
        compiled=compiled,
    )
    say(f"{len(table)} runs")
