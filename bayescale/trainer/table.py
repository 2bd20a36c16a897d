"""The runs table, put together from the runs' own results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.trainer import files
from bayescale.trainer.plan import PlannedRun

COLUMNS = [
    "run_id", "architecture", "task", "params", "tokens", "loss", "loss_se", "flops",
    "params_total", "params_embedding", "params_active", "experts", "granularity",
    "unique_tokens", "steps", "batch_tokens", "learning_rate", "schedule",
    "context", "vocab", "width", "depth", "heads", "bytes_per_token", "seed", "split", "status", "metric",
    "budget", "held_out_tokens", "noise_scale", "entropy_floor", "entropy_floor_se",
    "wall_s", "python", "torch", "machine", "commit", "code", "created",
]  # fmt: skip

# Of a corpus that knows it, and no column of a table without such a corpus.
WHERE_KNOWN = ["word_entropy"]


def result_path(work: Path, run_id: str) -> Path:
    """Where a run's result lies, once it is finished."""
    return work / "results" / f"{run_id}.json"


def read_results(work: Path) -> dict[str, dict[str, Any]]:
    """Read every finished run of a work folder."""
    return {path.stem: files.read_json(path) for path in sorted((work / "results").glob("*.json"))}


def assemble(results: Mapping[str, Mapping[str, Any]], planned: Iterable[PlannedRun]) -> pd.DataFrame:
    """Make the table: a row a finished run of the plan, diverged ones included, in the plan's order.

    The labels (`budget`, `split`) are the plan's: a sweep file can change them without training again.
    """
    rows = [
        {**results[run.config.run_id], "budget": run.budget, "split": run.split}
        for run in planned
        if run.config.run_id in results
    ]
    known = [c for c in WHERE_KNOWN if any(row.get(c) is not None for row in rows)]
    frame = pd.DataFrame(rows, columns=COLUMNS + known)
    return frame.astype({"loss": float, "loss_se": float})
