"""Processes that train one run together, each on its share of every batch (`torchrun`, DistributedDataParallel)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import nn

from bayescale.trainer.errors import TrainerError


@dataclass(frozen=True)
class Team:
    """This process's place among those that share a run.

    Parameters
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints and results."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """Make the model average its gradients over the team."""
        return model if self.size == 1 else nn.parallel.DistributedDataParallel(model)

    def share(self, batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Select this process's sequences of a batch."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def summing(self, forward: Any, last: bool) -> AbstractContextManager[None]:
        """Average gradients after the last part of a batch and not before: once a step."""
        return nullcontext() if self.size == 1 or last else forward.no_sync()

    def mean(self, value: float) -> float:
        """Average a number over the team."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(tensor)
        return tensor.item() / self.size


ALONE = Team()


@contextmanager
def joined() -> Iterator[Team]:
    """Join the team that `torchrun` started this process for.

    Raises
    ------
    TrainerError
        If `torchrun` did not start it.
    """
    if "RANK" not in os.environ:
        raise TrainerError(
            "this process belongs to no team; start it with: torchrun --nproc-per-node 2 -m bayescale.trainer.one"
        )
    dist.init_process_group("gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
