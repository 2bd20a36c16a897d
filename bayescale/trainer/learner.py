"""A model that learns: one optimiser step over a batch, however the batch is cut and shared out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer import noise, optimizer
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.dataset import Order
from bayescale.trainer.hardware import PROCESSOR, Hardware
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import ALONE, Team

CLIP = 1.0
"""Largest norm of a step's gradient."""


@dataclass(frozen=True, eq=False)
class Learner:
    """A model, its optimiser, and where and with whom it learns.

    Parameters
    ----------
    model : Decoder
    adam : Optimizer
        Of the model's parameters.
    forward : nn.Module
        What the team made of the model.
    team : Team
    hardware : Hardware
    precision : str
        Of matrix products: ``float32`` or ``bf16``.
    """

    model: Decoder
    adam: torch.optim.Optimizer
    forward: nn.Module
    team: Team = ALONE
    hardware: Hardware = PROCESSOR
    precision: str = "float32"

    @classmethod
    def make(
        cls, model: Decoder, config: RunConfig, team: Team = ALONE, hardware: Hardware = PROCESSOR
    ) -> Self:
        """Place a model that has its weights, share it out, and give it its optimiser."""
        hardware.place(model)
        # Before the optimiser: a sharded model's parameters are others.
        forward = team.wrap(model, hardware)
        return cls(model, optimizer.make(model, config), forward, team, hardware, config.precision)

    def step(
        self, order: Order, first: int, sequences: int, measure_noise: bool = False
    ) -> tuple[float, tuple[float, float] | None]:
        """Take one optimiser step over `sequences` windows from number `first` on.

        Returns
        -------
        loss : float
            Their mean, over the team.
        noise : (float, float), optional
            Where it is measured, what `noise.Split.estimate` says.
        """
        self.adam.zero_grad(set_to_none=True)
        ids = torch.from_numpy(self.team.share(order.batch(first, sequences))).to(self.hardware.device)
        split = noise.Split(self.model) if measure_noise else None
        losses: list[Tensor] = []
        for half in ids.chunk(2) if split else (ids,):
            if split and losses:
                split.half_done()
            parts = half.split(max(1, self.hardware.microbatch_tokens // order.context))
            for number, part in enumerate(parts):
                with self.team.summing(self.forward, number == len(parts) - 1):
                    losses.append(self._backward(part, len(part) / len(ids)))
        # Before the norm is clipped, which would hide it.
        found = split.estimate(sequences * order.context) if split else None
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        self.adam.step()
        # Asked for last: a GPU is waited for once a step.
        return self.team.mean(sum(loss.item() for loss in losses)), found

    def _backward(self, ids: Tensor, share: float) -> Tensor:
        """Add a part's gradient, weighed by its share of the batch; return its loss, weighed likewise."""
        with self.hardware.autocast(self.precision):
            logits = self.forward(ids[:, :-1])
            auxiliary = self.model.auxiliary_loss()
        loss = F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten()) * share
        (loss if auxiliary is None else loss + auxiliary * share).backward()
        return loss.detach()
