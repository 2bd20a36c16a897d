"""A language model that looks things up: the k nearest of what it has read, in a datastore of any size.

kNN-LM (Khandelwal et al., 2020, arXiv:1911.00172) over our trained models: the key of a place in the train split is
the model's last hidden state there, the value the token that followed. The datastore's size is a third axis beside
parameters and tokens, swept by sub-sampling (Shao et al., 2024, arXiv:2407.12854). Needs faiss: the extra `retrieval`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from bayescale.trainer import evaluate, needs
from bayescale.trainer.after.kept import Kept, Say, each, write_measured
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.dataset import Dataset
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import PlannedRun

Floats = npt.NDArray[np.float32]
MICROBATCH_TOKENS = 4096
# What is tried on the half of the held-out documents that is not reported.
SHARES = tuple(np.round(np.linspace(0.0, 0.9, 19), 2).tolist())
TEMPERATURES = (0.5, 1.0, 2.0, 4.0)  # in units of the mean squared distance to the nearest neighbour
FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """How to retrieve.

    Parameters
    ----------
    datastore_tokens : tuple of int
        Sizes of the datastore, each a part of the next.
    neighbours : int
        How many are looked up.
    held_out_tokens : int
        Tokens to predict, at most; half of their documents choose share and temperature, the others are measured.
    seed : int
        Which part of the train split a datastore is.
    """

    datastore_tokens: tuple[int, ...] = (4_096, 16_384, 65_536, 262_144)
    neighbours: int = 16
    held_out_tokens: int = 8_192
    seed: int = 0


def measure(kept: Kept, out: Path, settings: Settings | None = None, say: Say = print) -> pd.DataFrame:
    """Measure every kept model with datastores of several sizes.

    Parameters
    ----------
    kept : Kept
        The trained sweep.
    out : Path
        The runs table: a row a run and a size, size 0 among them. `flops` is what training took; `datastore_flops`
        what making the keys took, a forward pass over the datastore (Shao et al.'s 2 N D of the retriever, which here
        is the model); `search_flops` what an exact search takes for a token, 2 x width x size. `share` and
        `temperature` are those chosen.
    settings : Settings
        How to retrieve.
    say : callable
        Told of each run.

    Raises
    ------
    TrainerError
        If a datastore is larger than a task's train split, or smaller than the neighbours.
    MissingExtra
        If faiss is not installed.
    """
    needs("faiss", what="retrieval", extra="retrieval")
    settings = settings or Settings()
    sizes = sorted(set(settings.datastore_tokens))
    for task in sorted({run.config.task for run in kept.runs}):
        context = kept.sweep.data.context
        there = (len(kept.dataset(task).train) - 1) // context * context
        if too_large := [size for size in sizes if size > there]:
            raise TrainerError(
                f"a datastore of {too_large[-1]:,} tokens is larger than the train split of {task!r}, which has "
                f"{there:,} in whole windows; ask for at most that, or leave the task out with --cells"
            )
        if sizes and sizes[0] < max(context, settings.neighbours):
            raise TrainerError(
                f"a datastore of {sizes[0]} tokens has less than one window of {context}, or fewer than the "
                f"{settings.neighbours} neighbours that are asked for; ask for a larger one"
            )

    def rows(run: PlannedRun) -> list[dict[str, Any]]:
        return _run(kept.model(run), kept.dataset(run.config.task), sizes, settings)

    identity = {"format": FORMAT, **{k: str(v) for k, v in settings.__dict__.items()}}
    table = []
    for run, found in each(kept, "retrieval", identity, rows, say):
        base = {k: v for k, v in kept.row(run).items() if k not in ("wall_s", "noise_scale")}
        table += [{**base, **row} for row in found]
    return write_measured(
        table, out, source=f"models of sweep {kept.sweep.name}, bayescale measure retrieval"
    )


def _run(model: Decoder, data: Dataset, sizes: Sequence[int], settings: Settings) -> list[dict[str, Any]]:
    context = model.shape.context
    starts = evaluate.windows(data, context, settings.held_out_tokens)
    queries, right, logp = states(model, data.held_out, starts)
    owners = data.held_out_documents[(starts[:, None] + np.arange(1, context + 1)).ravel()]
    # Documents alternate, so that what is chosen is chosen on others than it is measured on.
    _, document = np.unique(owners, return_inverse=True)
    tune = document % 2 == 0
    plain = evaluate.summary(-logp[~tune], owners[~tune])
    rows = [_row(0, plain, 0.0, 0.0, 0.0, 0.0, plain.loss)]
    if not sizes:
        return rows
    windows = (len(data.train) - 1) // context
    order = np.random.default_rng(settings.seed).permutation(windows)[: sizes[-1] // context]
    keys, values, _ = states(model, data.train, order * context)
    for size in sizes:
        count = size // context * context
        distance, place = nearest(keys[:count], queries, settings.neighbours)
        same = values[:count][place] == right[:, None]
        share, temperature = _choose(distance[tune], same[tune], logp[tune])
        mixed = interpolate(distance[~tune], same[~tune], logp[~tune], share, temperature)
        change = evaluate.summary(-mixed + logp[~tune], owners[~tune])
        rows.append(
            _row(
                count,
                evaluate.summary(-mixed, owners[~tune]),
                share,
                temperature,
                float(count * model.forward_flops_per_token()),
                2.0 * model.shape.width * count,
                plain.loss,
                change.loss_se,
            )
        )
    return rows


def _row(
    size: int,
    held_out: evaluate.HeldOut,
    share: float,
    temperature: float,
    datastore_flops: float,
    search_flops: float,
    plain: float,
    change_se: float = 0.0,
) -> dict[str, Any]:
    return {
        "datastore_tokens": float(size),
        "loss": held_out.loss,
        "loss_se": held_out.loss_se,
        "held_out_tokens": held_out.tokens,
        "share": share,
        "temperature": temperature,
        "datastore_flops": datastore_flops,
        "search_flops": search_flops,
        "loss_change": held_out.loss - plain,
        "loss_change_se": change_se,
    }


@torch.no_grad()
def states(
    model: Decoder, tokens: npt.NDArray[np.uint16], starts: npt.NDArray[np.int64]
) -> tuple[Floats, npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Last hidden states of windows, the token that follows each, and its log-probability in nats."""
    context = model.shape.context
    at_once = max(1, MICROBATCH_TOKENS // context)
    caught: list[Tensor] = []
    hook = model.norm.register_forward_hook(lambda module, inputs, output: caught.append(output))
    found, following, logp = [], [], []
    model.eval()
    try:
        for first in range(0, len(starts), at_once):
            spans = starts[first : first + at_once, None] + np.arange(context + 1)
            ids = torch.from_numpy(tokens[spans].astype(np.int64))
            scores = torch.log_softmax(model(ids[:, :-1]).double(), dim=-1)
            logp.append(scores.gather(-1, ids[:, 1:, None]).flatten().numpy())
            found.append(caught.pop().flatten(0, 1).float().numpy())
            following.append(ids[:, 1:].flatten().numpy())
    finally:
        hook.remove()
    return np.concatenate(found), np.concatenate(following), np.concatenate(logp)


def nearest(keys: Floats, queries: Floats, neighbours: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Find the nearest keys exactly: squared distances and places, (queries, neighbours)."""
    faiss: Any = import_module("faiss")  # optional
    # torch brings OpenMP threads of its own, and two pools beside each other lock up on some machines.
    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(keys.shape[1])
    index.add(np.ascontiguousarray(keys))
    distance, place = index.search(np.ascontiguousarray(queries), neighbours)
    return distance, place


def interpolate(
    distance: Floats,
    same: npt.NDArray[np.bool_],
    logp: npt.NDArray[np.float64],
    share: float,
    temperature: float,
) -> npt.NDArray[np.float64]:
    """Log-probability of the right token by the mixture of model and neighbours.

    Parameters
    ----------
    distance : array, (tokens, neighbours)
        Squared distances.
    same : array of bool, (tokens, neighbours)
        Whether a neighbour's value is the right token.
    logp : array, (tokens,)
        The model's own, in nats.
    share : float
        Weight of the neighbours, below 1.
    temperature : float
        What a squared distance is divided by.
    """
    if not share:
        return logp
    weight = np.exp(-(distance - distance.min(axis=1, keepdims=True)).astype(float) / temperature)
    looked_up = (weight * same).sum(axis=1) / weight.sum(axis=1)
    return np.log(share * looked_up + (1 - share) * np.exp(logp))


def _choose(
    distance: Floats, same: npt.NDArray[np.bool_], logp: npt.NDArray[np.float64]
) -> tuple[float, float]:
    unit = float(distance[:, 0].mean()) or 1.0
    return max(
        ((share, t * unit) for t in TEMPERATURES for share in SHARES),
        key=lambda pair: interpolate(distance, same, logp, *pair).mean(),
    )
