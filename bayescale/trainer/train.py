"""One run, from its configuration to its result."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bayescale.trainer import architectures, checkpoint, evaluate, machine, noise, optimizer, weights
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.dataset import Dataset, Order
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.hardware import PROCESSOR, Hardware
from bayescale.trainer.learner import Learner
from bayescale.trainer.plan import RunConfig
from bayescale.trainer.team import ALONE, Team

CURVE_POINTS = 50
TRUNK_STRIDE = 20  # steps between the curve's points, and between noise measurements, of a shared trunk


def train(
    config: RunConfig,
    dataset: Dataset,
    state: Path | None = None,
    every: float = 60.0,
    tick: Callable[[int, float], None] = lambda step, loss: None,
    team: Team = ALONE,
    keep: Path | None = None,
    hardware: Hardware = PROCESSOR,
) -> dict[str, Any]:
    """Train one model and measure its held-out loss.

    Parameters
    ----------
    config : RunConfig
        The run.
    dataset : Dataset
        Its task's tokens.
    state : Path, optional
        Where its checkpoint is kept and gone on from; without, it starts over.
    every : float
        Seconds between checkpoints.
    tick : callable
        Called after each step with the steps done and the step's loss in nats per token.
    team : Team
        The processes that share the run's batches; by default this one alone.
    keep : Path, optional
        Where to keep the weights that it ends with.
    hardware : Hardware
        What to train on.

    Returns
    -------
    dict
        The run's result, fit for JSON: its row of the runs table without the sweep's labels, `curve` (tokens
        and mean train loss up to there) and `config`. A run that diverged (a loss that is no number, or a
        final one above the first) has status "diverged", and null for a loss that is no number.
    """
    # The random state is torch's, one for the process; the caller gets it back.
    with torch.random.fork_rng(devices=[]):
        return _train(config, dataset, state, every, tick, team, keep, hardware)


def _train(
    config: RunConfig,
    dataset: Dataset,
    state: Path | None,
    every: float,
    tick: Callable[[int, float], None],
    team: Team,
    keep: Path | None,
    hardware: Hardware,
) -> dict[str, Any]:
    provenance = machine.provenance()  # as the run begins: the source may change before it ends
    if any(dataset.manifest[key] != getattr(config, key) for key in ("corpus_sha256", "tokenizer_sha256")):
        raise TrainerError(f"run {config.run_id} was planned on other tokens of {config.task}; plan it again")
    phases = config.phases()
    for context, _ in phases:
        if (sequences := config.batch_tokens // context) % team.size:
            raise TrainerError(
                f"run {config.run_id} has batches of {sequences} sequences, which {team.size} processes cannot share "
                "evenly; start a number that divides it"
            )
    torch.manual_seed(config.seed)
    model = architectures.build(config.kind or config.architecture, config.shape())
    model.initialise(config.seed, config.base_width)
    learner = Learner.make(model, config, team, hardware)
    adam = learner.adam
    orders = {c: Order(dataset.train, c, config.seed, config.unique_tokens) for c, _ in phases}
    progress = _resume(config, state, model, adam) or checkpoint.Progress()
    trunk = config.schedule == "wsd"
    # Runs that share a trunk share its curve, so their points cannot depend on where they end.
    stride = TRUNK_STRIDE if trunk else max(1, config.steps // CURVE_POINTS)
    noisy = TRUNK_STRIDE if trunk else max(1, config.steps // max(1, config.noise_points))

    before, begun = progress.seconds, time.monotonic()
    saved = begun
    diverged = False
    while progress.step < config.steps:
        if state and team.saves and trunk and progress.step == config.steps - config.decay_steps:
            shared = _trunk(config, state, progress.step)
            checkpoint.save(shared, config.trunk_id, model, adam, progress, write=team.leads)
        optimizer.set_rates(adam, progress.step, config)
        order = orders[next(context for context, end in phases if progress.step < end)]
        sequences = config.batch_tokens // order.context
        # An odd batch has no halves to compare, and a team compares none.
        look = (
            team.size == 1
            and config.noise_points
            and sequences % 2 == 0
            and progress.step % noisy == noisy - 1
        )
        loss, found = learner.step(order, progress.step * sequences, sequences, bool(look))
        if found:
            progress.noise.append((progress.step, *found))
        if progress.step == 0:
            progress.first_loss = loss
        progress.step += 1
        progress.pending.append(loss)
        tick(progress.step, loss)
        if not math.isfinite(loss):
            diverged = True
            break
        if progress.step % stride == 0 or progress.step == config.steps:
            mean = sum(progress.pending) / len(progress.pending)
            progress.curve.append((progress.step * config.batch_tokens, mean))
            progress.pending.clear()
        now = time.monotonic()
        progress.seconds = before + now - begun
        if state and team.saves and progress.step < config.steps and team.agree(now - saved >= every):
            checkpoint.save(state, config.run_id, model, adam, progress, write=team.leads)
            saved = now

    if keep and team.saves:
        weights.save(keep, config.run_id, model, write=team.leads)
    held_out = evaluate.measure(model, dataset, config.held_out_tokens)
    diverged = diverged or not held_out.loss <= progress.first_loss
    tokens = progress.step * config.batch_tokens
    spent = phase_tokens(config, progress.step)
    flops = sum(3 * count * model.forward_flops_per_token(context) for context, count in spent.items())
    return {
        "run_id": config.run_id,
        "architecture": config.architecture,
        "task": config.task,
        "params": model.params_total(),
        "tokens": tokens,
        "loss": _finite(held_out.loss),
        "loss_se": _finite(held_out.loss_se),
        "flops": flops,
        "params_total": model.params_total(),
        "params_embedding": model.params_embedding(),
        "params_active": model.params_active(),
        "experts": config.experts,
        "granularity": config.granularity,
        "unique_tokens": unique_tokens(config, orders, progress.step),
        "steps": progress.step,
        "batch_tokens": config.batch_tokens,
        "learning_rate": config.learning_rate,
        "schedule": config.schedule,
        "context": config.context,
        "vocab": config.vocab,
        "width": config.width,
        "depth": config.depth,
        "heads": config.heads,
        "bytes_per_token": dataset.manifest["bytes_per_token"],
        "seed": config.seed,
        "status": "diverged" if diverged else "finished",
        "metric": "nats/token",
        "held_out_tokens": held_out.tokens,
        "noise_scale": noise.scale(progress.noise, config.steps),
        **_entropy_floor(dataset, config.context),
        "word_entropy": dataset.manifest.get("word_entropy"),
        "wall_s": round(before + time.monotonic() - begun, 3),
        **provenance,
        "machine": hardware.name,
        "created": datetime.now(UTC).date().isoformat(),
        "curve": [[at, loss] for at, loss in progress.curve],
        "noise": [list(measured) for measured in progress.noise],
        "config": asdict(config),
    }


def phase_tokens(config: RunConfig, steps: int) -> dict[int, int]:
    """Tokens trained on in the first `steps` steps, by the length of the sequences they came in."""
    spent: dict[int, int] = {}
    begun = 0
    for context, end in config.phases():
        spent[context] = spent.get(context, 0) + max(0, min(end, steps) - begun) * config.batch_tokens
        begun = end
    return spent


def unique_tokens(config: RunConfig, orders: Mapping[int, Order], steps: int) -> int:
    """Distinct train tokens that the first `steps` steps predict."""
    if len(orders) == 1:
        ((context, order),) = orders.items()
        return order.unique_tokens(steps * (config.batch_tokens // context))
    # Sequences of one length may cover what those of another did.
    seen = np.zeros(max(len(order.tokens) for order in orders.values()), dtype=bool)
    begun = 0
    for context, end in config.phases():
        sequences = config.batch_tokens // context
        for step in range(begun, min(end, steps)):
            starts = orders[context].starts(step * sequences, sequences)
            seen[(starts[:, None] + np.arange(1, context + 1)).ravel()] = True
        begun = end
    return int(seen.sum())


def _resume(
    config: RunConfig, state: Path | None, model: Decoder, adam: torch.optim.Optimizer
) -> checkpoint.Progress | None:
    """Put back the run's own checkpoint, or the furthest of the trunk that it shares; None without either."""
    if state is None:
        return None
    if state.exists() or config.schedule != "wsd":
        return checkpoint.load(state, config.run_id, model, adam)
    for step in range(config.steps - config.decay_steps, 0, -1):
        if (shared := _trunk(config, state, step)).exists():
            return checkpoint.load(shared, config.trunk_id, model, adam)
    return None


def _trunk(config: RunConfig, state: Path, step: int) -> Path:
    """Where the state of a trunk lies after that many steps at its constant rate."""
    return state.parent.parent / "trunks" / f"{config.trunk_id}-{step}.safetensors"


def _entropy_floor(dataset: Dataset, context: int) -> dict[str, float | None]:
    """Look up the least loss that any model can reach on windows of that context, where the language says it."""
    floor = dataset.manifest.get("entropy", {}).get("floor", [])
    error = dataset.manifest.get("entropy", {}).get("floor_se", [])
    known = 0 < context <= len(floor)
    return {
        "entropy_floor": floor[context - 1] if known else None,
        "entropy_floor_se": error[context - 1] if known else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
