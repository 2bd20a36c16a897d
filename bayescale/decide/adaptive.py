"""One training run that changes its shape on the way: when to change, and what that saves (Anagnostidis et al. 2023,
arXiv:2311.03233).

A run that changes shape is taken to go on from the loss it has reached as if it had been of the new shape all along:
what changing itself costs is left out. Until the first loss, where the cheapest fitted run begins to be told by the
curves, the run is of one shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide.descent import Descent, descend
from bayescale.decide.following import Stint, changes, expected, orders, stints, table
from bayescale.decide.readable import readable, three
from bayescale.decide.shapes import AdaptError, TrainedShape, trained_shapes
from bayescale.forecast.extrapolation import extrapolation, level_text
from bayescale.numerals import percent, scientific, shortest, significant
from bayescale.posterior import PosteriorData

MARGIN = 0.01
"""A change has to save more than this share of the FLOPs to be said to pay, where nobody says otherwise."""

FURTHEST = 1e4
"""A target is looked for up to so many times the compute of the dearest fitted run."""

ROOM = 100.0
"""Curves are followed so many times further than the median one, and begin as much earlier."""

NODES = 400
"""Of a curve, along log compute."""

LEVELS = 200
"""Losses between which a change is looked for."""


@dataclass(frozen=True, eq=False)
class Adaptive:
    """When to change shape on the way to a loss.

    Attributes
    ----------
    shapes : tuple of str
    target : float
        The loss to be reached.
    start : float
        The loss from which on the shape may change.
    stints : tuple of Stint
        The plan: the one order, with its losses, of least expected compute over draws (each over the least that one
        shape takes in the draw). One stint where nothing is expected to be saved.
    alone : int
        The one shape that would be chosen, by the same rule.
    saved : ndarray, shape (draws,)
        Share of the FLOPs of `alone` that the plan saves: negative where it costs more, one where only the plan gets
        there, minus infinity where only `alone` does, NaN where neither.
    savable : ndarray, shape (draws,)
        The same of each draw's own best order over its own best shape, never negative: what could be saved by someone
        who knew the curves. NaN where no shape gets there.
    table : DataFrame
        A row a shape: ``flops`` to the target in it alone (median and 90 % interval over the draws that get there),
        ``p_reached``, ``p_best`` (least FLOPs), ``p_used`` (in a draw's best order) and ``share``, its mean share of
        the FLOPs of that order.
    changes : DataFrame
        A row a change ``from``, ``to`` in the draws' best orders: its probability ``p``, and its ``loss`` and
        cumulative ``flops`` (median and 90 % interval over the draws that have it).
    orders : DataFrame
        ``order`` of shapes, with its probability ``p``; likeliest first.
    levels : ndarray, shape (levels,)
        Losses between the first and the target.
    flops : ndarray, shape (shapes + 2, levels)
        Median compute at each: of every shape alone, of the plan, and of the draws' best orders.
    margin : float
    notes : tuple of str
    """

    shapes: tuple[str, ...]
    target: float
    start: float
    stints: tuple[Stint, ...]
    alone: int
    saved: np.ndarray
    savable: np.ndarray
    table: pd.DataFrame
    changes: pd.DataFrame
    orders: pd.DataFrame
    levels: np.ndarray
    flops: np.ndarray
    margin: float
    notes: tuple[str, ...] = ()

    @property
    def p_pays(self) -> float:
        """Probability that the plan saves more than the margin; zero where it changes nothing."""
        return _above(self.saved, self.margin)

    @property
    def p_savable(self) -> float:
        """Probability that some change of shape would save more than the margin."""
        return _above(self.savable, self.margin)

    @property
    def sentence(self) -> str:
        """The plan for people."""
        goal, one = f"a loss of {significant(self.target)}", self.shapes[self.alone]
        known = (
            f"someone who knew the curves would save more than {_share(self.margin)} by changing shape with "
            f"probability {percent(self.p_savable)}"
        )
        if len(self.stints) == 1:
            return f"{one} throughout to {goal}: no change of shape is expected to save FLOPs; {known}."
        parts = [
            f"{self.shapes[s.shape]} to a loss of {significant(s.until)} ({_flops(s.flops)})"
            for s in self.stints[:-1]
        ]
        low, middle, high = np.nanquantile(self.saved, (0.05, 0.5, 0.95), method="nearest")
        return (
            f"{', '.join(parts)}, then {self.shapes[self.stints[-1].shape]} to {goal}: saves {_share(middle)} of the "
            f"FLOPs of {one} throughout ({_share(low)} to {_share(high)}), and more than {_share(self.margin)} with "
            f"probability {percent(self.p_pays)}; {known}."
        )

    def __str__(self) -> str:
        parts = [readable(self.table).to_string(index=False), self.sentence]
        if len(self.changes):
            parts += ["\nWhere the draws change shape:", readable(self.changes).to_string(index=False)]
        parts += ["\nOrders by probability:", readable(self.orders).to_string(index=False)]
        return "\n".join([*parts, *self.notes])

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        ends = (0.05, 0.5, 0.95)
        return {
            "sentence": self.sentence,
            "target": self.target,
            "start": self.start,
            "plan": [
                {"shape": self.shapes[s.shape], "until": s.until, **three("flops", s.flops, nearest=True)}
                for s in self.stints
            ],
            "alone": self.shapes[self.alone],
            "margin": self.margin,
            "p_pays": self.p_pays,
            "p_savable": self.p_savable,
            "saved": {f"q{q:g}": float(np.nanquantile(self.saved, q, method="nearest")) for q in ends},
            "savable": {f"q{q:g}": float(np.nanquantile(self.savable, q, method="nearest")) for q in ends},
            "shapes": self.table.to_dict("records"),
            "changes": self.changes.to_dict("records"),
            "orders": self.orders.to_dict("records"),
            "notes": list(self.notes),
        }


def adapt(
    posterior: PosteriorData,
    by: str | None = None,
    flops: float | None = None,
    loss: float | None = None,
    levels: Sequence[str] | None = None,
    sizes: Sequence[float] | None = None,
    at: Mapping[str, str] | None = None,
    fixed: Mapping[str, float] | None = None,
    margin: float = MARGIN,
) -> Adaptive:
    """When one training run should change its shape.

    Parameters
    ----------
    posterior : PosteriorData
        Of a law of compute alone, or of params and tokens.
    by : str, optional
        The grouping column whose levels are shapes.
    flops, loss : float, optional
        One of the two: the loss to be reached, or the budget with which the best single shape reaches it (in the
        median draw).
    levels : sequence of str, optional
        Which levels; all where absent.
    sizes : sequence of float, optional
        Params that a shape may have, where the law takes them: one for all, or several, every level at each.
    at : mapping, optional
        Labels of the other grouping columns.
    fixed : mapping, optional
        What the law takes beside params and tokens.
    margin : float
        Share of the FLOPs that a change has to save to be said to pay.

    Raises
    ------
    AdaptError
        Shapes that the fit does not know, fewer than two, or a target that is reached at the start or by no shape.
    """
    if (flops is None) == (loss is None):
        raise AdaptError("say how far the run should go: a budget (flops) or a loss, one of the two")
    for name, x in (("flops", flops), ("loss", loss)):
        if x is not None and not (np.isfinite(x) and x > 0):
            raise AdaptError(f"{name} must be positive: got {x:g}")
    if not 0 <= margin < 1:
        raise AdaptError(f"the margin is a share of the FLOPs, from 0 to 1: got {margin:g}")
    shapes = trained_shapes(posterior, by, levels, sizes, at or {}, fixed or {})
    first, spent, start, target = _range(posterior, shapes, flops, loss)
    nodes = np.union1d(np.geomspace(first / ROOM, spent * ROOM, NODES), [posterior.dearest])
    curves = np.stack([shape.loss(nodes) for shape in shapes])
    # Losses that the median draw passes at even steps of log compute: closer together where they are dearer.
    best = np.minimum.accumulate(np.median(curves.min(axis=0), axis=0))
    along = np.interp(np.linspace(np.log(first), np.log(spent), LEVELS), np.log(nodes), best)
    inside = (along > target * (1 + 1e-9)) & (along < start * (1 - 1e-9))
    between = along[inside & (np.diff(along, prepend=np.inf) < 0)]
    found = descend(nodes, curves, np.array([start, *between, target]))
    adaptive = follow([shape.name for shape in shapes], found, margin)
    return replace(adaptive, notes=_notes(posterior, shapes, adaptive))


def _range(
    posterior: PosteriorData, shapes: Sequence[TrainedShape], flops: float | None, loss: float | None
) -> tuple[float, float, float, float]:
    """Compute at which changes begin and at which the target is reached, and both losses: of the median draw."""
    known = np.concatenate([posterior.flops_of(shape.runs) for shape in shapes])
    if not np.isfinite(known).any():
        raise AdaptError("the runs have no compute: without it there is no curve of loss against compute")
    first = float(np.nanmin(known))
    furthest = FURTHEST * posterior.dearest if flops is None else flops
    if furthest <= first:
        raise AdaptError(
            f"a budget of {furthest:.3g} FLOPs is no more than the cheapest fitted run's, {first:.3g}: give "
            "a larger one"
        )
    nodes = np.geomspace(first, furthest, NODES)
    lowest = np.min([shape.loss(nodes) for shape in shapes], axis=0)
    best = np.median(np.minimum.accumulate(lowest, axis=1), axis=0)
    if loss is None:
        if best[-1] >= best[0]:
            raise AdaptError(
                f"the loss does not fall from {first:.3g} to {furthest:.3g} FLOPs in any shape: there is "
                "nothing to plan"
            )
        return first, furthest, float(best[0]), float(best[-1])
    if loss >= best[0]:
        raise AdaptError(
            f"a loss of {loss:g} is reached with the cheapest fitted run's compute, {first:.3g} FLOPs: ask for one "
            f"below {best[0]:.4g}"
        )
    if loss <= best[-1]:
        raise AdaptError(
            f"no shape comes down to a loss of {loss:g} in the median draw, with {FURTHEST:g} times the compute of the "
            f"dearest fitted run: ask for one above {best[-1]:.4g}"
        )
    return first, float(nodes[int(np.argmax(best <= loss))]), float(best[0]), loss


def follow(names: Sequence[str], found: Descent, margin: float = MARGIN) -> Adaptive:
    """The plan, and the draws' own best orders, from curves turned round; without notes."""
    single = found.compute[:, :, -1]
    least = single.min(axis=0)
    there = np.isfinite(least)
    if not there.any():
        raise AdaptError(
            f"no draw of the posterior reaches a loss of {found.levels[-1]:g}: ask for a higher one"
        )
    own_first, own = found.first, found.steepest
    own_flops = found.followed(own_first, own)
    paths = np.concatenate([own_first[:, None], own], axis=1)
    alone = int(np.argmin(expected(single, least, there)))
    plan = np.concatenate(
        [
            [np.argmin(expected(found.compute[:, :, 0], least, there))],
            np.argmin(expected(found.steps, least, there), axis=0),
        ]
    )
    plan_flops = found.followed(plan[0], plan[1:])
    with np.errstate(invalid="ignore"):
        saved = 1 - plan_flops[:, -1] / single[alone]
        savable = np.maximum(0.0, 1 - own_flops[:, -1] / least)
    if (plan == alone).all():
        # Sums of its steps would be off by rounding.
        saved = np.where(np.isnan(saved), np.nan, 0.0)
    every = np.concatenate([found.compute, plan_flops[None], own_flops[None]])
    return Adaptive(
        tuple(names),
        float(found.levels[-1]),
        float(found.levels[0]),
        stints(found.levels, plan, plan_flops),
        alone,
        saved,
        savable,
        table(names, found, paths[there], own_flops[there], there),
        changes(names, found, paths[there], own_flops[there], there),
        orders(names, paths[there]),
        found.levels,
        np.median(every, axis=1),
        margin,
    )


def _notes(posterior: PosteriorData, shapes: Sequence[TrainedShape], found: Adaptive) -> tuple[str, ...]:
    notes = [
        "a run that changes shape is taken to go on from the loss it has reached as if it had been of the new shape "
        "all along; what changing costs is not counted",
        f"changes are looked for from a loss of {significant(found.start)} on, with the cheapest fitted run's "
        "compute; one that is found there may have been due before",
    ]
    last = found.stints[-1]
    finite = last.flops[np.isfinite(last.flops)]
    if len(finite):
        end = extrapolation(posterior, shapes[last.shape].point(float(np.median(finite))))
        notes.append(f"how far the end of the plan lies beyond the runs: {level_text(end.iloc[0])}")
    lost = float(np.isnan(found.savable).mean())
    if lost:
        notes.append(f"{percent(lost)} of the draws reach the loss in no shape and are left out")
    return tuple(notes)


def _above(share: np.ndarray, margin: float) -> float:
    known = share[~np.isnan(share)]
    return float(np.mean(known > margin)) if len(known) else 0.0


def _flops(draws: np.ndarray) -> str:
    found = three("x", draws, nearest=True)
    middle, low, high = (scientific(x, 2) if x < np.inf else "∞" for x in found.values())
    return f"{middle} FLOPs, {low} to {high}"


def _share(x: float) -> str:
    return f"{shortest(100 * x, 2)}\u00a0%"
