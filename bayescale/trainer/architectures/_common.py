"""What every architecture shares: shape, tied head, initialisation, and the count of parameters and FLOPs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bayescale.trainer.errors import TrainerError


@dataclass(frozen=True)
class Shape:
    """The size of a decoder.

    Parameters
    ----------
    vocab : int
        Entries of the token embedding, which is also the output head.
    context : int
        Longest sequence in tokens, and the one that the FLOPs are counted at.
    width : int
        Residual stream, in channels.
    depth : int
        Number of blocks.
    heads : int
        Attention heads; `width` is divided evenly among them.
    kv_heads : int
        Heads of keys and values, each shared by `heads / kv_heads` heads of queries; 0 is as many as `heads`.
    experts : int
        Expert networks in a layer; 1 for a dense model.
    granularity : int
        Width of a dense feed-forward network over that of an expert, and experts that a token goes to.
    """

    vocab: int
    context: int
    width: int
    depth: int
    heads: int
    kv_heads: int = 0
    experts: int = 1
    granularity: int = 1

    def __post_init__(self) -> None:
        for name in ("vocab", "context", "width", "depth", "heads", "experts", "granularity"):
            if getattr(self, name) < 1:
                raise TrainerError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.width % self.heads:
            raise TrainerError(
                f"width {self.width} is not divisible by heads {self.heads}; choose heads that divide it"
            )
        if self.kv_heads < 0 or self.heads % (self.kv_heads or self.heads):
            raise TrainerError(
                f"heads {self.heads} is not divisible by kv_heads {self.kv_heads}; choose kv_heads that divide it"
            )

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads


class Attention(nn.Module):
    """Causal self-attention over one fused projection; `positions` may rotate queries and keys.

    Parameters
    ----------
    shape : Shape
        The decoder's shape.
    bias : bool
        Whether the projections have a bias.
    """

    def __init__(self, shape: Shape, bias: bool) -> None:
        super().__init__()
        self.heads, self.head_width = shape.heads, shape.head_width
        self.kv_heads = shape.kv_heads or shape.heads
        self.qkv = nn.Linear(shape.width, (self.heads + 2 * self.kv_heads) * self.head_width, bias=bias)
        self.out = nn.Linear(shape.width, shape.width, bias=bias)

    def place(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Put positions into queries and keys, both (batch, heads, time, channels); by default not at all."""
        return q, k

    def forward(self, x: Tensor) -> Tensor:
        """Attend: (batch, time, width) to the same."""
        batch, time, width = x.shape
        qkv = self.qkv(x).view(batch, time, -1, self.head_width).transpose(1, 2)
        q, k, v = qkv.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
        q, k = self.place(q, k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.kv_heads < self.heads)
        return self.out(y.transpose(1, 2).reshape(batch, time, width))

    def products_per_token(self, context: int) -> int:
        """Count the FLOPs of scores and weighted values: the whole square, though the mask discards half."""
        return 2 * 2 * context * self.heads * self.head_width


class Block(nn.Module):
    """A pre-normalised residual block: a mixer over time, then, where there is one, a feed-forward network."""

    def __init__(
        self, norms: Sequence[nn.Module], mixer: nn.Module, feed_forward: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norms)
        self.mixer = mixer
        self.feed_forward = feed_forward

    def forward(self, x: Tensor) -> Tensor:
        """Add the branches to the residual stream."""
        x = x + self.mixer(self.norms[0](x))
        return x if self.feed_forward is None else x + self.feed_forward(self.norms[1](x))


class Decoder(nn.Module):
    """A decoder-only language model with tied input and output embeddings.

    A module of a block may define what a plain `nn.Linear` says by itself:

    - `draw(generator, depth)`: draw its own weights;
    - `products_per_token(context)`: FLOPs of its matrix products beyond those of its `nn.Linear` layers;
    - `idle_params()`: parameters that a token does not pass through;
    - `auxiliary_loss()`: what its last forward pass adds to the train loss.

    Parameters
    ----------
    shape : Shape
        Its size.
    blocks : sequence of Block
        `shape.depth` of them. The `nn.Linear` that writes into the residual stream is called `out`.
    norm : nn.Module
        The last normalisation, ahead of the head.
    positions : nn.Embedding, optional
        Learned positions, added to the token embedding.
    """

    def __init__(
        self, shape: Shape, blocks: Sequence[Block], norm: nn.Module, positions: nn.Embedding | None = None
    ) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.vocab, shape.width)
        self.positions = positions
        self.blocks = nn.ModuleList(blocks)
        self.norm = norm
        self.logit_scale = 1.0

    def initialise(self, seed: int, base_width: int = 0) -> None:
        """Draw the weights from `seed`, whatever the process drew before.

        Matrices get a standard deviation of fan_in ** -0.5, so that activations keep their scale at every
        width; those that write into the residual stream get it divided by sqrt(2 * depth), so that they do at
        every depth. Embeddings get width ** -0.5, so that the tied head's logits start near one. (The usual
        0.02 starts narrow models so far from any distribution that short runs spend their steps on the way.)

        With a `base_width`, embeddings and head follow muP for tied embeddings (Yang et al., 2022,
        arXiv:2203.03466, table 8): the standard deviation is base_width ** -0.5 at every width, and logits
        are multiplied by base_width / width, so that a step of the same rate moves them as far in a wide
        model as in a narrow one. A model of the base width is the same either way.
        """
        generator = torch.Generator().manual_seed(seed)
        self.logit_scale = base_width / self.shape.width if base_width else 1.0
        writers = {
            id(m)
            for name, m in self.blocks.named_modules()
            if isinstance(m, nn.Linear) and name.rpartition(".")[2] == "out"
        }
        for module in self.modules():
            if isinstance(module, nn.Linear):
                std = module.in_features**-0.5
                if id(module) in writers:
                    std /= math.sqrt(2 * self.shape.depth)
                nn.init.normal_(module.weight, 0.0, std, generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                std = (base_width or self.shape.width) ** -0.5
                nn.init.normal_(module.weight, 0.0, std, generator=generator)
            elif hasattr(module, "draw"):
                module.draw(generator, self.shape.depth)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the next token.

        Parameters
        ----------
        ids : Tensor of int64, (batch, time)
            Token ids; `time` is at most the context.

        Returns
        -------
        Tensor, (batch, time, vocab)
        """
        x = self.tokens(ids)
        if self.positions is not None:
            x = x + self.positions.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        if self.logit_scale != 1.0:
            x = x * self.logit_scale
        return F.linear(x, self.tokens.weight)

    def auxiliary_loss(self) -> Tensor | None:
        """Sum what the last forward pass adds to the train loss, and never to a measured one; None for none."""
        losses = [m.auxiliary_loss() for m in self.blocks.modules() if hasattr(m, "auxiliary_loss")]
        return torch.stack(losses).sum() if losses else None

    def params_total(self) -> int:
        """Unique parameters; the tied embedding counts once."""
        return sum(p.numel() for p in self.parameters())

    def params_active(self) -> int:
        """Parameters that a token passes through: all, but for the experts that it does not go to."""
        idle = sum(m.idle_params() for m in self.blocks.modules() if hasattr(m, "idle_params"))
        return self.params_total() - idle

    def params_embedding(self) -> int:
        """Parameters of the token and position embeddings; the former also serve as the output head."""
        return sum(m.weight.numel() for m in self.modules() if isinstance(m, nn.Embedding))

    def forward_flops_per_token(self, context: int = 0) -> int:
        """Count the FLOPs of a forward pass over a full context, per token: matrix products alone.

        `context` is the length in tokens; 0 for the shape's own.

        A multiply and an add are 2 FLOPs. Attention counts the whole square of scores, as the products that a
        plain implementation carries out, though the mask discards half. Element-wise work, normalisation and
        softmax are left out, as is usual. What a module multiplies by beyond its `nn.Linear` layers it says
        itself, in `products_per_token`.
        """
        linear = sum(2 * m.weight.numel() for m in self.modules() if isinstance(m, nn.Linear))
        own = sum(
            m.products_per_token(context or self.shape.context)
            for m in self.blocks.modules()
            if hasattr(m, "products_per_token")
        )
        head = 2 * self.shape.vocab * self.shape.width
        return linear + own + head
