"""What runs are trained on: this machine's processor or a GPU, in which precision, compiled or not."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from bayescale.trainer import machine
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.errors import TrainerError

DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True)
class Hardware:
    """A device, and how it is used. No part of a run's identity: it moves a loss by rounding.

    Parameters
    ----------
    device : str
        As torch names it: ``cpu``, ``cuda`` or ``cuda:1``.
    compiled : bool
        Whether blocks go through `torch.compile`.
    """

    device: str = "cpu"
    compiled: bool = False

    @property
    def is_gpu(self) -> bool:
        """Whether it is a GPU."""
        return self.device.startswith("cuda")

    @property
    def microbatch_tokens(self) -> int:
        """Tokens that pass through the model at once: a batch's logits would not fit a processor's cache."""
        return 131_072 if self.is_gpu else 4096

    @property
    def name(self) -> str:
        """The GPU's model, or the processor's."""
        return torch.cuda.get_device_name(self.device) if self.is_gpu else machine.processor()

    def autocast(self, precision: str) -> AbstractContextManager[None]:
        """Multiply matrices in bfloat16 where the run says so; weights and sums stay in float32."""
        return torch.autocast(
            self.device.partition(":")[0], dtype=torch.bfloat16, enabled=precision == "bf16"
        )

    def place(self, model: Decoder) -> None:
        """Move a model to the device; where asked for, compile its blocks, which are alike, once for all."""
        model.to(self.device)
        if self.compiled:
            for block in model.blocks:
                # The method and not the module: parameters keep their names, and hooks stay outside.
                block.forward = torch.compile(block.forward)


PROCESSOR = Hardware()


def choose(device: str = "auto", compiled: bool = False) -> Hardware:
    """Find the hardware that is asked for: by default a GPU where there is one.

    Raises
    ------
    TrainerError
        If torch finds no GPU, or there is no such device.
    """
    if device not in DEVICES:
        raise TrainerError(f"there is no device {device!r}; choose from {', '.join(DEVICES)}")
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise TrainerError(
            "torch finds no GPU here; choose --device cpu, or install a build of torch for your GPU "
            "(https://pytorch.org)"
        )
    return Hardware("cuda" if there and device != "cpu" else "cpu", compiled)
