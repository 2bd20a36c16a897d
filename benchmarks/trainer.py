"""How fast the trainer is: against a plain loop in the manner of nanoGPT, and against the machine's matrix products.

    python benchmarks/trainer.py [--widths 16 32 64 128 256] [--seconds 5] [--rounds 3] [--page]
    python benchmarks/trainer.py --device cuda --widths 256 512 1024 --context 512 --depth 8 --batch 131072

For each width: tokens per second of the plain loop on one process with all threads, of the trainer's step on the
same, and of as many trainers side by side as there are processors, one thread each, which is how a sweep runs
them; each the best of some rounds in turn, so that what else the machine does counts little. On a GPU both take one
process, matrix products are in bfloat16, and the trainer's blocks are compiled. The last column is the fastest's
FLOP/s over those of a large matrix product (model FLOPs utilisation of what this machine can do). The plain loop is
what one would write first: per-tensor AdamW, one forward and backward pass a step, learned positions, LayerNorm,
GELU, standard attention. Prints a table in Markdown; --page writes it into docs/throughput.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

VOCAB = 512
PAGE = Path(__file__).resolve().parents[1] / "docs" / "throughput.md"


@dataclass(frozen=True)
class Setup:
    """What is timed: sequences of `context`, `batch` tokens a step, on a device."""

    width: int
    context: int
    depth: int
    batch: int
    device: str

    @property
    def heads(self) -> int:
        """Heads of 16 channels on a processor, of 64 on a GPU, which needs them."""
        return max(1, self.width // (64 if self.gpu else 16))

    @property
    def gpu(self) -> bool:
        """Whether it is timed on a GPU."""
        return self.device == "cuda"


class PlainBlock(nn.Module):
    """A GPT block as a tutorial writes it."""

    def __init__(self, width: int, heads: int, context: int) -> None:
        super().__init__()
        self.heads = heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("mask", torch.tril(torch.ones(context, context)).bool())

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

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        width = setup.width
        self.tokens, self.positions = nn.Embedding(VOCAB, width), nn.Embedding(setup.context, width)
        blocks = (PlainBlock(width, setup.heads, setup.context) for _ in range(setup.depth))
        self.blocks, self.norm = nn.Sequential(*blocks), nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def plain_step(setup: Setup) -> Callable[[], object]:
    """Return one step of the plain loop."""
    model, context = Plain(setup).to(setup.device), setup.context
    adam = torch.optim.AdamW(model.parameters(), lr=1e-3, foreach=False)
    text = torch.from_numpy(tokens().astype(np.int64))

    def step() -> float:
        starts = torch.randint(len(text) - context - 1, (setup.batch // context,))
        x = torch.stack([text[i : i + context] for i in starts]).to(setup.device)
        y = torch.stack([text[i + 1 : i + 1 + context] for i in starts]).to(setup.device)
        with torch.autocast(setup.device, dtype=torch.bfloat16, enabled=setup.gpu):
            loss = F.cross_entropy(model(x).view(-1, VOCAB), y.view(-1))
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=False)
        adam.step()
        return loss.item()

    return step


def trainer_step(setup: Setup) -> tuple[Callable[[], object], int]:
    """Return one step of the trainer's, and its training FLOPs per token."""
    from bayescale.trainer import architectures, optimizer
    from bayescale.trainer.dataset import Order
    from bayescale.trainer.hardware import Hardware
    from bayescale.trainer.learner import Learner
    from bayescale.trainer.plan import RunConfig

    config = RunConfig(
        "gpt", "", "", "", VOCAB, setup.context, setup.width, setup.depth, setup.heads, 1000, setup.batch,
        1e-3, 1e-3, 1, 0.1, 0.1, 1, 0, precision="bf16" if setup.gpu else "float32",
    )  # fmt: skip
    model = architectures.build("gpt", config.shape())
    model.initialise(0)
    learner = Learner.make(model, config, hardware=Hardware(setup.device, compiled=setup.gpu))
    optimizer.set_rates(learner.adam, 1, config)
    order = Order(tokens(), setup.context, 0)
    done = 0

    def step() -> float:
        nonlocal done
        loss, _ = learner.step(order, done, setup.batch // setup.context)
        done += setup.batch // setup.context
        return loss

    return step, 3 * model.forward_flops_per_token()


def tokens() -> np.ndarray:
    """Draw text; how fast a step is does not depend on what it says."""
    return np.random.default_rng(0).integers(0, VOCAB, size=500_000).astype(np.uint16)


def rate(step: Callable[[], object], seconds: float) -> float:
    """Steps per second after a few to warm up; a step that returns its loss has waited for the GPU."""
    for _ in range(3):
        step()
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - begun)


def alone(job: tuple[Setup, float]) -> float:
    """Steps per second of the trainer on one thread."""
    torch.set_num_threads(1)
    return rate(trainer_step(job[0])[0], job[1])


def products(device: str, seconds: float) -> float:
    """FLOP/s of a large matrix product, in bfloat16 on a GPU."""
    size, kind = (8192, torch.bfloat16) if device == "cuda" else (1024, torch.float32)
    a = torch.randn(size, size, device=device, dtype=kind)
    return 2 * size**3 * rate(lambda: torch.mm(a, a)[0, 0].item(), seconds)


def measured(setup: Setup, seconds: float, rounds: int, pool: ProcessPoolExecutor | None) -> str:
    """Time one width, as a row of the table."""
    params = sum(p.numel() for p in Plain(setup).parameters())
    plain, (step, flops) = plain_step(setup), trainer_step(setup)
    best = {"plain": 0.0, "one": 0.0, "beside": 0.0, "peak": 0.0}
    for _ in range(rounds):
        now = {
            "plain": setup.batch * rate(plain, seconds),
            "one": setup.batch * rate(step, seconds),
            "beside": setup.batch * sum(pool.map(alone, [(setup, seconds)] * torch.get_num_threads()))
            if pool
            else 0.0,
            "peak": products(setup.device, seconds / 2),
        }
        best = {name: max(best[name], now[name]) for name in best}
    most = max(best["one"], best["beside"])
    beside = f"{best['beside']:,.0f}" if pool else "-"
    return (
        f"| {setup.width} | {params:,} | {best['plain']:,.0f} | {best['one']:,.0f} | {beside} | "
        f"{most / best['plain']:.2f} | {best['peak']:.2g} | {most * flops / best['peak']:.0%} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64, 128, 256])
    parser.add_argument("--context", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1024, help="tokens a step")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--page", action="store_true", help="write docs/throughput.md too")
    arguments = parser.parse_args()
    processors = len(os.sched_getaffinity(0))
    torch.set_num_threads(processors)
    gpu = arguments.device == "cuda"
    where = torch.cuda.get_device_name() if gpu else f"{processors} processors"
    lines = [
        f"{where}; GPT of {arguments.depth} layers, context {arguments.context}, {arguments.batch:,} tokens a step, "
        f"vocabulary {VOCAB}; the best of {arguments.rounds} rounds of {arguments.seconds:g} s.",
        "",
        "| width | parameters | plain loop, tokens/s | one run, tokens/s | side by side, tokens/s | gain over plain "
        "| matrix products, FLOP/s | of these |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processors, mp_context=context) as pool:
        for width in arguments.widths:
            setup = Setup(width, arguments.context, arguments.depth, arguments.batch, arguments.device)
            lines.append(measured(setup, arguments.seconds, arguments.rounds, None if gpu else pool))
            print(lines[-1], flush=True)
    if arguments.page:
        PAGE.write_text(INTRO + "\n".join(lines) + "\n", encoding="utf-8")
        print(f"wrote {PAGE.name}")


INTRO = (
    "# How fast the trainer is\n\n"
    "Made by `python benchmarks/trainer.py --page`. The plain loop is what one would write first, in the manner of "
    "nanoGPT: per-tensor AdamW, one forward and one backward pass a step, standard attention, all threads. The "
    "trainer's step has a fused optimiser, fused attention, batches gathered at once and micro-batches that stay in "
    'the cache; "side by side" is as many runs as processors, a thread each, which is how `bayescale train '
    "--workers` makes a sweep. The last column is the model's FLOPs (multiply-adds of its matrix products alone) over "
    "those of a large matrix product on the same machine.\n\n"
)


if __name__ == "__main__":
    main()
