"""How far forecasts may be believed, worked out from the table and not by the package's guard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.decide import Verdict
from bayescale.inference.folds import SETTLED
from benchmarks.verdicts.worlds import World

AXES = ("flops", "params", "tokens")
"""Compute, and what the law takes."""

AS_FAR, AT_LEAST = 3.0, 1.0
"""A forecast may be believed this many times as far as forecasts of known runs were checked, and at least so many
decades: the rule that docs/model.md states. It is said here again so that a change of the package does not change what
it is held to."""

ROUNDING = 0.01
"""Decades that do not count."""


def believed(world: World, folds: list[dict[str, Any]]) -> dict[str, float]:
    """Return how many decades beyond the runs a forecast may be believed, by axis.

    `AS_FAR` times the longest distance that a forecast of known runs was checked over, by the fit's folds and by
    held-out runs that are not wrong on purpose; and `AT_LEAST` decades.
    """
    logs = {axis: np.log10(world.runs[axis].to_numpy(float)) for axis in AXES}
    checked = dict.fromkeys(AXES, 0.0)
    for fold in folds:
        x = logs[fold["axis"]]
        kept = x <= x.max() - fold["share"] * np.ptp(x)
        if fold["r_hat"] >= SETTLED or kept.all():
            continue
        for axis in AXES:
            checked[axis] = max(checked[axis], float(logs[axis].max() - logs[axis][kept].max()))
    if world.held is not None and world.held_kind == "right":
        for axis in AXES:
            checked[axis] = max(checked[axis], float(np.log10(world.held[axis]).max() - logs[axis].max()))
    return {axis: max(AT_LEAST, AS_FAR * x) for axis, x in checked.items()}


def beyond_belief(world: World, posterior: bs.Posterior, decision: bs.Decision, verdict: Verdict) -> bool:
    """Return whether a verdict hangs on a run further beyond the fitted ones than forecasts may be believed.

    It hangs on the chosen run; where nothing is to be done, on every run that was weighed.
    """
    if verdict.answer not in ("go", "no-go"):
        return False
    weighed = [a for a in decision.actions if a.trains and (verdict.action in (a.name, "nothing"))]
    points = pd.DataFrame([{"params": a.params, "tokens": a.tokens} for a in weighed])
    points["flops"] = posterior.flops_of(points)
    limits = believed(world, posterior.provenance["folds"])
    tops = {axis: float(np.log10(world.runs[axis]).max()) for axis in AXES}
    return any(float(np.log10(points[axis]).max()) - tops[axis] > limits[axis] + ROUNDING for axis in AXES)
