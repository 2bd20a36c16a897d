"""What simpler language moves: exponents, the floor, or only offsets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from bayescale.inference.health import Health
from bayescale.numerals import percent
from bayescale.runs import read_runs
from bayescale.skills.complexity import ROLES, Moved, what_moves
from bayescale.skills.study import parted
from fitted.common import COMMAND, DOCS, WORLDS, fitted, gate, interval, table
from fitted.figures import draw_moved
from fitted.marked import put

PROSE = ("simpler_prose", "simple_prose", "ordinary_prose")


def moves(work: Path) -> None:
    runs, _, _ = parted(read_runs(WORLDS / "runs.parquet", where='status == "finished"'))
    entropy = runs[runs["task"].isin(PROSE)].groupby("task")["word_entropy"].first().to_dict()
    parts = []
    for law in ("chinchilla", "generalised"):
        posterior = fitted(work, f"cheaper-{law}", runs, law)
        parts.append((law, posterior.health(), what_moves(posterior, entropy)))
    draw_moved({law: found for law, _, found in parts}, DOCS / "skills-moves.png")
    put(
        DOCS / "small-worlds.md",
        "moves",
        COMMAND,
        "\n\n".join(
            [
                "## What simpler language moves",
                f"A law of the {len(runs)} runs of all budgets but the dearest, parameters partially pooled over the "
                "worlds; each draw's slope of a parameter on the worlds' entropy of a word, from "
                f"{min(entropy.values()):.2f} to {max(entropy.values()):.2f} nats, is its ratio between the ends. "
                "Floor and offsets are per byte. `moved`: by more than a tenth, either way. Offsets are the size of "
                "the law's terms at the middle of the runs, or (L0) of the whole loss there.",
                "![Ratios of the law's parameters between ordinary and simpler prose](skills-moves.png)",
                *(part for law, health, found in parts for part in moved_text(law, health, found)),
            ]
        ),
    )


def moved_text(law: str, health: Health, found: Moved) -> list[str]:
    return [
        gate(f"`{law}`", health),
        table(
            [f"`{law}`", "role", "ordinary over simpler", "P(higher)", "P(moved)"],
            [
                [
                    row["parameter"],
                    row["role"],
                    interval(pd.Series(row), "ratio", lambda x: f"{x:.2f}"),
                    percent(row["higher"]),
                    percent(row["moved"]),
                ]
                for row in found.table.to_dict("records")
            ],
        ),
        verdict(law, found),
    ]


def verdict(law: str, found: Moved) -> str:
    """The answer in a sentence."""
    said = []
    for role in ROLES:
        part = found.table[found.table["role"] == role]
        if part.empty:
            continue
        said.append(
            f"{role}s " if len(part) > 1 else f"{role} ",
        )
        said[-1] += ", ".join(
            f"{row['parameter']} {percent(row['moved'])}" for row in part.to_dict("records")
        )
    return f"By `{law}`, the probability that simplifying moves it by more than a tenth: {'; '.join(said)}."
