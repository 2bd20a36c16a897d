"""A run that changes shape: its plan's parts, and the changes and orders of the draws' own best ones.

In all of them a path is the shape followed to the first loss, and then at each step from loss to loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.descent import Descent
from bayescale.decide.readable import three

RARE = 0.01
"""Changes and orders less probable than this are not listed."""

CAP = 10.0
"""A draw in which a shape does not come to a loss counts as so many times the compute of the best shape, to plan by."""


@dataclass(frozen=True, eq=False)
class Stint:
    """A part of the plan that is trained in one shape.

    Attributes
    ----------
    shape : int
    until : float
        The loss at which it ends.
    flops : ndarray, shape (draws,)
        Of the run from its beginning until then; infinite where it does not come there.
    """

    shape: int
    until: float
    flops: np.ndarray


def expected(flops: np.ndarray, least: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Expected compute over the least that one shape takes in each draw; shape (curves, draws, ...) loses its draws."""
    over = flops[:, there] / least[there].reshape((1, -1) + (1,) * (flops.ndim - 2))
    return np.asarray(np.minimum(over, CAP).mean(axis=1))


def stints(levels: np.ndarray, plan: np.ndarray, flops: np.ndarray) -> tuple[Stint, ...]:
    """The plan's parts; `plan` is the shape to the first loss, and then at each step."""
    last = [*np.flatnonzero(np.diff(plan)), len(plan) - 1]
    return tuple(Stint(int(plan[i]), float(levels[i]), flops[:, i]) for i in last)


def table(
    names: Sequence[str], found: Descent, paths: np.ndarray, flops: np.ndarray, there: np.ndarray
) -> pd.DataFrame:
    single = found.compute[:, there, -1]
    spent = np.diff(flops, axis=1, prepend=0.0)
    best = np.argmin(single, axis=0)
    rows = []
    for i, name in enumerate(names):
        finite = single[i][np.isfinite(single[i])]
        share = np.where(paths == i, spent, 0.0).sum(axis=1) / flops[:, -1]
        rows.append(
            {
                "shape": name,
                **three("flops", finite if len(finite) else np.array([np.inf]), nearest=True),
                "p_reached": len(finite) / len(there),
                "p_best": float(np.mean(best == i)),
                "p_used": float((paths == i).any(axis=1).mean()),
                "share": float(share.mean()),
            }
        )
    return pd.DataFrame(rows)


def changes(
    names: Sequence[str], found: Descent, paths: np.ndarray, flops: np.ndarray, there: np.ndarray
) -> pd.DataFrame:
    slope, draws = found.slope[:, there], np.arange(len(paths))
    half, log_flops = np.sqrt(found.levels[1:] * found.levels[:-1]), np.log(flops)
    rows: list[dict[str, Any]] = []
    for a in range(len(names)):
        for b in range(len(names)):
            changed = (paths[:, :-1] == a) & (paths[:, 1:] == b) if a != b else np.zeros((1, 1), bool)
            has = changed.any(axis=1)
            if has.mean() < RARE:
                continue
            # The last one, as `versus` counts crossings; in step i of the path, the slopes crossed between i - 1 and i.
            step = changed.shape[1] - 1 - np.argmax(changed[has][:, ::-1], axis=1)
            d, before = draws[has], np.maximum(step - 1, 0)
            with np.errstate(invalid="ignore", divide="ignore"):
                left = np.log(slope[a, d, before] / slope[b, d, before])
                right = np.log(slope[a, d, step] / slope[b, d, step])
                part = np.clip(np.nan_to_num(left / (left - right), nan=1.0), 0.0, 1.0)
            at_start = step == 0
            loss = np.exp(np.log(half[before]) + part * np.log(half[step] / half[before]))
            loss = np.where(at_start, found.levels[0], loss)
            spent = np.exp(
                [
                    np.interp(-np.log(x), -np.log(found.levels), log_flops[i])
                    for i, x in zip(d, loss, strict=True)
                ]
            )
            rows.append(
                {
                    "from": names[a],
                    "to": names[b],
                    "p": float(has.mean()),
                    **three("loss", loss, nearest=True),
                    **three("flops", spent, nearest=True),
                }
            )
    return pd.DataFrame(sorted(rows, key=lambda row: -row["p"]))


def orders(names: Sequence[str], paths: np.ndarray) -> pd.DataFrame:
    counted = pd.Series([" > ".join(names[i] for i, _ in groupby(path)) for path in paths]).value_counts(
        normalize=True
    )
    kept = counted[(counted >= RARE) | (np.arange(len(counted)) == 0)]
    return pd.DataFrame({"order": kept.index, "p": kept.to_numpy(float)})
