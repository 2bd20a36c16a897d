"""Trained models made smaller: weights rounded to few bits, or the smallest of them set to zero.

Li et al. (2020), arXiv:2002.11794: large models, trained briefly, bear compression better. Nothing is trained again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bayescale.trainer import evaluate
from bayescale.trainer.after.kept import Kept, Say, each, write_measured
from bayescale.trainer.architectures._common import Decoder
from bayescale.trainer.errors import TrainerError
from bayescale.trainer.plan import PlannedRun

FULL_BITS = 32
SCALE_BITS = 16  # of what each group of rounded weights is multiplied by


@dataclass(frozen=True)
class Scheme:
    """A way to compress.

    Parameters
    ----------
    name : str
        As `scheme` takes it.
    bits : int
        Of a weight, 2 to 8; 32 leaves it as it is.
    group : int
        Weights of a row that share a scale; 0 for the whole row.
    sparsity : float
        Share of each matrix's weights that is set to zero.
    """

    name: str
    bits: int = FULL_BITS
    group: int = 0
    sparsity: float = 0.0


NAME = re.compile(r"int(?P<bits>[2-8])(?:g(?P<group>[1-9]\d*))?|prune(?P<percent>[1-9]\d?)")
DEFAULT = ("int8", "int6", "int4", "int4g16", "int3", "prune25", "prune50", "prune75")


def scheme(name: str) -> Scheme:
    """Read a scheme's name: int8, int4g16 (a scale for every 16 weights), prune50 (half of the weights).

    Raises
    ------
    TrainerError
        If there is no such scheme.
    """
    if found := NAME.fullmatch(name):
        if found["percent"]:
            return Scheme(name, sparsity=int(found["percent"]) / 100)
        return Scheme(name, bits=int(found["bits"]), group=int(found["group"] or 0))
    raise TrainerError(
        f"there is no compression {name!r}; say intB with 2 to 8 bits, intBgG with a scale for every G weights, or "
        "pruneP with 1 to 99 per cent"
    )


def measure(
    kept: Kept, out: Path, names: Sequence[str] = DEFAULT, held_out_tokens: int = 16_384, say: Say = print
) -> pd.DataFrame:
    """Measure the held-out loss of every kept model, as it is and compressed.

    Parameters
    ----------
    kept : Kept
        The trained sweep.
    out : Path
        The runs table: a row a run and a scheme. `loss_change` is the loss over that of the model as it is on the
        same tokens, `loss_change_se` its standard error over documents; `weight_bytes` is what the weights take.
    names : sequence of str
        Schemes, as `scheme` takes them.
    held_out_tokens : int
        Tokens that all of a task's losses here are measured on, at most.
    say : callable
        Told of each run.
    """
    schemes = [scheme(name) for name in names]

    def rows(run: PlannedRun) -> list[dict[str, Any]]:
        data = kept.dataset(run.config.task)
        before = evaluate.token_losses(kept.model(run), data, held_out_tokens)
        plain = evaluate.summary(before.losses, before.owners)
        made = [_row(kept.model(run), Scheme("none"), plain, 0.0, 0.0)]
        for one in schemes:
            model = kept.model(run)
            compress(model, one)
            after = evaluate.token_losses(model, data, held_out_tokens)
            change = evaluate.summary(after.losses - before.losses, before.owners)
            held_out = evaluate.summary(after.losses, after.owners)
            made.append(_row(model, one, held_out, change.loss, change.loss_se))
        return made

    identity = {"schemes": list(names), "held_out_tokens": held_out_tokens}
    table = []
    for run, found in each(kept, "compression", identity, rows, say):
        base = kept.row(run)
        kept_columns = {
            k: v for k, v in base.items() if k not in ("loss", "loss_se", "wall_s", "noise_scale")
        }
        table += [{**kept_columns, **row} for row in found]
    return write_measured(
        table, out, source=f"models of sweep {kept.sweep.name}, bayescale measure compression"
    )


def _row(
    model: Decoder, one: Scheme, held_out: evaluate.HeldOut, change: float, change_se: float
) -> dict[str, Any]:
    return {
        "loss": held_out.loss,
        "loss_se": held_out.loss_se,
        "held_out_tokens": held_out.tokens,
        "compression": one.name,
        "precision_post": one.bits,
        "group": one.group,
        "sparsity": one.sparsity,
        "loss_change": change,
        "loss_change_se": change_se,
        "weight_bytes": weight_bytes(model, one),
    }


@torch.no_grad()
def compress(model: Decoder, one: Scheme) -> None:
    """Compress every matrix of a model in place, the embedding included; vectors stay as they are."""
    for weight in _matrices(model):
        rows = weight.reshape(-1, weight.shape[-1])  # experts lie in one tensor, a matrix each
        if one.sparsity:
            rows = prune(rows, one.sparsity)
        if one.bits < FULL_BITS:
            rows = quantise(rows, one.bits, one.group)
        weight.copy_(rows.view_as(weight))


def quantise(weight: Tensor, bits: int, group: int = 0) -> Tensor:
    """Round to the nearest of 2 ** bits - 1 evenly spaced values, symmetric about 0, a scale each row or group.

    Parameters
    ----------
    weight : Tensor, (rows, columns)
        A matrix.
    bits : int
        Of a weight.
    group : int
        Columns that share a scale, the last group being what is left; 0 for all.

    Returns
    -------
    Tensor, (rows, columns)
        What the rounded weights stand for.
    """
    most = 2 ** (bits - 1) - 1
    rounded = torch.empty_like(weight)
    step = group or weight.shape[1]
    for first in range(0, weight.shape[1], step):
        part = weight[:, first : first + step]
        scale = part.abs().amax(dim=1, keepdim=True) / most
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        rounded[:, first : first + step] = (part / scale).round() * scale
    return rounded


def prune(weight: Tensor, sparsity: float) -> Tensor:
    """Set the share `sparsity` of a matrix's weights to zero, those of the smallest magnitude."""
    count = round(sparsity * weight.numel())
    kept = weight.clone()
    kept.view(-1)[weight.abs().flatten().argsort(stable=True)[:count]] = 0.0
    return kept


def weight_bytes(model: Decoder, one: Scheme) -> float:
    """Count the bytes that a model's weights take.

    Of rounded ones the bits and the scales; of pruned ones the values that are left, and a bit for each place that
    says whether there is one.
    """
    total = 0.0
    inside = {id(weight) for weight in _matrices(model)}
    for parameter in model.parameters():
        count = parameter.numel()
        if id(parameter) not in inside:
            total += count * FULL_BITS
            continue
        columns = parameter.shape[-1]
        rows = count // columns
        total += count * one.bits * (1 - one.sparsity)
        if one.bits < FULL_BITS:
            total += rows * int(np.ceil(columns / (one.group or columns))) * SCALE_BITS
        if one.sparsity:
            total += count
    return total / 8


def _matrices(model: Decoder) -> list[Tensor]:
    return [parameter for parameter in model.parameters() if parameter.dim() >= 2]
