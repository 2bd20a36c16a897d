"""Everything that the report says in words, in one place; pure functions that return strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bayescale.decide import IsoFlopCheck, RefusalReason, Verdict
from bayescale.flops import FlopRule, as_rule
from bayescale.forecast.extrapolation import Level, level_text
from bayescale.forecast.held_out import MASSES, HeldOut
from bayescale.inference import Health
from bayescale.models import Model
from bayescale.models.design import Design
from bayescale.models.spec import NOISE
from bayescale.numerals import count, interval, percent, scientific, shortest, significant, times
from bayescale.posterior import PosteriorData
from bayescale.report.diagnosis import SENSITIVE, Diagnosis
from bayescale.report.frontier import Frontier
from bayescale.report.subject import Subject
from bayescale.runs import Conventions
from bayescale.runs.conventions import UNSTATED
from bayescale.skills.groups import PER_BYTE, Gaps

WORDS = {"go": "Go", "no-go": "No-go", "run first": "Run first", "not from these data": "Not from these data"}
"""Probability below which a count is taken for more than bad luck."""
DEAREST = 1.5
"""Runs within this factor of the dearest one's compute are the dearest runs."""
UNCHECKED_FORECAST = "No held-out runs were given, so nothing here shows that the forecast is right."
SETTLES = 0.7
"""A run that leaves more than this share of the standard deviation is said to settle little: half the variance."""
TONES = {"go": "go", "no-go": "nogo", "run first": "first", "not from these data": "unknown"}


def title(subject: Subject) -> str:
    """Return the page's title."""
    if subject.decision is not None:
        return subject.decision.question
    return f"Scaling law of {len(subject.posterior.runs)} runs"


def headline(verdict: Verdict) -> str:
    """Return the verdict in one sentence, without the word that the page prints before it."""
    if verdict.answer == "not from these data":
        return _no_answer(verdict)
    row = verdict.table[verdict.table["action"] == verdict.action].to_dict("records")[0]
    if verdict.decision.utility is not None:
        return _by_utility(verdict, row)
    target = f"a loss of {significant(verdict.decision.target_loss or 0.0)} or less"
    chance = f"reaches {target} with probability {percent(row['p_target'])}"
    if verdict.answer == "go":
        return f"{verdict.action} {chance}."
    if verdict.answer == "no-go":
        if row["p_target"] > verdict.decision.no_go:
            return (
                f"{verdict.action} is expected to gain {significant(row['gain'], 3)} on what there is, "
                f"less than the {significant(verdict.decision.min_gain, 3)} asked for."
            )
        return f"{verdict.action} {chance}."
    if not len(verdict.first):
        return f"{verdict.action} {chance}: too close to call."
    run = verdict.first.iloc[0]
    size = f"{count(run['params'])} parameters on {count(run['tokens'])} tokens"
    return (
        f"{verdict.action} {chance}: too close to call. First run {size}, "
        f"{percent(run['flops'] / row['flops'])} of its cost."
    )


def _no_answer(verdict: Verdict) -> str:
    far = f"{verdict.action} lies further beyond the runs than these data can vouch for."
    nothing = "so its probabilities mean nothing yet."
    return {
        RefusalReason.FAILED_FIT: f"The fit failed its health gate, {nothing}",
        RefusalReason.HELD_OUT_BROKEN: f"The forecast of the held-out runs fails, {nothing}",
        RefusalReason.TOO_FAR: far,
        RefusalReason.REFIT: f"{far} Refit with the held-out runs included.",
    }[verdict.reason or RefusalReason.FAILED_FIT]


def _by_utility(verdict: Verdict, row: dict[str, Any]) -> str:
    assert verdict.decision.utility is not None
    unit = verdict.decision.utility.unit
    if verdict.answer == "run first":
        runs = f"{len(verdict.first)} run{'' if len(verdict.first) == 1 else 's'}"
        cost = float(verdict.first["cost"].sum())
        return f"First make {runs} for {significant(cost, 3)} {unit}: they tell more than they cost."
    if verdict.answer == "no-go":
        return f"Nothing is worth its cost in {unit}."
    return f"{verdict.action} is expected to gain {significant(row['utility'], 3)} {unit} beyond its cost."


def reason(verdict: Verdict) -> str:
    """Return the verdict at length."""
    return verdict.sentence[:1].upper() + verdict.sentence[1:].rstrip(".") + "."


def plain_headline(exponents: dict[str, np.ndarray], flops: float, frontiers: dict[str, Frontier]) -> str:
    """Return what the fit says where nothing was asked: exponents, and the loss at ten times the compute.

    Parameters
    ----------
    exponents : dict of ndarray
        Draws of the population mean of each exponent.
    flops : float
        Ten times the compute of the dearest run.
    frontiers : dict of Frontier
        At that budget alone, by cell.
    """
    said = []
    if exponents:
        parts = [f"{name} is {_band(draws, 3)}" for name, draws in exponents.items()]
        said.append(", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1])
    if frontiers:
        best = min(frontiers, key=lambda name: frontiers[name].loss[2, 0])
        loss = frontiers[best].loss[:, 0]
        where = f" ({best})" if len(frontiers) > 1 else ""
        said.append(
            f"at ten times the compute of the dearest run, {scientific(flops, 2)} FLOPs, the expected "
            "loss is "
            f"{significant(loss[2])}{where} [{interval(loss[0], loss[4])}]"
        )
    text = "; ".join(said)
    return f"{text[:1].upper()}{text[1:]}." if text else "The law was fitted; see its parameters below."


def plain_details(model: Model, runs: int, cells: int) -> str:
    """Return what stands below that headline."""
    groups = f" in {cells} groups" if cells > 1 else ""
    return (
        f"{model.definition.title}, fitted to {runs} runs{groups}. Medians with 90 % intervals; "
        "exponents are the population's. "
        "No decision was asked for: pass one for a go, a no-go, or what to run first."
    )


def health_banner(health: Health) -> str:
    """Return what stands at the very top where the fit is not to be trusted; empty where it passed."""
    named = ", ".join(c.name for c in health.checks if c.verdict == health.verdict)
    if health.verdict == "FAIL":
        return (
            f"This fit failed its health gate ({named}). Do not use any figure on this page until it has "
            "been mended."
        )
    if health.verdict == "REVIEW":
        return (
            f"This fit passed its health gate with reservations ({named}). Read the checks below before "
            "using its figures."
        )
    return ""


def health_summary(health: Health, held: HeldOut | None = None) -> str:
    """Return the gate in a sentence, and what it leaves to the held-out check."""
    passed = sum(c.verdict == "PASS" for c in health.checks)
    said = (
        f"{passed} of {len(health.checks)} checks passed: {health.verdict}. They are about the sampling and the fit to "
        "these runs, and say nothing of forecasts beyond them: those "
    )
    if held is None:
        return f"{said}only held-out runs can check, and none were given."
    return f"{said}the held-out check is about, and the forecast {'failed' if held.broken else 'held'} there."


def extrapolation(table: pd.DataFrame) -> list[str]:
    """Return how far from the data each action lies, and what the bands leave out."""
    placed = table[table["level"] != ""]
    beyond = placed[placed["level"] != Level.INSIDE]
    said = [f"{row['action']}: {level_text(row)}." for row in beyond.to_dict("records")]
    within = [str(name) for name in placed.loc[placed["level"] == Level.INSIDE, "action"]]
    if within:
        said.append(f"{_list(within)} {'lies' if len(within) == 1 else 'lie'} inside the fitted runs.")
    if len(beyond):
        said.append(
            "Beyond the data a band includes how far laws drift there, as forecasts of the table's own dearest and "
            "largest runs, where they were made, have it: a rate an e-fold, learned over less distance than this."
        )
    return said + [
        f"{row['action']}: {group(row['group'])}."
        for row in table.to_dict("records")
        if row["group"] != "known"
    ]


def holds(posterior: PosteriorData) -> str:
    """Return how probable it is that the law holds beyond the runs; nothing where there is no drift."""
    if not posterior.design.axes:
        return ""
    now, before = posterior.draws("drift_holds").mean(), posterior.model.drift.holds
    return (
        f"They make it {percent(now)} probable that the law holds further on nearly as it does inside, with a tenth of "
        f"the drift ({percent(before)} before)."
    )


def group(what: str) -> str:
    """Return what was done about a point's labels, for people."""
    parts = []
    for part in what.split("; "):
        kind, _, rest = part.partition(" ")
        if kind == "new:":
            parts.append(
                f"no run has {rest.replace('=', ' = ')}, so it is a new group drawn from the "
                "population of the known ones"
            )
        elif kind == "mixture":
            parts.append(f"no label for {rest.removeprefix('over ')}, so it is averaged over the known ones")
        else:
            parts.append(part)
    return "; ".join(parts)


def range_caution(table: pd.DataFrame, runs: pd.DataFrame) -> list[str]:
    """Return where an action's size or tokens lie outside those of every fitted run."""
    said = []
    for name, words in (("params", "parameters"), ("tokens", "tokens")):
        if name not in runs:
            continue
        most, least = float(runs[name].max()), float(runs[name].min())
        for row in table.to_dict("records"):
            if row[name] > 1.05 * most:
                said.append(
                    f"{row['action']} has {times(row[name] / most)} the {words} of the largest fitted run."
                )
            elif row[name] < least / 1.05:
                said.append(f"{row['action']} has fewer {words} than any fitted run.")
    return said


def first_runs(first: pd.DataFrame) -> str:
    """Return what the ranked runs would do, and whether that is likely to be enough."""
    if "sd_after" not in first:
        return "What they tell is worth more to the decision than they cost: see the verdict."
    row, least = first.iloc[0], float(first["sd_after"].min() / first["sd_now"].min())
    said = (
        "Of the runs that teach at least half as much as the best, the cheapest per unit of what it "
        "teaches comes first: "
        f"it would cut the standard deviation of the expected loss from {_percent(row['sd_now'])} to "
        f"{_percent(row['sd_after'])}."
    )
    if least > SETTLES:
        said += (
            f" None of these settles much alone: the best still leaves {percent(least)} of it. "
            "Several together, or a dearer one, may."
        )
    return said


def coverage(held: HeldOut) -> str:
    """Return how many held-out runs lie inside each band, the mean error, and the joint check."""
    number = len(held.measured)
    inside = {mass: int(held.inside(mass).sum()) for mass in MASSES}
    main = f"{inside[0.9]} of {number} held-out runs {'lies' if inside[0.9] == 1 else 'lie'} inside the 90 % band"
    return (
        f"{main}, {inside[0.8]} inside the 80 % and {inside[0.5]} inside the 50 % band; "
        f"{0.9 * number:.3g}, {0.8 * number:.3g} and "
        f"{0.5 * number:.3g} would be expected. The predicted median is off by "
        f"{_percent(np.abs(held.error).mean())} on average "
        f"({_percent(held.error.mean(), sign=True)} with its sign: measured "
        f"{'above' if held.error.mean() > 0 else 'below'} predicted). {held.sentence} {held.next_step}"
    )


def coverage_caution(held: HeldOut) -> str:
    """Return a warning when the joint check of the held-out runs failed; empty otherwise."""
    if not held.broken:
        return ""
    return (
        f"{held.sentence} The bands on this page are too narrow, or the law is wrong out there. Do not lean on its "
        "probabilities before that is understood."
    )


def bend(flops: np.ndarray, residuals: np.ndarray) -> str:
    """Return a warning where the dearest runs lie to one side of the law; empty otherwise.

    Parameters
    ----------
    flops, residuals : ndarray
        Of every fitted run; a residual is measured over expected loss, less one.
    """
    dearest = residuals[flops >= np.nanmax(flops) / DEAREST]
    if len(dearest) < 4 or len(dearest) == len(residuals):
        return ""
    mean, error = float(dearest.mean()), float(dearest.std(ddof=1) / np.sqrt(len(dearest)))
    if abs(mean) < 3 * error or abs(mean) < 0.3 * residuals.std():
        return ""
    side = "above" if mean > 0 else "below"
    return (
        f"The {len(dearest)} dearest fitted runs lie {_percent(abs(mean))} {side} the law on average, "
        f"{abs(mean) / error:.1f} "
        "standard errors: it bends where the forecast begins, so dearer runs are likely to lie "
        f"further {side}."
    )


def reach(held: HeldOut, dearest: float) -> str:
    """Return how far beyond the fitted runs the held-out ones go."""
    furthest = float(np.nanmax(held.flops)) / dearest
    if furthest > 1.05:
        return f"The dearest of them has {times(furthest)} the compute of the dearest fitted run."
    return (
        "None of them is dearer than the dearest fitted run, so this checks interpolation and not a forecast."
    )


def no_holdout() -> str:
    """Return what stands in place of the check."""
    return (
        f"{UNCHECKED_FORECAST} Keep the dearest runs out of the fit and give them to the report as holdout. The checks "
        "of the fit's health do not stand in for it: they are about the sampling and the fit to these runs."
    )


def conventions(stated: Conventions, k: FlopRule | float) -> list[tuple[str, str]]:
    """Return what N, C and L mean here, a pair of term and sentence each."""
    said = {UNSTATED: "not stated by the table"}
    if stated.flops_filled:
        flops = "6 N D, filled in: the table has no FLOPs of its own, or not for every run"
    else:
        flops = {
            UNSTATED: "as the table gives them; how they were counted is not stated",
            "6ND": "6 N D, as the table gives them",
        }.get(stated.flops, f"{stated.flops}, as the table gives them")
    rule = as_rule(k)
    rows = [
        (
            "N",
            f"{said.get(stated.params, stated.params)}"
            + (" parameters" if stated.params != UNSTATED else ""),
        ),
        ("C", flops),
        (
            "C = k N D",
            str(rule)
            if rule.moves
            else f"k = {shortest(rule.typical)}"
            + (" by definition" if stated.flops_filled else ", the median over the fitted runs"),
        ),
        ("L", said.get(stated.loss, stated.loss)),
    ]
    if stated.evaluation != UNSTATED:
        shared = (
            "; loss_se is then an error that runs have in common" if stated.evaluation == "shared" else ""
        )
        rows.append(("Evaluation", f"{stated.evaluation}{shared}"))
    return [*rows, ("Source", stated.source)] if stated.source else rows


def pooling(design: Design) -> list[tuple[str, str]]:
    """Return how the parameters are shared between groups: names, and a sentence that holds for them."""
    said: list[tuple[str, str]] = []
    for name in design.law.parameter_names:
        found = design.effects_of(name)
        effects = [e for e in found if e.covariate is None]
        slopes = [c.covariate.name for c in design.coefficients if c.parameter == name]
        own = [f"{e.covariate.name} in every {':'.join(e.factor)}" for e in found if e.covariate is not None]
        parts = [f"{':'.join(e.factor)} ({len(e.levels)} levels)" for e in effects]
        sentence = (
            f"a population mean, with effects of {' and of '.join(parts)} that sum to zero"
            if parts
            else "one value for all runs"
        )
        if slopes or own:
            sentence += f"; it moves with {_list(list(dict.fromkeys([*slopes, *own])))}"
        said.append((name, sentence))
    for name in design.moved:
        by = [c.covariate.name for c in design.coefficients if c.parameter == name]
        said.append((name, f"what a run counts as moves with {_list(by)}"))
    if design.noise_effects:
        parts = [f"{':'.join(e.factor)} ({len(e.levels)} levels)" for e in design.noise_effects]
        said.append((NOISE, f"the noise: a typical scale, with effects of {' and of '.join(parts)}"))
    alike = dict.fromkeys(sentence for _, sentence in said)
    return [(", ".join(name for name, one in said if one == sentence), sentence) for sentence in alike]


def pooling_notes(design: Design, notes: list[str]) -> list[str]:
    """Return what is worth knowing about the pooling."""
    few = sorted({":".join(e.factor) for e in design.every_effect if len(e.levels) < 5})
    said = []
    if few:
        said.append(
            f"With fewer than five levels of {_list(few)}, how far its groups differ is known mostly "
            "from the prior, "
            "and so is the band of a group that no run is in."
        )
    return said + [note[:1].upper() + note[1:].rstrip(".") + "." for note in notes]


def table_check(problems: int) -> str:
    """Return the outcome of checking the table."""
    if not problems:
        return "Nothing odd was found in the runs table."
    return (
        f"{problems} thing{'s' if problems > 1 else ''} in the runs table "
        f"{'are' if problems > 1 else 'is'} worth a look; rows are those of the fitted runs."
    )


def odd_runs(found: int, of: int) -> str:
    """Return what the posterior says of single runs."""
    if not found:
        return "The posterior finds no single run odd."
    return (
        f"The posterior finds {found} of {of} runs odd, the surest first: off what is expected of them by more than "
        "four times the scale of the noise. They were fitted all the same, with heavy tails, so that they pull little. "
        "See whether they diverged, were mis-tuned or stopped short of their schedule; leave those out that were, with "
        "--where."
    )


def hidden_cells(shown: int, total: int) -> str:
    """Return what is said where there are more groups than panels."""
    return f" Shown are the {shown} groups with the most runs, of {total}." if shown < total else ""


def gaps_lead(subject: Subject) -> str:
    """Return what the section on groups asks, and its answer for all groups together."""
    found = subject.gaps
    if found is None:
        return ""
    said = [
        f"An average over {found.by} can improve while a group that it hides does not (Diaz & Madaio 2023). From the "
        f"dearest run, {scientific(found.flops, 2)} FLOPs, to ten times its compute, for runs made as the fitted ones "
        "were:"
    ]
    for row in found.places.to_dict("records"):
        where = f" in {found.place(row)}" if found.place(row) else ""
        said.append(
            f"the average{where} improves with probability {percent(row['improves'])}, and leaves one group or more "
            f"behind with probability {percent(row['left_behind'])};"
        )
    return " ".join(said)[:-1] + "."


def gaps_grow(found: Gaps) -> list[str]:
    """Return of each place how its widest gap fares."""
    said = []
    for place in found.places.to_dict("records"):
        mine = found.pairs
        for column in found.rest:
            mine = mine[mine[column] == place[column]]
        row = mine.sort_values("gap", ascending=False).to_dict("records")[0]
        where = f" in {found.place(place)}" if found.place(place) else ""
        said.append(
            f"The widest gap{where}, of {row['worse']} to {row['better']}, goes from {significant(row['gap'], 3)} to "
            f"{significant(row['gap_later'], 3)} {found.unit}: it grows with scale with probability "
            f"{percent(row['grows'])} (as a share of the loss, {percent(row['grows_relative'])})."
        )
    return said


def gaps_caption(subject: Subject) -> str:
    """Return the caption of the gaps."""
    if subject.gaps is None:
        return ""
    scale = (
        " Per byte, since groups have tokens of different lengths." if subject.gaps.unit == PER_BYTE else ""
    )
    return (
        f"Expected loss of each {subject.gaps.by} less the average over them, with 90 % bands; dots are runs that were "
        f"measured on every group. Lines that part from zero are groups that part from the average.{scale}"
    )


def gaps_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    return "" if subject.gaps is None else " ".join(["Gaps against compute.", *gaps_grow(subject.gaps)])


def no_frontier(inputs: tuple[str, ...]) -> str:
    """Return what stands in place of N* and D*."""
    others = [name for name in inputs if name not in ("params", "tokens")]
    if {"params", "tokens"} < set(inputs):
        return (
            f"The best size hangs on {_list(others)} too, which the law takes beside parameters and tokens: ask "
            "`bayescale allocate`, which fixes them by --at, or buys a datastore from the same budget."
        )
    return (
        "This law has no compute-optimal size to show: it is not one of parameters and tokens, or has no "
        "minimum along a budget."
    )


def budgets_note(dearest: float) -> str:
    """Return what the table of budgets shows."""
    return (
        "Medians with 90 % intervals of the compute-optimal run at round budgets; the loss is the "
        "expected one, without a "
        f"run's noise. Budgets above {scientific(dearest, 2)} FLOPs lie beyond the data: near, while no further than "
        "forecasts of these runs were checked, beyond, up to three times as far, and far, where nothing vouches for "
        "them."
    )


def contrasts_note(flops: float) -> str:
    """Return what the table of pairs of groups shows."""
    return (
        f"Each group is at its own compute-optimal run of {scientific(flops, 2)} FLOPs. A group counts as better where "
        "its loss is lower by more than the noise of one run with a probability of 90 %; otherwise these runs show no "
        "difference."
    )


def beside(subject: Subject) -> str:
    """Return what stands beside each other, and which fits are not to be believed."""
    every = {subject.posterior.model.name: subject.posterior, **subject.others}
    said = [f"{name}: {law_and_runs(one)}" for name, one in every.items()]
    failed = [name for name, one in every.items() if one.health().verdict == "FAIL"]
    warning = f" {' and '.join(failed)} FAILED the health gate: not to be used." if failed else ""
    average = (
        " The average weighs each by how well it forecast runs that it had not seen."
        if subject.weights
        else ""
    )
    return (
        "Medians with 90 % intervals of the loss that a run would measure, at the compute-optimal runs of the fit that "
        f"this page is about. {'; '.join(said)}.{average}{warning}"
    )


def law_and_runs(posterior: PosteriorData) -> str:
    """Return what a fit is of, in words."""
    rows = len(posterior.runs)
    dearest = scientific(posterior.dearest, 2)
    return f"the law {posterior.model.law} on {rows} rows up to {dearest} FLOPs"


def _hidden(subject: Subject) -> str:
    return hidden_cells(len(subject.shown), len(subject.cells))


def loss_compute_caption(subject: Subject) -> str:
    """Return the caption of loss against compute."""
    text = (
        "Up to noise, measured runs lie on or above the line: the loss that the best-shaped run of their "
        "compute is expected to reach"
    )
    if not subject.frontiers:
        text = "Measured runs by compute, coloured by size"
    if subject.decision is not None:
        text += "; a star is an action as it would come out in that group, with the 90 % band of one run"
    return f"{text}; everything on grey lies beyond the data.{_hidden(subject)}"


def loss_compute_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    runs = subject.posterior.runs
    text = (
        f"Loss against compute for {_list([subject.cells[i] for i in subject.shown])}: {len(runs)} "
        f"runs from {scientific(subject.budgets[0], 2)} to "
        f"{scientific(subject.dearest, 2)} FLOPs with losses from {significant(runs['loss'].min(), 3)} "
        f"to {significant(runs['loss'].max(), 3)}."
    )
    for i, found in subject.frontiers.items():
        text += (
            f" {subject.cells[i]}: expected to reach {significant(found.loss[2, -1], 3)} at "
            f"{scientific(found.flops[-1], 2)} FLOPs."
        )
    return text


def parameters_caption(subject: Subject) -> str:
    """Return the caption of the parameters by group."""
    text = (
        "The law's parameters, exponents first: groups whose intervals part differ, and the others share "
        "strength through the population."
    )
    if any(p.centring for p in subject.posterior.model.definition.parameters):
        text += " An amplitude is shown as the size of its term at the runs' geometric mean."
    if subject.posterior.model.definition.published:
        text += (
            " Published values were measured on other data, and in other conventions: for scale, not for "
            "judgement."
        )
    return text + _hidden(subject)


def parameters_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    posterior = subject.posterior
    parts = [
        f"{p} {_band(posterior.draws(f'{p}_mean'), 3)}" for p in posterior.model.definition.parameter_names
    ]
    return f"Intervals of the law's parameters by group. Population means: {'; '.join(parts)}."


def optimum_caption(subject: Subject) -> str:
    """Return the caption of N* and D*."""
    points = (
        " Points are minima of the runs' IsoFLOP curves, read without the law and freed of the method's own bias, with "
        "90 % intervals."
        if isinstance(subject.isoflop, IsoFlopCheck)
        else ""
    )
    return (
        "How to spend a budget: the size and the tokens with the lowest expected loss, with 90 % "
        "bands; where tokens per parameter "
        f"rise with compute, data should grow faster than size.{points}{_hidden(subject)}"
    )


def isoflop(found: IsoFlopCheck | str) -> str:
    """Return what the law-free check of the frontier says, or why there is none."""
    if isinstance(found, str):
        return found
    left = len(found.table) - len(found.used)
    return f"{found.sentence}" + (f" {left} more are left out; the table says why." if left else "")


def isoflop_caution(found: IsoFlopCheck | str) -> str:
    """Return a warning where curves and law disagree; empty otherwise."""
    return found.sentence if isinstance(found, IsoFlopCheck) and found.disagrees else ""


def isoflop_note(found: IsoFlopCheck) -> str:
    """Return how the curves were read."""
    return (
        "A parabola through the log losses of each budget against log parameters (Hoffmann et al. 2022, approach 2), "
        "with one curvature for each group and a trend in it. The bias is what the same parabola would misread if the "
        "law were true, and is taken off. N* of the curves and of the law with 90 % intervals, their ratio with a "
        "95 % one: some miss one by chance, so the verdict is on their mean and on their trend with compute."
    )


def optimum_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    parts = []
    for i, f in subject.frontiers.items():
        if f.params is not None and f.tokens is not None:
            parts.append(
                f"{subject.cells[i]}: {count(f.params[2, -1])} parameters and {count(f.tokens[2, -1])} "
                f"tokens at {scientific(f.flops[-1], 2)} FLOPs"
            )
    return f"Compute-optimal parameters, tokens and tokens per parameter against compute. {'; '.join(parts)}."


def held_out_caption(subject: Subject) -> str:
    """Return the caption of the held-out check."""
    held = subject.checked
    more = (
        ""
        if held is None or len(held.measured) <= 48
        else f" Drawn are the 48 dearest of {len(held.measured)}."
    )
    return (
        "Each held-out run's measured loss against the band that was forecast for it without having seen "
        f"it.{more}"
    )


def held_out_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    return f"Held-out runs against their forecast. {coverage(subject.checked)}" if subject.checked else ""


def residuals_caption(subject: Subject) -> str:
    """Return the caption of the residuals."""
    return (
        "If the law holds, residuals scatter about zero without a trend, nine in ten inside the grey "
        "band (left), and the ranks of "
        "measured runs among replicated ones are even (right)."
    )


def residuals_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    error = subject.posterior.runs["loss"].to_numpy(float) / np.median(subject.fitted, axis=0) - 1
    return (
        f"Residuals of {len(error)} runs against compute: from {_percent(error.min(), sign=True)} to "
        f"{_percent(error.max(), sign=True)}, "
        f"root mean square {_percent(np.sqrt((error**2).mean()))}; and a histogram of ranks among "
        "replicated runs."
    )


def priors_caption(subject: Subject) -> str:
    """Return the caption of prior against posterior."""
    return (
        "What the data taught: where blue is much narrower than grey the runs decided, where the two "
        "agree the prior did. Each curve is "
        "drawn to its own height; the factor compares standard deviations."
    )


def priors_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    return "Prior and posterior densities of the population means and of the noise."


def ranks_caption(subject: Subject) -> str:
    """Return the caption of the ranks."""
    return (
        "Ranks of each chain's draws among those of all, as departure from even ones: chains that agree stay "
        "inside the grey band, whole, in 99 of 100 pictures."
    )


def ranks_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    checks = "; ".join(
        f"{c.name} {shortest(c.value, 3)} ({c.limit}), {c.verdict}" for c in subject.posterior.health().checks
    )
    return f"Rank plots by chain. {checks}."


def energy_caption(subject: Subject) -> str:
    """Return the caption of the energy."""
    return (
        "Left, the energy's fraction of missing information in each chain: right of the line is well. Right, the "
        "energy's distribution and that of its change from draw to draw, which should be about as wide."
    )


def energy_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    bfmi = next((c for c in subject.posterior.health().checks if c.name == "E-BFMI"), None)
    return f"Energy by chain. {f'Least E-BFMI {shortest(bfmi.value, 3)}.' if bfmi else ''}"


def replicated_caption(subject: Subject) -> str:
    """Return the caption of the replicated runs."""
    return (
        "Measured losses (black) among those of thirty tables that the fitted model makes (blue): where black leaves "
        "blue, the model does not make runs like these."
    )


def replicated_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    return f"Distribution of measured losses among replicated ones. {predictive_summary(subject.diagnosis)}"


def predictive_summary(diagnosis: Diagnosis) -> str:
    """Say whether the model makes runs like the measured ones."""
    odd = diagnosis.odd
    if not len(odd):
        return "The fitted model makes tables like this one: none of the checks below is unlikely."
    said = "; ".join(
        f"{row['check']} is {shortest(row['measured'], 3)}, where {shortest(row['predicted'], 3)} would be expected"
        for row in odd.to_dict("records")
    )
    return f"The fitted model rarely makes tables like this one: {said}."


def pareto_k_caption(subject: Subject) -> str:
    """Return the caption of leave-one-out."""
    return (
        "Pareto k of leaving each run out: above the line the estimate cannot be trusted for it, and the fit hangs on "
        "that run."
    )


def pareto_k_alt(subject: Subject) -> str:
    """Return what that figure shows, for who cannot see it."""
    return f"Pareto k of every run. {leave_one_out(subject.diagnosis)}"


def leave_one_out(diagnosis: Diagnosis) -> str:
    """Say what leave-one-out came to, and how far it can be trusted."""
    loo = diagnosis.loo
    text = (
        f"Leave-one-out: an expected log predictive density of {shortest(loo.elpd, 4)} ± {shortest(loo.se, 2)} over "
        f"{len(loo.pareto_k)} runs, {shortest(loo.p, 3)} effective parameters. "
    )
    if not len(loo.bad):
        most = f"Pareto k at most {loo.pareto_k.max():.2f}; up to {loo.good:.2f} is well"
        return f"{text}It can be trusted for every run ({most})."
    which = ", ".join(map(str, loo.bad[:8])) + (" and more" if len(loo.bad) > 8 else "")
    return (
        f"{text}It cannot be trusted for {len(loo.bad)} of them, on each of which the fit hangs (Pareto k above "
        f"{loo.good:.2f}): in the order of the table {which}."
    )


def sensitivity(diagnosis: Diagnosis) -> str:
    """Say what the priors decide."""
    table = diagnosis.sensitivity
    prior = table[table["prior"] >= SENSITIVE]
    if not len(prior):
        return "No prior moves any of these quantities noticeably."
    names = list(prior["quantity"][:6]) + (["more"] if len(prior) > 6 else [])
    return f"Priors move {len(prior)} of {len(table)}: {_list(names)}."


def _band(draws: np.ndarray, digits: int) -> str:
    low, middle, high = np.quantile(draws, (0.05, 0.5, 0.95))
    return f"{significant(middle, digits)} [{interval(low, high, digits)}]"


def _percent(share: float, sign: bool = False) -> str:
    text = f"{100 * share:{'+' if sign else ''}.2g}".replace("-", "−")
    return f"{text}\u00a0%"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
