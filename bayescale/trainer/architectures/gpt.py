"""GPT: learned positions, LayerNorm ahead of each branch, a GELU network of four times the width, no biases.

Radford et al. (2019), "Language Models are Unsupervised Multitask Learners", apart from the biases.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Attention, Block, Decoder, Shape

TAKES = ("kv_heads",)


class FeedForward(nn.Module):
    """Expand fourfold, GELU, contract."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand = nn.Linear(width, 4 * width, bias=False)
        self.out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply to the last axis."""
        return self.out(F.gelu(self.expand(x)))


def build(shape: Shape) -> Decoder:
    """Make a GPT of that shape, its weights not yet drawn."""

    def norm() -> nn.Module:
        return nn.LayerNorm(shape.width, bias=False)

    return Decoder(
        shape,
        blocks=[
            Block((norm(), norm()), Attention(shape, bias=False), FeedForward(shape.width))
            for _ in range(shape.depth)
        ],
        norm=norm(),
        positions=nn.Embedding(shape.context, shape.width),
    )
