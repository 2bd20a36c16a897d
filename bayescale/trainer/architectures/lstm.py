"""LSTM: a stack of long short-term memory layers, each a pre-normalised residual branch; no positions.

Hochreiter and Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735, with the forget gate of Gers et al. (2000);
its bias starts at one, after Jozefowicz et al. (2015). A layer is mixer and network in one, so a block has no
feed-forward half. `heads` has no meaning here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Block, Decoder, Shape


class Recurrence(nn.Module):
    """One LSTM layer of the residual stream's width, from a zero state at the start of each sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.cell = nn.LSTM(width, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """Run over time: (batch, time, width) to the same."""
        y: Tensor = self.cell(x)[0]
        return y

    @torch.no_grad()
    def draw(self, generator: torch.Generator, depth: int) -> None:
        """Draw both matrices at fan_in ** -0.5; biases zero, the forget gate's one.

        Nothing is divided by the depth: the output gate and the tangent bound what the layer writes.
        """
        for name, parameter in self.cell.named_parameters():
            if name.startswith("weight"):
                nn.init.normal_(parameter, 0.0, self.width**-0.5, generator=generator)
            else:
                parameter.zero_()
                if name.startswith("bias_ih"):  # gates are in the order input, forget, cell, output
                    parameter[self.width : 2 * self.width] = 1.0

    def products_per_token(self, context: int) -> int:
        """Count the FLOPs of the four gates' products with input and state."""
        return 2 * 4 * self.width * (self.width + self.width)


def build(shape: Shape) -> Decoder:
    """Make an LSTM of that shape, its weights not yet drawn."""
    return Decoder(
        shape,
        blocks=[
            Block((nn.LayerNorm(shape.width, bias=False),), Recurrence(shape.width))
            for _ in range(shape.depth)
        ],
        norm=nn.LayerNorm(shape.width, bias=False),
    )
