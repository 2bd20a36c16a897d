"""What every fitted part of a page needs: where things are, a posterior that is kept, and how figures are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

import bayescale as bs
from bayescale.inference.health import Health

DOCS = Path(__file__).parent.parent
WORLDS = DOCS.parent / "runs" / "small-worlds"
COMMAND = "python docs/make_skills.py"
SEED = 0


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def gate(what: str, health: Health) -> str:
    """The verdict, loudly where it is not PASS: no figure of such a fit stands alone."""
    if health.verdict == "PASS":
        return f"Health gate of {what}: PASS."
    missed = "; ".join(f"{c.name} {c.value:.4g} ({c.limit})" for c in health.checks if c.verdict != "PASS")
    return f"**Health gate of {what}: {health.verdict} ({missed}). Do not use the figures below.**"


def fitted(
    work: Path, name: str, runs: pd.DataFrame, model: str | bs.Model, settings: bs.Settings | None = None
) -> bs.Posterior:
    path = work / f"{name}.nc"
    if path.exists():
        return bs.load(path)
    print(f"{name}: {len(runs)} rows ...", flush=True)
    posterior = bs.fit(runs, model, seed=SEED, settings=settings, progress=lambda *_: None, command=COMMAND)
    posterior.save(path)
    return posterior


def interval(row: pd.Series, name: str, write: Callable[[float], str]) -> str:
    return f"{write(row[name])} ({write(row[f'{name}_q0.05'])} to {write(row[f'{name}_q0.95'])})"
