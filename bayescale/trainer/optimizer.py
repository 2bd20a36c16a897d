"""AdamW with a rate for hidden matrices and one for the rest, and the schedule of both."""

from __future__ import annotations

import math

import torch
from torch import nn

from bayescale.trainer.plan import RunConfig

BETAS = (0.9, 0.95)
EPSILON = 1e-8


def make(model: nn.Module, config: RunConfig) -> torch.optim.AdamW:
    """Make the optimiser.

    Hidden matrices have their own rate, embeddings another, and vectors that or their own; vectors (gains,
    biases) do not decay.
    """
    vector_rate = config.vector_learning_rate or config.embedding_learning_rate
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices, tables, vectors = [], [], []
    for parameter in model.parameters():
        if id(parameter) in embeddings:
            tables.append(parameter)
        elif parameter.ndim >= 2:
            matrices.append(parameter)
        else:
            vectors.append(parameter)
    groups = [
        {"params": matrices, "peak": config.learning_rate, "weight_decay": config.weight_decay},
        {"params": tables, "peak": config.embedding_learning_rate, "weight_decay": config.weight_decay},
        {"params": vectors, "peak": vector_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], betas=BETAS, eps=EPSILON, fused=True)


def schedule(step: int, config: RunConfig) -> float:
    """Rate of step `step` (from 0) as a share of its peak: a linear warm-up, then down to the run's end.

    It ends at the run's own horizon, as it must for runs of different lengths to compare (Hoffmann et al.,
    2022, arXiv:2203.15556): by a cosine, or (wsd) constant up to the last `decay_steps` and then down as one
    minus the square root of the share done, which Hägele et al. (2024, arXiv:2405.18392) found best.
    """
    if step < config.warmup_steps:
        return (step + 1) / config.warmup_steps
    if config.schedule == "wsd":
        done = max(0.0, (step - (config.steps - config.decay_steps)) / config.decay_steps)
        return config.final + (1 - config.final) * (1 - math.sqrt(done))
    done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.final + (1 - config.final) * 0.5 * (1 + math.cos(math.pi * done))


def set_rates(optimizer: torch.optim.Optimizer, step: int, config: RunConfig) -> None:
    """Put the step's rates into the optimiser."""
    share = schedule(step, config)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share
