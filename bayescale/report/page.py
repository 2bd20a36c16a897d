"""The page: everything that is known about a fit, in the order in which a person asks for it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from bayescale.decide import Decision
from bayescale.forecast.odd import odd_runs
from bayescale.numerals import shortest
from bayescale.posterior import PosteriorData
from bayescale.report import sentences, tables
from bayescale.report.contrasts import LEVEL, contrasts
from bayescale.report.errors import ReportError
from bayescale.report.figures import Plate, equation, plates
from bayescale.report.figures.parameters import ordered
from bayescale.report.frontier import frontier
from bayescale.report.reservations import reservations
from bayescale.report.subject import Subject
from bayescale.runs import check_runs
from bayescale.runs.atomic import replace_files


def write_report(
    posterior: PosteriorData,
    path: str | Path,
    decision: Decision | None = None,
    holdout: pd.DataFrame | None = None,
    figures: str | Path | None = None,
    others: Mapping[str, PosteriorData] | None = None,
    weights: Mapping[str, float] | None = None,
) -> Path:
    """Write one self-contained HTML page: no scripts, nothing fetched, the same bytes for the same posterior.

    Parameters
    ----------
    posterior : PosteriorData
    path : path
        Of the page; its folder is made where it is missing, and the file is there whole or not at all.
    decision : Decision, optional
        The page opens with its verdict; without one, with exponents and the loss at ten times the compute.
    holdout : DataFrame, optional
        Measured runs that were kept out of the fit, to check the forecast with.
    figures : path, optional
        A folder that the figures are also written to, as SVG and PNG.
    others : mapping of PosteriorData, optional
        Fits to stand beside this one: of other laws, or with and without some runs; by the name to print.
    weights : mapping of float, optional
        Of this fit, by its model's name, and of the others: their average comes along.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ReportError
        The held-out runs cannot be compared with the fit, or `path` is a folder.
    DecisionError
        The decision names groups that the runs do not have.
    """
    path = Path(path)
    if path.is_dir():
        raise ReportError(
            f"{path} is a folder; give the name of a file in it, such as {path / 'report.html'}"
        )
    subject = Subject(posterior, decision, holdout, dict(others or {}), weights)
    drawn = plates(subject, png=figures is not None)
    contents = {path: render(subject, drawn).encode()}
    if figures is not None:
        folder = Path(figures)
        folder.mkdir(parents=True, exist_ok=True)
        for plate in drawn.values():
            contents |= {folder / f"{plate.name}.svg": plate.wide, folder / f"{plate.name}.png": plate.png}
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_files(contents)
    return path


def render(subject: Subject, drawn: dict[str, Plate]) -> str:
    """Return the page's HTML."""
    # What a table contains is data, never markup: escaping is on whatever the template is called.
    environment = Environment(
        loader=PackageLoader("bayescale.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_uri"] = _data_uri
    return environment.get_template("report.html.j2").render(**_context(subject, drawn))


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _context(subject: Subject, drawn: dict[str, Plate]) -> dict[str, Any]:
    posterior, verdict = subject.posterior, subject.verdict
    law, health, design = posterior.model.definition, posterior.health(), posterior.design
    shared, other = tables.parameters(posterior)
    return {
        "title": sentences.title(subject),
        "figures": drawn,
        "verdict": _verdict(subject),
        "actions": tables.actions(verdict) if verdict is not None and verdict.believed else None,
        "first": tables.first_runs(verdict) if verdict is not None and len(verdict.first) else None,
        "first_note": sentences.first_runs(verdict.first)
        if verdict is not None and len(verdict.first)
        else "",
        "answered": verdict is not None and verdict.reason is None,
        "reservations": (held_by := reservations(subject)),
        "cautions": _cautions(subject, {one.sentence for one in held_by}),
        "banner": sentences.health_banner(health),
        "health": health,
        "health_note": sentences.health_summary(health, subject.checked),
        "checks": [(c, shortest(c.value)) for c in health.checks],
        "predictive": tables.predictive(subject.diagnosis),
        "predictive_note": sentences.predictive_summary(subject.diagnosis),
        "leave_one_out": sentences.leave_one_out(subject.diagnosis),
        "sensitivity": tables.sensitivity(subject.diagnosis),
        "sensitivity_note": sentences.sensitivity(subject.diagnosis),
        "coverage": sentences.coverage(subject.checked) if subject.checked else sentences.no_holdout(),
        "joint_check": tables.held_out(subject.checked) if subject.checked else None,
        "reach": sentences.reach(subject.checked, subject.dearest) if subject.checked else "",
        "gaps": subject.gaps,
        "gaps_lead": sentences.gaps_lead(subject),
        "gaps_said": []
        if subject.gaps is None
        else subject.gaps.left_behind() + sentences.gaps_grow(subject.gaps),
        "gaps_groups": None if subject.gaps is None else tables.gap_groups(subject.gaps),
        "gaps_pairs": None if subject.gaps is None else tables.gap_pairs(subject.gaps),
        "folds": tables.folds(posterior.provenance.get("folds", [])),
        "holds": sentences.holds(posterior),
        "budgets": tables.budgets(subject),
        "budgets_note": sentences.budgets_note(subject.dearest),
        "contrasts": (pairs := tables.contrasts(contrasts(subject))),
        "contrasts_note": "" if pairs is None else sentences.contrasts_note(LEVEL * subject.dearest),
        "beside": tables.beside(subject),
        "beside_note": sentences.beside(subject),
        "no_frontier": sentences.no_frontier(law.inputs),
        "isoflop": sentences.isoflop(subject.isoflop),
        "isoflop_table": None if isinstance(subject.isoflop, str) else tables.isoflop(subject.isoflop),
        "isoflop_note": "" if isinstance(subject.isoflop, str) else sentences.isoflop_note(subject.isoflop),
        "problems": (problems := check_runs(posterior.runs, inputs=law.inputs)),
        "problems_note": sentences.table_check(len(problems)),
        "odd": tables.odd(found) if len(found := odd_runs(posterior)) else None,
        "odd_note": sentences.odd_runs(len(found), len(posterior.runs)),
        "conventions": sentences.conventions(posterior.conventions, posterior.flop_rule),
        "law": law,
        "model": posterior.model,
        "equation": _equation(subject),
        "formulas": [(p, posterior.model.pooling.get(p, "1")) for p in (*law.parameter_names, *design.moved)],
        "pooling": sentences.pooling(design),
        "pooling_notes": sentences.pooling_notes(design, list(posterior.provenance["notes"])),
        "priors": tables.model_priors(subject),
        "published": tables.published(posterior),
        "shared": shared,
        "other": other,
        "provenance": _provenance(posterior, subject),
    }


def _verdict(subject: Subject) -> dict[str, str]:
    posterior, verdict = subject.posterior, subject.verdict
    if verdict is not None:
        return {
            "word": sentences.WORDS[verdict.answer],
            "tone": sentences.TONES[verdict.answer],
            "headline": sentences.headline(verdict),
            "reason": sentences.reason(verdict),
        }
    law = posterior.model.definition
    exponents = {
        p.name: posterior.draws(f"{p.name}_mean") for p in ordered(law) if p.meaning.startswith("exponent")
    }
    ten = 10 * subject.dearest
    found = frontier(posterior, subject.groups(subject.shown), [ten])
    names = [subject.cells[i] for i in subject.shown]
    return {
        "word": "",
        "tone": "plain",
        "headline": sentences.plain_headline(exponents, ten, dict(zip(names, found, strict=False))),
        "reason": sentences.plain_details(posterior.model, len(posterior.runs), len(subject.cells)),
    }


def _cautions(subject: Subject, said_above: set[str]) -> list[str]:
    """Return what is worth knowing about the answer, beside what its box says."""
    if subject.verdict is None or not subject.verdict.believed:
        return []
    verdict = subject.verdict
    table = verdict.table.dropna(subset=["params"])
    said = [*verdict.details, *sentences.extrapolation(table)]
    said += sentences.range_caution(table, subject.posterior.runs)
    return [line for line in said if line and line not in said_above]


def _equation(subject: Subject) -> bytes | None:
    try:
        return equation.draw(subject.posterior.model.definition)
    except ValueError:
        return None


def _provenance(posterior: PosteriorData, subject: Subject) -> list[tuple[str, str]]:
    known = posterior.provenance
    rows = [
        ("Command", known["command"] or "not recorded: fitted from Python"),
        (
            "Runs",
            f"{len(posterior.runs)} from {known['source'] or 'a table in memory'}, sha256 {known['runs_sha256']}",
        ),
        ("Model", f"{posterior.model.name}, sha256 {known['model_sha256']}"),
        ("Posterior", f"sha256 {posterior.sha256}"),
        ("Seed", str(known["seed"])),
        ("Settings", ", ".join(f"{name} {value}" for name, value in known["settings"].items())),
        ("Versions", ", ".join(f"{name} {value}" for name, value in known["versions"].items())),
        ("Fitted", str(known["created"])),
    ]
    if subject.decision is not None:
        rows.append(("Decision", json.dumps(subject.decision.model_dump(mode="json"), ensure_ascii=False)))
    return rows
