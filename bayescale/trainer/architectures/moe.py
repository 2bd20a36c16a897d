"""MoE: Llama whose feed-forward networks are fine-grained mixtures of experts.

Krajewski et al. (2024), arXiv:2402.07871: with a granularity G, an expert is G times narrower than a dense
network, and a token goes to the G experts that the router likes best, so that active parameters and FLOPs stay
those of the dense model (but for the router's). The router is pushed towards even loads by the loss of Fedus
et al. (2022), arXiv:2101.03961, equation 4. No token is ever dropped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer.architectures._common import Decoder, Shape
from bayescale.trainer.architectures.llama import RotaryAttention, even_heads, rms_decoder, swiglu_width
from bayescale.trainer.errors import TrainerError

TAKES = ("kv_heads", "experts", "granularity")
BALANCE = 0.01  # weight of the load-balancing loss, as Fedus et al. have it


class Experts(nn.Module):
    """SwiGLU experts, and the router that sends each token to `granularity` of them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.count, self.chosen = shape.experts, shape.granularity
        dense = swiglu_width(shape.width)
        if self.count < 2:
            raise TrainerError(
                'a mixture needs experts; in the sweep file say {name = "moe", experts = 8, granularity = 2}'
            )
        if self.chosen > self.count:
            raise TrainerError(
                f"granularity {self.chosen} sends a token to {self.chosen} experts, but there are "
                f"{self.count}; raise experts"
            )
        if dense % self.chosen:
            raise TrainerError(
                f"granularity {self.chosen} does not divide the feed-forward width {dense} that goes with "
                f"width {shape.width}; choose one that does"
            )
        hidden = dense // self.chosen
        self.router = nn.Linear(shape.width, self.count, bias=False)
        # Gate and up side by side, so that an expert is two products.
        self.enter = nn.Parameter(torch.empty(self.count, shape.width, 2 * hidden))
        self.leave = nn.Parameter(torch.empty(self.count, hidden, shape.width))
        self.balance = torch.zeros(())

    @torch.no_grad()
    def draw(self, generator: torch.Generator, depth: int) -> None:
        """Draw the experts at fan_in ** -0.5, what they write divided by sqrt(2 depth).

        The fan-in of what they write is all chosen experts', since a token gets their weighted sum.
        """
        nn.init.normal_(self.enter, 0.0, self.enter.shape[1] ** -0.5, generator=generator)
        fan_in = self.leave.shape[1]
        nn.init.normal_(self.leave, 0.0, (fan_in * 2 * depth) ** -0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Apply each token's experts, weighted by the router: (batch, time, width) to the same."""
        flat = x.reshape(-1, x.shape[-1])
        share = F.softmax(self.router(flat), dim=-1)
        weight, expert = share.topk(self.chosen, dim=-1)
        weight = weight / weight.sum(-1, keepdim=True)
        # Tokens in order of their expert: one dense product an expert, as many rows as it was sent.
        order = torch.argsort(expert.flatten(), stable=True)
        load = torch.bincount(expert.flatten(), minlength=self.count)
        rows = order // self.chosen
        parts = []
        for number, part in enumerate(flat[rows].split(load.tolist())):
            gate, up = (part @ self.enter[number]).chunk(2, dim=-1)
            parts.append((F.silu(gate) * up) @ self.leave[number])
        y = torch.cat(parts) * weight.flatten()[order, None]
        self.balance = self.count * (load / load.sum() * share.mean(0)).sum()
        # Back to the tokens' own order, where each one's experts lie side by side.
        back = torch.argsort(order)
        return y[back].view(-1, self.chosen, x.shape[-1]).sum(1).view_as(x)

    def auxiliary_loss(self) -> Tensor:
        """Return the weighted load-balancing loss of the last pass; its least is `BALANCE`, at even loads."""
        return BALANCE * self.balance

    def products_per_token(self, context: int) -> int:
        """Count the FLOPs of the chosen experts' products; the router is an `nn.Linear`."""
        one = self.enter[0].numel() + self.leave[0].numel()
        return 2 * self.chosen * one

    def idle_params(self) -> int:
        """Parameters of the experts that a token does not go to."""
        return (self.count - self.chosen) * (self.enter[0].numel() + self.leave[0].numel())


def build(shape: Shape) -> Decoder:
    """Make a mixture of experts of that shape, its weights not yet drawn."""
    even_heads(shape)
    return rms_decoder(shape, lambda: (RotaryAttention(shape), Experts(shape)))
