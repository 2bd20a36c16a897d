"""Llama: rotary positions, RMSNorm ahead of each branch, a SwiGLU network, no biases; queries may share heads of
keys and values (`kv_heads`; Ainslie et al., 2023, arXiv:2305.13245).

Touvron et al. (2023), arXiv:2302.13971; rotary positions by Su et al. (2021), arXiv:2104.09864.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Attention, Block, Decoder, Shape
from bayescale.trainer.errors import TrainerError

TAKES = ("kv_heads",)
ROTARY_BASE = 10_000.0


class RotaryAttention(Attention):
    """Attention whose queries and keys are rotated by an angle proportional to their position."""

    cosine: Tensor
    sine: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape, bias=False)
        half = shape.head_width // 2
        frequency = ROTARY_BASE ** -(torch.arange(half, dtype=torch.float64) / half)
        angle = torch.outer(torch.arange(shape.context, dtype=torch.float64), frequency)
        # Not persistent: they follow from the shape, so a checkpoint need not carry them.
        self.register_buffer("cosine", angle.cos().float(), persistent=False)
        self.register_buffer("sine", angle.sin().float(), persistent=False)

    def place(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Rotate queries and keys."""
        cosine, sine = self.cosine[: q.shape[2]], self.sine[: q.shape[2]]
        return _rotate(q, cosine, sine), _rotate(k, cosine, sine)


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    # Channel i turns with channel i + half.
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cosine - second * sine, first * sine + second * cosine), dim=-1)


def swiglu_width(width: int) -> int:
    """Hidden width of a SwiGLU network: about 8/3 of the width, a multiple of 8."""
    return 8 * round(8 * width / 3 / 8)


class SwiGLU(nn.Module):
    """A gated feed-forward network of about 8/3 of the width: as many parameters as GELU at four times it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = swiglu_width(width)
        self.gate = nn.Linear(width, hidden, bias=False)
        self.up = nn.Linear(width, hidden, bias=False)
        self.out = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to the last axis."""
        return self.out(F.silu(self.gate(x)) * self.up(x))


def even_heads(shape: Shape) -> None:
    """Refuse heads that rotary positions cannot turn."""
    if shape.head_width % 2:
        raise TrainerError(
            f"width {shape.width} over heads {shape.heads} leaves {shape.head_width} channels a head; "
            "rotary positions turn pairs, so choose fewer heads or a width that leaves an even number"
        )


def build(shape: Shape) -> Decoder:
    """Make a Llama of that shape, its weights not yet drawn."""
    even_heads(shape)
    return rms_decoder(shape, lambda: (RotaryAttention(shape), SwiGLU(shape.width)))


def rms_decoder(shape: Shape, branches: Callable[[], tuple[nn.Module, nn.Module]]) -> Decoder:
    """A decoder with an RMSNorm ahead of each branch; `branches` makes a block's mixer and its network."""

    def norm() -> nn.Module:
        return nn.RMSNorm(shape.width, eps=1e-6)

    blocks = [Block((norm(), norm()), *branches()) for _ in range(shape.depth)]
    return Decoder(shape, blocks=blocks, norm=norm())
