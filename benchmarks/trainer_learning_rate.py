"""Does one learning rate serve every width? Held-out loss against the rate, over a factor 8 in width.

    python benchmarks/trainer_learning_rate.py [--parametrisation mup] [--architecture gpt] [--page] ...

The rates of a run (hidden matrices', embeddings', vectors') are those of runs/lab/sweep.toml, multiplied by the
same power of two. The optimum of each width is the vertex of the parabola through the best rate and its
neighbours, in log2. It prints a table in Markdown; --page writes it into docs/learning-rate.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

PAGE = Path(__file__).resolve().parents[1] / "docs" / "learning-rate.md"
INTRO = (
    "# One learning rate for all widths\n\n"
    "Made by `python benchmarks/trainer_learning_rate.py --page`. All rates of a run are multiplied by the same power "
    "of two; the rates that are multiplied are those of [runs/lab](../runs/lab/README.md), hidden matrices' falling as "
    '1 / width. With muP (`parametrisation = "mup"`) embeddings start alike at every width and logits are scaled, '
    'and the best rate hardly moves over a factor 8 in width; with hidden matrices alone scaled (`"scaled"`) it may. '
    "The best rate is the vertex of the parabola through the least loss and its neighbours.\n\n"
)


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
    parser.add_argument("--parametrisation", choices=["mup", "scaled"], nargs="+", default=["mup", "scaled"])
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
    parser.add_argument("--page", action="store_true", help="write docs/learning-rate.md too")
    arguments = parser.parse_args()
    lines = [line for kind in arguments.parametrisation for line in swept(arguments, kind)]
    if arguments.page:
        PAGE.write_text(INTRO + "\n".join(lines), encoding="utf-8")
        print(f"wrote {PAGE.name}")


def swept(arguments: argparse.Namespace, parametrisation: str) -> list[str]:
    """Sweep one parametrisation, print its table and return it."""
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
        base_width=arguments.base_width if parametrisation == "mup" else 0, **mixture,
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
    spread = max(best) - min(best)
    lines = [
        f"`{arguments.architecture}` on `{arguments.task}`, {parametrisation}, {arguments.steps} steps of 512 tokens: "
        f"held-out loss, nats per token. The best rates lie within a factor {2**spread:.2f} of each other.",
        "",
        "| width | " + " | ".join(f"rate x 2^{p}" for p in arguments.powers) + " | best |",
        "|---" * (len(powers) + 2) + "|",
    ]
    for width, row, at in zip(arguments.widths, losses, best, strict=True):
        lines.append(f"| {width} | " + " | ".join(f"{loss:.3f}" for loss in row) + f" | 2^{at:+.2f} |")
    print("\n".join([*lines, ""]), flush=True)
    return [*lines, ""]


if __name__ == "__main__":
    main()
