"""Ensembles of seeds: models that differ in their seed alone, their predictions averaged.

Kondratyuk et al. (2020), arXiv:2005.00570: at equal cost, several small models may do better than a large one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bayescale.trainer import evaluate
from bayescale.trainer.after.kept import Kept, Say, write_measured
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import PlannedRun


def measure(kept: Kept, out: Path, say: Say = print) -> pd.DataFrame:
    """Measure ensembles of every size that the seeds allow, and single models beside them.

    Of `n` seeds, ensembles of `k` are `n // k` that share no member, in the order of the seeds, so that rows of one
    size are independent draws. A run of one seed is a row too: what an ensemble is held against.

    Parameters
    ----------
    kept : Kept
        The trained sweep.
    out : Path
        The runs table. `params` and `tokens` are those of one member, `flops` what training all of them took,
        `inference_flops` those of a forward pass of all, per token.
    say : callable
        Told of each family of seeds.

    Raises
    ------
    TrainerError
        If no run has a second seed.
    """
    families: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in kept.runs:
        families[replace(run.config, seed=0).run_id].append(run)
    if max(len(runs) for runs in families.values()) < 2:
        raise TrainerError(
            f"no run of sweep {kept.sweep.name!r} has a second seed; give a budget seeds = [0, 1, ...] and train on"
        )
    rows = []
    for runs in families.values():
        runs.sort(key=lambda run: run.config.seed)
        found = [_losses(kept, run) for run in runs]
        owners = found[0].owners
        single = kept.row(runs[0])
        forward = _forward_flops(kept, runs[0])
        for size in range(1, len(runs) + 1):
            for first in range(0, len(runs) - size + 1, size):
                members = runs[first : first + size]
                losses = mixture([f.losses for f in found[first : first + size]])
                held_out = evaluate.summary(losses, owners)
                flops = [kept.results[member.config.run_id]["flops"] for member in members]
                rows.append(
                    {
                        **_common(single),
                        "run_id": _identity(members),
                        "loss": held_out.loss,
                        "loss_se": held_out.loss_se,
                        "flops": float(sum(flops)),
                        "ensemble": size,
                        "inference_flops": float(size * forward),
                        "seeds": " ".join(str(member.config.seed) for member in members),
                        "split": runs[0].split,
                        "held_out_tokens": held_out.tokens,
                    }
                )
        if len(runs) > 1:
            c = runs[0].config
            say(f"{c.architecture} on {c.task}, N={runs[0].params_total:,}: {len(runs)} seeds")
    return write_measured(
        rows, out, source=f"ensembles of sweep {kept.sweep.name}, bayescale measure ensembles"
    )


def mixture(losses: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Loss of the mean of several models' probabilities, from the loss of each, token by token."""
    return np.log(len(losses)) - np.logaddexp.reduce([-loss for loss in losses], axis=0)


def _losses(kept: Kept, run: PlannedRun) -> evaluate.TokenLosses:
    return evaluate.token_losses(kept.model(run), kept.dataset(run.config.task), run.config.held_out_tokens)


def _forward_flops(kept: Kept, run: PlannedRun) -> int:
    return kept.model(run).forward_flops_per_token()


def _identity(members: Sequence[PlannedRun]) -> str:
    ids = [member.config.run_id for member in members]
    if len(ids) == 1:
        return ids[0]
    return hashlib.sha256(" ".join(ids).encode()).hexdigest()[:12]


_SAME = (
    "architecture", "task", "params", "tokens", "params_total", "params_embedding", "params_active", "unique_tokens",
    "steps", "batch_tokens", "learning_rate", "schedule", "context", "vocab", "width", "depth", "bytes_per_token",
    "budget", "word_entropy",
)  # fmt: skip


def _common(row: dict[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in _SAME if key in row}
