"""From a sweep to its runs: which sizes and how many tokens for each budget, and what makes a run itself."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from bayescale.trainer import architectures
from bayescale.trainer.config import Architecture, Budget, Size, Sweep, Training
from bayescale.trainer.errors import TrainerError

if TYPE_CHECKING:
    from bayescale.trainer.architectures._common import Shape

# Raised when the trainer changes what a configuration comes to, so that earlier runs are not taken for it.
RECIPE = 1

MIN_STEPS = 20  # fewer are no schedule


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run's result depends on, apart from the machine.

    Batch and held-out sizes are in tokens. `learning_rate` is the peak for hidden matrices,
    `embedding_learning_rate` that for all else, and `final` the share of either at the last step.

    Fields from `kind` on came later. At its default each leaves the run what it was before, so it is then no
    part of the identity, and runs measured earlier keep theirs: `kind` is the architecture's file ("": its
    name), `base_width` muP's (0: embeddings and head as they were, see `Decoder.initialise`), `decay_steps`
    those at the end of schedule "wsd", `unique_tokens` the subset trained on (0: all), `noise_points` the steps
    at which the gradient noise is measured, `vector_learning_rate` the peak for gains, biases and decays (0: that
    of embeddings), `contexts` the lengths of the sequences trained on, each with its share of the steps
    (empty: `context` throughout, which is the length that the loss is measured at either way), and `precision` that of
    matrix products ("float32", or "bf16": bfloat16 by autocast, the loss measured in float32 all the same).
    """

    architecture: str
    task: str
    corpus_sha256: str
    tokenizer_sha256: str
    vocab: int
    context: int
    width: int
    depth: int
    heads: int
    steps: int
    batch_tokens: int
    learning_rate: float
    embedding_learning_rate: float
    warmup_steps: int
    final: float
    weight_decay: float
    held_out_tokens: int
    seed: int
    recipe: int = RECIPE
    kind: str = ""
    kv_heads: int = 0
    experts: int = 1
    granularity: int = 1
    base_width: int = 0
    schedule: str = "cosine"
    decay_steps: int = 0
    unique_tokens: int = 0
    noise_points: int = 0
    vector_learning_rate: float = 0.0
    contexts: tuple[tuple[int, float], ...] = ()
    precision: str = "float32"

    @property
    def run_id(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the configuration's canonical JSON."""
        return self._hash(leave_out=())

    @property
    def trunk_id(self) -> str:
        """The same of what runs of schedule "wsd" have in common that differ in their horizon alone."""
        return self._hash(leave_out=("steps", "decay_steps"))

    def _hash(self, leave_out: tuple[str, ...]) -> str:
        usual = {f.name: f.default for f in fields(self)[_FIRST_FIELDS:]}
        said = {
            key: value
            for key, value in asdict(self).items()
            if key not in leave_out and not (key in usual and value == usual[key])
        }
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def tokens(self) -> int:
        """Tokens trained on, repetitions included."""
        return self.steps * self.batch_tokens

    def phases(self) -> list[tuple[int, int]]:
        """Lengths of the sequences trained on, in turn: (context, step that it ends before), the last at `steps`."""
        return phases(self.steps, self.contexts or ((self.context, 1.0),))

    def shape(self) -> Shape:
        """The model's shape."""
        from bayescale.trainer.architectures._common import Shape

        return Shape(
            self.vocab, self.context, self.width, self.depth, self.heads,
            self.kv_heads, self.experts, self.granularity,
        )  # fmt: skip


def phases(steps: int, contexts: Sequence[tuple[int, float]]) -> list[tuple[int, int]]:
    """Share steps out among contexts, to the nearest whole step: (context, step that it ends before)."""
    ends, share = [], 0.0
    for context, part in contexts:
        share += part
        ends.append((context, round(share * steps)))
    return [*ends[:-1], (ends[-1][0], steps)]


# Fields that are part of every identity: those of the first recipe.
_FIRST_FIELDS = [f.name for f in fields(RunConfig)].index("recipe") + 1


@dataclass(frozen=True)
class PlannedRun:
    """A run, and the labels a sweep gives it, which do not make it another run.

    `budget` are the FLOPs that the sweep file asks for, `flops` those that whole batches come to.
    """

    config: RunConfig
    budget: float
    split: str
    flops: int
    params_total: int


@dataclass(frozen=True)
class Counts:
    """A model's size: all parameters, those that a token passes through, training FLOPs per token."""

    params: int
    active: int
    flops_per_token: int


@dataclass(frozen=True)
class Candidate:
    """A rung of the ladder at one budget."""

    size: Size
    counts: Counts
    steps: int
    batch_tokens: int

    @property
    def tokens(self) -> int:
        return self.steps * self.batch_tokens

    @property
    def tokens_per_param(self) -> float:
        """Tokens per active parameter: where the optimum lies goes with what is computed."""
        return self.tokens / self.counts.active


def batch_tokens(tokens: float, training: Training, context: int) -> int:
    """Choose a batch, in tokens, for a run of that many: the power of two nearest coefficient * sqrt(tokens).

    The longer the run, the lower its loss and the noisier its gradients, hence the larger the batch that pays
    (McCandlish et al., 2018, arXiv:1812.06162); the square root lets the steps grow as well.
    """
    wanted = training.batch_coefficient * math.sqrt(tokens)
    size = 2 ** round(math.log2(max(wanted, 1.0)))
    size = min(max(size, training.batch_min), training.batch_max)
    return max(context, size // context * context)


def plan(
    sweep: Sweep, datasets: Mapping[str, Mapping[str, object]], say: Callable[[str], None] = lambda _: None
) -> list[PlannedRun]:
    """List a sweep's runs, cheapest budget first and cells interleaved, so that a part of it is balanced.

    Parameters
    ----------
    sweep : Sweep
        The sweep file.
    datasets : mapping of task name to manifest
        As in `Dataset.manifest`.
    say : callable
        Told of what is left out and why.
    """
    planned: dict[str, PlannedRun] = {}
    for budget in sorted(sweep.budgets, key=lambda b: b.flops):
        columns: list[list[PlannedRun]] = []
        for architecture in sweep.architectures:
            for task in sweep.tasks:
                if not any(fnmatch(f"{architecture.name}/{task.name}", cell) for cell in budget.cells):
                    continue
                manifest = datasets[task.name]
                vocab = int(str(manifest["vocab"]))
                there = int(str(manifest["train_tokens"]))
                most = sweep.data.max_epochs * min(there, budget.unique_tokens or there)
                ladder = [
                    _candidate(sweep, budget, size, _count(architecture, sweep.data.context, size, vocab))
                    for size in sweep.sizes
                ]
                affordable = [c for c in ladder if c.tokens <= most and c.steps >= MIN_STEPS]
                if not affordable:
                    say(
                        f"{architecture.name} on {task.name} at {budget.flops:.3g} FLOPs: no size takes at "
                        f"least {MIN_STEPS} steps and sees the train split at most "
                        f"{sweep.data.max_epochs:g} times; add sizes, or text"
                    )
                chosen = _nearest(affordable, budget.tokens_per_param)
                columns.append(
                    [
                        _planned(sweep, budget, architecture, task.name, manifest, c, seed)
                        for c, seed in _with_seeds(chosen, budget)
                    ]
                )
        for place in range(max(len(column) for column in columns)):
            for column in columns:
                if place < len(column):
                    run = column[place]
                    planned.setdefault(run.config.run_id, run)
    if not planned:
        raise TrainerError(f"sweep {sweep.name!r} comes to no run; add sizes or change budgets")
    return list(planned.values())


@functools.cache
def _count(architecture: Architecture, context: int, size: Size, vocab: int) -> Counts:
    import torch

    from bayescale.trainer.architectures._common import Shape

    a = architecture
    try:
        # The meta device holds shapes without memory, so a count costs nothing.
        with torch.device("meta"):
            shape = Shape(
                vocab, context, size.width, size.depth, size.heads, a.kv_heads, a.experts, a.granularity
            )
            model = architectures.build(a.kind, shape)
    except TrainerError as error:
        raise TrainerError(f"sizes: {error}") from None
    per_token = sum(s * model.forward_flops_per_token(c) for c, s in a.contexts or ((context, 1.0),))
    return Counts(model.params_total(), model.params_active(), round(3 * per_token))


def _candidate(sweep: Sweep, budget: Budget, size: Size, counts: Counts) -> Candidate:
    tokens = budget.flops / counts.flops_per_token
    batch = batch_tokens(tokens, sweep.training, sweep.data.context)
    return Candidate(size, counts, max(1, round(tokens / batch)), batch)


def _nearest(candidates: list[Candidate], targets: list[float]) -> list[Candidate]:
    """For each target in turn, the candidate nearest it in log tokens per parameter; each candidate once."""
    chosen: dict[Size, Candidate] = {}
    for target in targets:
        if candidates:
            near = min(candidates, key=lambda c: abs(math.log(c.tokens_per_param / target)))
            chosen.setdefault(near.size, near)
    return list(chosen.values())


def _with_seeds(chosen: list[Candidate], budget: Budget) -> Iterator[tuple[Candidate, int]]:
    for candidate in chosen:
        yield candidate, budget.seeds[0]
    repeated = chosen if budget.more_seeds_at is None else _nearest(chosen, [budget.more_seeds_at])
    for seed in budget.seeds[1:]:
        for candidate in repeated:
            yield candidate, seed


def _planned(
    sweep: Sweep,
    budget: Budget,
    architecture: Architecture,
    task: str,
    manifest: Mapping[str, object],
    c: Candidate,
    seed: int,
) -> PlannedRun:
    training = sweep.training
    trunk = training.schedule == "wsd"
    config = RunConfig(
        architecture=architecture.name,
        task=task,
        corpus_sha256=str(manifest["corpus_sha256"]),
        tokenizer_sha256=str(manifest["tokenizer_sha256"]),
        vocab=int(str(manifest["vocab"])),
        context=sweep.data.context,
        width=c.size.width,
        depth=c.size.depth,
        heads=c.size.heads,
        steps=c.steps,
        batch_tokens=c.batch_tokens,
        # As muP has it for Adam: a hidden matrix's rate falls as its fan-in grows, an embedding's does not
        # (Yang et al., 2022, arXiv:2203.03466), so that one rate serves every width.
        learning_rate=training.learning_rate * training.base_width / c.size.width,
        embedding_learning_rate=training.embedding_learning_rate,
        warmup_steps=training.warmup_steps if trunk else max(1, round(training.warmup * c.steps)),
        final=training.final,
        weight_decay=training.weight_decay,
        held_out_tokens=sweep.data.held_out_tokens,
        seed=seed,
        kind="" if architecture.kind == architecture.name else architecture.kind,
        kv_heads=architecture.kv_heads,
        experts=architecture.experts,
        granularity=architecture.granularity,
        base_width=training.base_width if training.parametrisation == "mup" else 0,
        schedule=training.schedule,
        decay_steps=max(1, round(training.decay * c.steps)) if trunk else 0,
        unique_tokens=budget.unique_tokens,
        noise_points=training.noise_points,
        vector_learning_rate=training.vector_learning_rate,
        contexts=architecture.contexts,
        precision=training.precision,
    )
    flops = config.tokens * c.counts.flops_per_token
    return PlannedRun(config, budget.flops, budget.split, flops, c.counts.params)
