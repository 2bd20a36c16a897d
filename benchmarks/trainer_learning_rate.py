"""Does one learning rate serve every width? Held-out loss against the rate, over a factor 8 in width.

    python benchmarks/trainer_learning_rate.py [--parametrisation mup|scaled] [--architecture gpt] ...

The rates of a run (hidden matrices', embeddings', vectors') are those of runs/lab/sweep.toml, multiplied by the
same power of two. The optimum of each width is the vertex of the parabola through the best rate and its
neighbours, in log2. It prints a table in Markdown and, last, one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np


def run(job: tuple[object, str]) -> float:
    """Train one run and return its held-out loss."""
    import torch

    from bayescale.trainer import dataset
    from bayescale.trainer.train import train

    config, folder = job
    torch.set_num_threads(1)
    loss = train(config, dataset.load(Path(folder)))["loss"]  # type: ignore[arg-type]
    return float("inf") if loss is None else loss


def vertex(log_rate: np.ndarray, loss: np.ndarray) -> float:
    """Return where the parabola through the least loss and its neighbours has its vertex; an edge as it is."""
    best = int(loss.argmin())
    if best in (0, len(loss) - 1) or not np.isfinite(loss[best - 1 : best + 2]).all():
        return float(log_rate[best])
    a, b, _ = np.polyfit(log_rate[best - 1 : best + 2], loss[best - 1 : best + 2], 2)
    return float(-b / (2 * a))


def main() -> None:
    """Sweep and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parametrisation", choices=["mup", "scaled"], default="mup")
    parser.add_argument("--architecture", default="gpt")
    parser.add_argument("--task", default="python_docs")
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--powers", type=int, nargs="+", default=[-2, -1, 0, 1, 2])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--base-width", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=1.2e-2)
    parser.add_argument("--embedding-learning-rate", type=float, default=0.12)
    parser.add_argument("--vector-learning-rate", type=float, default=0.02)
    parser.add_argument("--work", type=Path, default=Path(".bayescale/learning-rate"))
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()

    from bayescale.trainer import dataset
    from bayescale.trainer.config import Task
    from bayescale.trainer.plan import RunConfig

    folder = dataset.prepare(Task.model_validate(arguments.task), 512, arguments.work)
    manifest = dataset.load(folder).manifest
    mixture = {"experts": 8, "granularity": 2} if arguments.architecture == "moe" else {}
    base = RunConfig(
        architecture=arguments.architecture, task=arguments.task, corpus_sha256=manifest["corpus_sha256"],
        tokenizer_sha256=manifest["tokenizer_sha256"], vocab=manifest["vocab"], context=64, width=64, depth=2,
        heads=4, steps=arguments.steps, batch_tokens=512, learning_rate=arguments.learning_rate,
        embedding_learning_rate=arguments.embedding_learning_rate, warmup_steps=arguments.steps // 10, final=0.1,
        weight_decay=0.1, held_out_tokens=65_536, seed=0, vector_learning_rate=arguments.vector_learning_rate,
        base_width=arguments.base_width if arguments.parametrisation == "mup" else 0, **mixture,
    )  # fmt: skip
    jobs = [
        (
            replace(
                base,
                width=width,
                heads=max(1, width // 16),
                learning_rate=base.learning_rate * arguments.base_width / width * 2.0**power,
                embedding_learning_rate=base.embedding_learning_rate * 2.0**power,
                vector_learning_rate=base.vector_learning_rate * 2.0**power,
            ),
            str(folder),
        )
        for width in arguments.widths
        for power in arguments.powers
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(arguments.workers, mp_context=context) as pool:
        losses = np.array(list(pool.map(run, jobs))).reshape(len(arguments.widths), -1)

    powers = np.array(arguments.powers, dtype=float)
    best = [vertex(powers, row) for row in losses]
    print(f"{arguments.architecture}, {arguments.parametrisation}: held-out loss, nats per token\n")
    print("| width | " + " | ".join(f"rate x 2^{p}" for p in arguments.powers) + " | best: 2^ |")
    print("|---" * (len(powers) + 2) + "|")
    for width, row, at in zip(arguments.widths, losses, best, strict=True):
        print(f"| {width} | " + " | ".join(f"{loss:.3f}" for loss in row) + f" | {at:+.2f} |")
    print()
    print(
        json.dumps(
            {
                "architecture": arguments.architecture,
                "parametrisation": arguments.parametrisation,
                "best_log2_rate": dict(zip(arguments.widths, [round(b, 3) for b in best], strict=True)),
                "spread_log2": round(max(best) - min(best), 3),
            }
        )
    )


if __name__ == "__main__":
    main()
