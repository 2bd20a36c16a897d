"""Where and how the runs of a sweep are trained, and what each comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bayescale.trainer import weights
from bayescale.trainer.hardware import PROCESSOR, Hardware
from bayescale.trainer.plan import RunConfig

Result = dict[str, Any]


@dataclass(frozen=True)
class Workshop:
    """Where and how runs are trained.

    Parameters
    ----------
    folder : Path
        The work folder.
    data : mapping of task to Path
        Each task's tokens.
    workers, threads : int
        Processes side by side, and the threads of each.
    every : float
        Seconds between a run's checkpoints.
    keep : bool
        Whether the weights that runs end with are kept.
    hardware : Hardware
        What runs are trained on.
    """

    folder: Path
    data: Mapping[str, Path]
    workers: int
    threads: int
    every: float
    keep: bool = False
    hardware: Hardware = PROCESSOR

    def state(self, config: RunConfig) -> Path:
        """Where the checkpoint of a run in progress lies."""
        return self.folder / "checkpoints" / f"{config.run_id}.safetensors"

    def kept(self, config: RunConfig) -> Path | None:
        """Where the weights that a run ends with are kept, if they are."""
        return weights.path(self.folder, config.run_id) if self.keep else None
