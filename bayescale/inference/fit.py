"""Fitting: a design in, raw draws and their health out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayescale.backend import relieve
from bayescale.inference.drift import drift_draws
from bayescale.inference.fit_check import check_fit
from bayescale.inference.folds import Fold, run_folds
from bayescale.inference.health import Health, check_health
from bayescale.inference.nuts import Draws, Progress, Settings, resample, sample
from bayescale.inference.quantities import Quantities, quantities
from bayescale.inference.start import find_start
from bayescale.models.arrays import data_of
from bayescale.models.design import Design
from bayescale.models.layout import layout_of

NEARLY = {"R-hat": 1.05, "divergences": 40.0, "tree depth": 40.0}
"""A fit below these, with E-BFMI in order, fails by a corner or a shortage that smaller steps and more draws mend."""

CORNERS = frozenset({"divergences", "E-BFMI"})
"""Checks that smaller steps mend; so is a tail that mixes worse than the middle."""

SURE = 0.99
"""Acceptance that steps are made smaller up to."""

UNBENT = (
    "sampled without straightening the law's curved ridges: with that, the health gate was missed by {missed}"
)
"""Note of a fit whose first attempt was far from passing."""

LOOK = 2000
"""Fewer draws than this were asked for to have a quick look, and are left at that: not sampled again, and no folds."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Draws, what they come to in natural units, whether to believe them, and what was done to get there."""

    draws: Draws
    quantities: Quantities
    health: Health
    settings: Settings
    notes: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()


def fit_design(design: Design, seed: int, settings: Settings, progress: Progress | None = None) -> Fit:
    """Sample the posterior of a design by NUTS and check it.

    Where the health gate is missed by little, it is sampled once more, with smaller steps where it diverged and twice
    the draws where too few were effective; where it is missed by much, in plainer coordinates. A note says so.
    """
    relieve()
    fit = _sampled(design, seed, settings, progress)
    # What sampling missed is sampled again; what the model misses is not mended by that.
    fit = replace(fit, health=Health((*fit.health.checks, *check_fit(design, fit.draws.z))))
    folds: tuple[Fold, ...] = ()
    notes = list(fit.notes)
    shape = fit.draws.z.shape[:2]
    if settings.folds and shape[0] * shape[1] >= LOOK:
        folds = tuple(run_folds(design, fit.draws, seed, settings, progress))
        notes += _about(folds)
    drifts = drift_draws(design, folds, shape[0] * shape[1], np.random.default_rng([seed, 4]))
    return replace(
        fit,
        folds=folds,
        notes=tuple(notes),
        quantities=fit.quantities.adding({f"drift_{axis}": k.reshape(shape) for axis, k in drifts.items()}),
    )


def _about(folds: tuple[Fold, ...]) -> list[str]:
    lost = [f"{fold.share:.0%} of {fold.axis}" for fold in folds if not fold.settled]
    if not lost:
        return []
    return [f"forecasts without the top {', '.join(lost)} did not settle, and say nothing about the drift"]


def _sampled(design: Design, seed: int, settings: Settings, progress: Progress | None) -> Fit:
    rng = np.random.default_rng(seed)
    layout, data = layout_of(design), data_of(design)
    start = find_start(layout, data, rng)

    def checked(draws: Draws, settings: Settings) -> Fit:
        named = quantities(design, draws.z)
        labels = {name: named.coords[dims[0]] for name, dims in named.dims.items()}
        health = check_health(named.posterior, draws.stats, settings.max_tree_depth, labels=labels)
        return Fit(draws, named, health, settings)

    first = checked(sample(layout, data, start, seed, settings, progress), settings)
    short = settings.chains * settings.draws < LOOK
    if first.health.passed or short or not settings.again:
        return first
    notes: tuple[str, ...] = ()
    if not _nearly(first.health) and layout.law.leads:
        # Where a law bends too much for the steps that straighten its ridges, they make corners of their own.
        plain = replace(layout, law=replace(layout.law, leading=frozenset()))
        other = checked(sample(plain, data, start, seed, settings, progress), settings)
        if other.health.passed or _nearly(other.health):
            first, notes = other, (UNBENT.format(missed=", ".join(first.health.missed)),)
    if first.health.passed or not _nearly(first.health):
        return replace(first, notes=notes)
    # A corner asks for smaller steps and no more draws, too few effective draws for more and no smaller steps.
    missed = {check.name for check in first.health.checks if check.verdict != "PASS"}
    corner = bool(missed & CORNERS) or ("tail ESS" in missed and "bulk ESS" not in missed)
    careful = settings.careful(SURE, finer=corner, longer=bool(missed - CORNERS - {"tree depth"}))
    note = (
        f"sampled again, from there on, with target_accept {careful.target_accept:.3g} and {careful.draws} draws a "
        f"chain: at {settings.target_accept:.2g} and {settings.draws} the health gate was missed by "
        + ", ".join(first.health.missed)
    )
    again = resample(data, first.draws, seed + 1, careful, progress)
    return replace(checked(again, careful), notes=(*notes, note))


def _nearly(health: Health) -> bool:
    values = {check.name: check for check in health.checks}
    return values["E-BFMI"].verdict == "PASS" and all(
        values[name].value <= limit for name, limit in NEARLY.items()
    )
