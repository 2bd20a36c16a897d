"""Hawk: a gated linear recurrence in place of attention, ahead of a SwiGLU network; no positions.

De et al. (2024), "Griffin", arXiv:2402.19427, section 2: the recurrent block with its real-gated linear
recurrent unit (equations 1 to 4). Apart from the paper: the recurrence is as wide as the residual stream, its
gates are dense, and the network is SwiGLU, as in `llama`. `heads` has no meaning here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Decoder, Shape
from bayescale.trainer.architectures.llama import SwiGLU, rms_decoder

SHARPNESS = 8.0  # the paper's c
TAPS = 4  # of the causal convolution ahead of the recurrence


def scan(decay: Tensor, x: Tensor) -> Tensor:
    """Solve h[t] = decay[t] * h[t - 1] + x[t] along axis 1, from zero, in log2(time) parallel sweeps.

    Hillis and Steele's doubling: after a sweep of stride s, each place holds the sum over its last 2 s
    inputs. All decays lie below one, so nothing grows, as it would in the closed form with cumulative
    products.
    """
    time, stride = x.shape[1], 1
    while stride < time:
        x = x + decay * F.pad(x, (0, 0, stride, 0))[:, :time]
        if 2 * stride < time:
            decay = decay * F.pad(decay, (0, 0, stride, 0))[:, :time]
        stride *= 2
    return x


class GatedRecurrence(nn.Module):
    """The recurrent block: a GELU gate times a causal convolution and a gated linear recurrence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(width, 2 * width, bias=False)  # the gate's branch and the recurrence's
        self.gates = nn.Linear(width, 2 * width)  # of the recurrence and of its input
        self.out = nn.Linear(width, width, bias=False)
        self.taps = nn.ParameterList(nn.Parameter(torch.empty(width)) for _ in range(TAPS))
        self.decay = nn.Parameter(torch.empty(width))

    @torch.no_grad()
    def draw(self, generator: torch.Generator, depth: int) -> None:
        """Start the decays between 0.9 and 0.999 at a gate of one, as the paper does, and the convolution.

        They are vectors to the optimiser, as gains are: one number a channel.
        """
        decays = torch.empty_like(self.decay).uniform_(0.9, 0.999, generator=generator)
        # a = sigmoid(decay) ** SHARPNESS
        self.decay.copy_(torch.logit(decays ** (1 / SHARPNESS)))
        for tap in self.taps:
            nn.init.normal_(tap, 0.0, TAPS**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Mix over time: (batch, time, width) to the same."""
        time = x.shape[1]
        gate, u = self.enter(x).chunk(2, dim=-1)
        padded = F.pad(u, (0, 0, TAPS - 1, 0))
        # A depth-wise convolution as its few products: on a CPU that is faster than the general one.
        u = torch.stack([padded[:, k : k + time] * tap for k, tap in enumerate(self.taps)]).sum(0)
        recurrence, entry = torch.sigmoid(self.gates(u)).chunk(2, dim=-1)
        log_decay = SHARPNESS * recurrence * F.logsigmoid(self.decay)
        # sqrt(1 - a ** 2), which keeps the state's variance, without cancellation where a is near one.
        kept = torch.sqrt(-torch.expm1(2 * log_decay))
        h = scan(torch.exp(log_decay), kept * entry * u)
        return self.out(F.gelu(gate) * h)


def build(shape: Shape) -> Decoder:
    """Make a Hawk of that shape, its weights not yet drawn."""
    return rms_decoder(shape, lambda: (GatedRecurrence(shape.width), SwiGLU(shape.width)))
