"""How fast the trainer is: against a plain loop in the manner of nanoGPT, and against the machine's matrix products.

    python benchmarks/trainer.py [--widths 16 32 64 128] [--seconds 5]

For each width: tokens per second of the plain loop on one process with all threads, of the trainer's step on the
same, and of as many trainers side by side as there are processors, one thread each, which is how a sweep runs
them. The last column is the side-by-side FLOP/s over those of a large matrix product with all threads. The plain
loop is what one would write first: per-tensor AdamW, one forward and backward pass a step, learned positions,
LayerNorm, GELU, standard attention. Prints a table in Markdown and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCAB, CONTEXT, DEPTH, BATCH = 512, 64, 2, 1024


class PlainBlock(nn.Module):
    """A GPT block as a tutorial writes it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("mask", torch.tril(torch.ones(CONTEXT, CONTEXT)).bool())

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = (
            y.view(b, t, self.heads, c // self.heads).transpose(1, 2)
            for y in self.qkv(self.first(x)).split(c, 2)
        )
        scores = (q @ k.transpose(-2, -1)) * (c // self.heads) ** -0.5
        weights = F.softmax(scores.masked_fill(~self.mask[:t, :t], float("-inf")), dim=-1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.second(x))))


class Plain(nn.Module):
    """The whole of it, embeddings tied."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCAB, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(PlainBlock(width, heads) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def plain_step(width: int) -> Callable[[], None]:
    """Return one step of the plain loop."""
    model = Plain(width, max(1, width // 16))
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)
    text = torch.from_numpy(tokens().astype(np.int64))

    def step() -> None:
        starts = torch.randint(len(text) - CONTEXT - 1, (BATCH // CONTEXT,))
        x = torch.stack([text[i : i + CONTEXT] for i in starts])
        y = torch.stack([text[i + 1 : i + 1 + CONTEXT] for i in starts])
        loss = F.cross_entropy(model(x).view(-1, VOCAB), y.view(-1))
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=False)
        adam.step()

    return step


def trainer_step(width: int) -> tuple[Callable[[], None], int]:
    """Return one step of the trainer's, and its training FLOPs per token."""
    from bayescale.trainer import architectures, optimizer
    from bayescale.trainer.dataset import Order
    from bayescale.trainer.plan import RunConfig
    from bayescale.trainer.train import _step

    config = RunConfig(
        "gpt", "", "", "", VOCAB, CONTEXT, width, DEPTH, max(1, width // 16), 1000, BATCH,
        1e-3, 1e-3, 1, 0.1, 0.1, 1, 0,
    )  # fmt: skip
    model = architectures.build("gpt", config.shape())
    model.initialise(0)
    adam = optimizer.make(model, config)
    optimizer.set_rates(adam, 1, config)
    order = Order(tokens(), CONTEXT, 0)
    done = 0

    def step() -> None:
        nonlocal done
        _step(model, adam, order, done, BATCH // CONTEXT)
        done += BATCH // CONTEXT

    return step, 3 * model.forward_flops_per_token()


def tokens() -> np.ndarray:
    """Draw text; how fast a step is does not depend on what it says."""
    return np.random.default_rng(0).integers(0, VOCAB, size=500_000).astype(np.uint16)


def rate(step: Callable[[], None], seconds: float) -> float:
    """Steps per second after a few to warm up."""
    for _ in range(3):
        step()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - begun)


def alone(job: tuple[int, float]) -> float:
    """Steps per second of the trainer on one thread."""
    torch.set_num_threads(1)
    return rate(trainer_step(job[0])[0], job[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128])
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    torch.set_num_threads(processors)
    a = torch.randn(1024, 1024)
    peak = 2 * 1024**3 * rate(lambda: torch.mm(a, a), arguments.seconds)
    print(f"{processors} processors, matrix products at {peak:.3g} FLOP/s\n")
    print(
        "| width | parameters | plain loop, tokens/s | one run, tokens/s | side by side | gain | of the peak |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processors, mp_context=context) as pool:
        list(pool.map(alone, [(16, 0.1)] * processors))  # imports done
        for width in arguments.widths:
            params = sum(p.numel() for p in Plain(width, 1).parameters())
            step, flops = trainer_step(width)
            plain = BATCH * rate(plain_step(width), arguments.seconds)
            single = BATCH * rate(step, arguments.seconds)
            beside = BATCH * sum(pool.map(alone, [(width, arguments.seconds)] * processors))
            rows.append({"width": width, "params": params, "plain": plain, "one": single, "beside": beside})
            print(
                f"| {width} | {params:,} | {plain:,.0f} | {single:,.0f} | {beside:,.0f} | {beside / plain:.2f} | "
                f"{beside * flops / peak:.0%} |"
            )
    print()
    print(json.dumps({"peak_flops": peak, "rows": rows}))


if __name__ == "__main__":
    main()
