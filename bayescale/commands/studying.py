"""The loop from design to decision, on the bundled trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.bundled import DEFAULT_MODEL
from bayescale.commands.console import note, say, say_json
from bayescale.commands.fits import settings_of, writable
from bayescale.commands.gate import answering
from bayescale.commands.options import Accept, AsJson, Chains, Kept, ModelName, Seed, Warmup


def study(
    sweep: Annotated[Path, typer.Argument(metavar="SWEEP.toml", help="The sweep whose runs are the menu.")],
    decision: Annotated[Path, typer.Argument(metavar="DECISION.toml", help="What has to be decided.")],
    budget: Annotated[float, typer.Option("--budget", help="Training FLOPs of all runs together.")],
    level: Annotated[
        float, typer.Option("--level", help="End when the answer is right with this probability.")
    ] = 0.9,
    batch: Annotated[int, typer.Option("--runs", help="Runs in a round, at most.")] = 4,
    rounds: Annotated[int, typer.Option("--rounds", help="Rounds, at most.")] = 10,
    model: ModelName = DEFAULT_MODEL,
    out: Annotated[Path | None, typer.Option("--out", help="The runs table, kept up to date.")] = None,
    fit: Annotated[Path | None, typer.Option("--fit", help="Where the last posterior goes.")] = None,
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for tokens, checkpoints and finished runs.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of each run.")] = 1,
    seed: Seed = 0,
    chains: Chains = 4,
    warmup: Warmup = 600,
    draws: Kept = 1000,
    target_accept: Accept = 0.95,
    as_json: AsJson = False,
) -> None:
    """Design, train, fit, decide, and again, until the answer is sure, the budget is gone, or nothing pays.

    The first batch is planned from the model's prior; every later one is what tells the decision most. Finished runs
    are never trained again: the same command goes on where it stopped. Needs pip install "bayescale[train]".
    """
    from bayescale.trainer import needs

    needs("torch", "tokenizers", "safetensors")
    from bayescale.decide import Decision
    from bayescale.study import study as make_study

    for path in (out, fit):
        if path is not None:
            writable(path)
    settings = settings_of(chains, warmup, draws, target_accept)
    question = Decision.from_toml(decision)
    found = make_study(
        sweep,
        question,
        budget,
        model,
        level,
        batch,
        rounds,
        out,
        work,
        settings,
        seed,
        threads,
        announce=note,
    )
    if fit is not None:
        found.posterior.save(fit)
        note(f"wrote {fit}")
    with answering(found.posterior.health(), as_json, despite=True):
        if as_json:
            said = {"rounds": found.rounds.to_dict("records"), "stopped": found.stopped}
            say_json({**said, "verdict": found.verdict.to_dict()})
            return
        say(question.question)
        say(str(found))
