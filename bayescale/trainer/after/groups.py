"""Losses that an average hides: by section, by how frequent a token is, by how much context there was, by length.

Diaz & Madaio (2023), arXiv:2307.03201: a scaling law of an aggregate need not hold for the groups it is made of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayescale.trainer import evaluate
from bayescale.trainer.after.kept import Kept, Say, each, write_measured
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.plan import PlannedRun

Bools = npt.NDArray[np.bool_]

# Of the train split's tokens: the most frequent kinds that make up the first half of it, and so on.
FREQUENCY = (("frequent", 0.0, 0.5), ("middling", 0.5, 0.9), ("rare", 0.9, 1.0))
SMALLEST = 0.03  # share of the held-out tokens; smaller sections are one group, "other"
FORMAT = 1


def measure(kept: Kept, out: Path, say: Say = print) -> pd.DataFrame:
    """Measure every kept model's held-out loss by group.

    Parameters
    ----------
    kept : Kept
        The trained sweep.
    out : Path
        The runs table: a row a run, a grouping (`grouping`: section, frequency, context, length) and a group
        (`group`). The groups of one grouping are the whole: their losses, weighted by `share`, mean to the run's.
    say : callable
        Told of each run.
    """

    def rows(run: PlannedRun) -> list[dict[str, Any]]:
        data = kept.dataset(run.config.task)
        found = evaluate.token_losses(kept.model(run), data, run.config.held_out_tokens)
        made = []
        for grouping, group, inside in groups(data, found):
            part = found.where(inside)
            held_out = evaluate.summary(part.losses, part.owners)
            made.append(
                {
                    "grouping": grouping,
                    "group": group,
                    "share": float(inside.mean()),
                    "loss": held_out.loss,
                    "loss_se": held_out.loss_se,
                    "held_out_tokens": held_out.tokens,
                }
            )
        return made

    table = []
    for run, found in each(kept, "groups", {"format": FORMAT}, rows, say):
        base = {k: v for k, v in kept.row(run).items() if k not in ("wall_s", "noise_scale")}
        table += [{**base, **row} for row in found]
    return write_measured(table, out, source=f"models of sweep {kept.sweep.name}, bayescale measure groups")


def groups(data: Dataset, found: evaluate.TokenLosses) -> Iterator[tuple[str, str, Bools]]:
    """Yield every grouping's groups: which of the measured tokens are inside. Empty ones are left out."""
    for grouping, labelled in (
        ("section", _sections(data, found)),
        ("frequency", _frequencies(data, found)),
        ("context", _contexts(found)),
        ("length", _lengths(data, found)),
    ):
        for group, inside in labelled:
            if inside.any():
                yield grouping, group, inside


def section(name: str) -> str:
    """The section that a document's name puts it in: its folder, or the first word ("1Sm 2" is of 1Sm)."""
    return name.split("/")[0] if "/" in name else re.split(r"[ _.\-]", name, maxsplit=1)[0]


def _sections(data: Dataset, found: evaluate.TokenLosses) -> list[tuple[str, Bools]]:
    names = np.array([section(name) for name in data.manifest["held_out_names"]])
    of_token = names[found.owners]
    there, counts = np.unique(of_token, return_counts=True)
    large = [str(n) for n, count in zip(there, counts, strict=True) if count >= SMALLEST * len(of_token)]
    labelled = [(name, of_token == name) for name in large]
    return [*labelled, ("other", ~np.isin(of_token, large))]


def _frequencies(data: Dataset, found: evaluate.TokenLosses) -> list[tuple[str, Bools]]:
    counts = np.bincount(data.train, minlength=int(data.manifest["vocab"])).astype(float)
    order = np.argsort(-counts, kind="stable")
    # How much of the split is made of more frequent tokens.
    before = np.empty_like(counts)
    before[order] = (np.cumsum(counts[order]) - counts[order]) / counts.sum()
    rank = before[found.ids]
    last = FREQUENCY[-1][0]
    return [(name, (rank >= low) & ((rank < high) | (name == last))) for name, low, high in FREQUENCY]


def _contexts(found: evaluate.TokenLosses) -> list[tuple[str, Bools]]:
    longest = int(found.places.max())
    edges = [1, *sorted({max(2, longest // 8), max(2, longest // 2)}), longest + 1]
    return [
        (f"{low} to {high - 1} tokens", (found.places >= low) & (found.places < high))
        for low, high in pairwise(edges)
        if low < high
    ]


def _lengths(data: Dataset, found: evaluate.TokenLosses) -> list[tuple[str, Bools]]:
    sizes = np.bincount(data.held_out_documents)
    of_token = sizes[found.owners]
    middle = np.median(of_token)  # of tokens, so that both halves are measured as well
    return [("shorter documents", of_token <= middle), ("longer documents", of_token > middle)]
