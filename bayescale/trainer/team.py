"""Processes that train one run together, each on its share of every batch (`torchrun`).

Either every process holds the whole model and gradients are averaged (DistributedDataParallel), or each holds its
part of every weight and fetches the others' as it comes to a block (FSDP2, `fully_shard`), for what does not fit.
"""

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
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.hardware import Hardware


@dataclass(frozen=True)
class Team:
    """This process's place among those that share a run.

    Parameters
    ----------
    rank : int
        Its number, from 0.
    size : int
        How many there are.
    sharded : bool
        Whether each holds a part of the weights, not all.
    """

    rank: int = 0
    size: int = 1
    sharded: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process writes checkpoints and results."""
        return self.rank == 0

    @property
    def saves(self) -> bool:
        """Whether this process takes part in a saving: its weights are needed, or it writes."""
        return self.leads or self.sharded

    def wrap(self, model: Decoder, hardware: Hardware) -> nn.Module:
        """Make the model average its gradients over the team. A sharded model's parameters are then others."""
        if self.size == 1:
            return model
        if not self.sharded:
            return nn.parallel.DistributedDataParallel(model)
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(hardware.device.partition(":")[0], (self.size,))
        for block in model.blocks:
            fully_shard(block, mesh=mesh)
        return fully_shard(model, mesh=mesh)

    def share(self, batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Select this process's sequences of a batch."""
        return batch if self.size == 1 else batch[self.rank :: self.size]

    def summing(self, forward: Any, last: bool) -> AbstractContextManager[None]:
        """Average gradients after the last part of a batch and not before: once a step."""
        if self.sharded:
            forward.set_requires_gradient_sync(last)
            return nullcontext()
        return nullcontext() if self.size == 1 or last else forward.no_sync()

    def mean(self, value: float) -> float:
        """Average a number over the team."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(tensor)
        return tensor.item() / self.size

    def agree(self, decision: bool) -> bool:
        """Take the leader's decision where all must act together, which cannot go by each one's clock."""
        if not self.sharded or self.size == 1:
            return decision
        said = torch.tensor(int(decision))
        dist.broadcast(said, 0)
        return bool(said.item())


ALONE = Team()


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on the processor. Of one that is sharded, every process of its team must ask."""
    full = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return full.detach().cpu()


def placed(value: Tensor, like: Tensor) -> Tensor:
    """Put a whole tensor where another one is: on its device, and sharded as it is."""
    if not hasattr(like, "full_tensor") or value.shape != like.shape:
        return value.to(like.device)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


@contextmanager
def joined(hardware: Hardware, sharded: bool = False) -> Iterator[tuple[Team, Hardware]]:
    """Join the team that `torchrun` started this process for; says what hardware is this process's own.

    Raises
    ------
    TrainerError
        If `torchrun` did not start it.
    """
    if "RANK" not in os.environ:
        raise TrainerError(
            "this process belongs to no team; start it with: torchrun --nproc-per-node 2 -m bayescale.trainer.one"
        )
    if hardware.is_gpu:
        hardware = Hardware(f"cuda:{os.environ['LOCAL_RANK']}", hardware.compiled)
        torch.cuda.set_device(hardware.device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if hardware.is_gpu else "gloo")
    try:
        yield Team(dist.get_rank(), dist.get_world_size(), sharded), hardware
    finally:
        dist.destroy_process_group()
