"""Fitting: a design in, raw draws and their health out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayescale.backend import relieve
from bayescale.inference.drift import drift_draws
from bayescale.inference.fit_check import check_fit
from bayescale.inference.folds import Fold, run_folds
from bayescale.inference.health import Check, Health, check_health
from bayescale.inference.kinds import two_kinds
from bayescale.inference.nuts import Draws, Progress, Settings, resample, sample
from bayescale.inference.places import Place, distinct, weigh
from bayescale.inference.quantities import quantities
from bayescale.inference.start import Start, find_start
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


LEFT = (
    "The posterior has {count} modes of weight, and some of the chains that began in one left it for another, so how "
    "probable each is remains unknown. Sample longer (--warmup, --draws), or say more in the priors of the noise."
)
"""Advice where modes could not be weighed."""

ANEW = 1000
"""Between the seeds of two modes."""


@dataclass(frozen=True, eq=False)
class Fit(Place):
    """Draws, what they come to in natural units, whether to believe them, and what was done to get there.

    Attributes
    ----------
    main : Draws or None
        Of the most probable mode, if the draws are of several.
    """

    settings: Settings
    notes: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()
    main: Draws | None = None


def fit_design(design: Design, seed: int, settings: Settings, progress: Progress | None = None) -> Fit:
    """Sample the posterior of a design by NUTS and check it.

    Where the health gate is missed by little, it is sampled once more, with smaller steps where it diverged and twice
    the draws where too few were effective; where it is missed by much, in plainer coordinates. A note says so.
    """
    relieve()
    fit = _sampled(design, seed, settings, progress)
    # What sampling missed is sampled again; what the model misses is not mended by that.
    about = check_fit(design, (fit.main or fit.draws).z)
    fit = replace(fit, health=Health((*fit.health.checks, *about)))
    folds: tuple[Fold, ...] = ()
    notes = list(fit.notes)
    shape = fit.draws.z.shape[:2]
    if settings.folds and shape[0] * shape[1] >= LOOK:
        folds = tuple(run_folds(design, fit.main or fit.draws, seed, settings, progress))
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
    layout, data = layout_of(design), data_of(design)
    start = find_start(layout, data, np.random.default_rng(seed))
    if len(start.modes) == 1 or settings.chains * settings.draws < LOOK or not settings.again:
        return _with_kinds(_from(start, design, seed, settings, progress), start, design)
    return _mixed(start, design, seed, settings, progress)


def _mixed(start: Start, design: Design, seed: int, settings: Settings, progress: Progress | None) -> Fit:
    """Sample every mode by chains of its own, and mix those that are apart in proportion to their evidence."""
    fits = [_from(one, design, seed + ANEW * i, settings, progress) for i, one in enumerate(start.each())]
    places = distinct(fits)
    if places is None:
        check = Check(
            "modes", "FAIL", float(len(fits)), "one for all chains", "", LEFT.format(count=len(fits))
        )
        others = tuple(c for c in fits[0].health.checks if c.name != "modes")
        return replace(fits[0], health=Health((check, *others)))
    mixture, left = weigh(places, design, np.random.default_rng([seed, 5]))
    main = next(fit for fit in fits if fit is mixture.places[0])
    if len(mixture.places) == 1:
        return _with_kinds(replace(main, notes=(*main.notes, *left)), start, design)
    notes = dict.fromkeys(note for fit in fits if fit in mixture.places for note in fit.notes)
    draws = mixture.draws()
    return Fit(
        draws,
        quantities(design, draws.z),
        mixture.health(),
        replace(main.settings, draws=draws.z.shape[1]),
        (*notes, *left, *mixture.beliefs(design)),
        main=main.draws,
    )


def _with_kinds(fit: Fit, start: Start, design: Design) -> Fit:
    kinds = two_kinds(design, fit.draws.z, start.majority)
    return replace(fit, notes=(*fit.notes, kinds)) if kinds else fit


def _from(start: Start, design: Design, seed: int, settings: Settings, progress: Progress | None) -> Fit:
    layout, data = layout_of(design), data_of(design)

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
