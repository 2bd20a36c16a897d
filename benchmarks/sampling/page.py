"""The page of the docs, from what has been kept alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sampling.designs import PROBLEMS
from benchmarks.sampling.race import OURS, TITLES, Effort
from benchmarks.sampling.summary import Summary
from benchmarks.sampling.target import ENOUGH
from benchmarks.sampling.targets import Target, of_growth, of_problem, of_startup

INTRO = Path(__file__).with_name("intro.md")


def markdown(
    effort: Effort,
    found: Mapping[str, Sequence[Summary]],
    densities: Mapping[str, Mapping[str, dict[str, Any]]],
    startup: Mapping[str, Any] | None,
    growth: Sequence[dict[str, Any]],
) -> str:
    """The whole page."""
    told = {"chains": effort.chains, "warmup": effort.warmup, "draws": effort.draws, "enough": ENOUGH}
    lines = [INTRO.read_text(encoding="utf-8").format(**told)]
    lines += _asked(found, startup, growth)
    for problem in PROBLEMS:
        if found.get(problem.name):
            lines += _problem(
                problem.name, problem.title, found[problem.name], densities.get(problem.name, {})
            )
    absent = [p.name for p in PROBLEMS if not found.get(p.name)]
    if absent:
        lines.append(f"**Not on this page**, as they have not been run: {', '.join(absent)}.\n")
    if growth:
        lines += _growth(growth)
    return "\n".join(lines)


def _asked(
    found: Mapping[str, Sequence[Summary]],
    startup: Mapping[str, Any] | None,
    growth: Sequence[dict[str, Any]],
) -> list[str]:
    rows = [(p.name, *_row(target)) for p in PROBLEMS for target in of_problem(p.name, found.get(p.name, ()))]
    rows += [("start-up", *_row(target)) for target in (of_startup(startup) if startup else ())]
    rows += [("growth", *_row(target)) for target in of_growth(growth)]
    lines = ["## What was asked\n", *_table(("posterior", "figure", "asked", "reached", "met"), rows)]
    if startup:
        lines.append(
            "The first draw of ours is the first chunk of 50 iterations of a chain, the search for a start with it; "
            "NumPyro's is one draw of one chain after one step of warm-up.\n"
        )
    return lines


def _row(target: Target) -> tuple[str, str, str, str]:
    met = {True: "yes", False: "**no**", None: "not measured"}[target.met]
    return target.what, target.asked, target.reached, met


def _problem(
    name: str, title: str, summaries: Sequence[Summary], densities: Mapping[str, dict[str, Any]]
) -> list[str]:
    first = summaries[0].results[0]
    lines = [
        f"## {name}: {title}\n",
        f"{first['rows']} rows in {first['cells']} cells, {first['dimensions']} dimensions, "
        f"{max(len(s.results) for s in summaries)} seeds.\n",
    ]
    header = (
        "sampler",
        "health",
        "bulk ESS",
        "tail ESS",
        "R-hat",
        "divergences",
        "leapfrogs per ESS",
        "CPU s, cold",
        "warm",
        "ESS per CPU-s, cold",
        "warm",
    )
    lines += _table(header, [_figures(s) for s in summaries])
    compared = [d for d in densities.values() if "difference" in d]
    if compared:
        largest = max(d["difference"] for d in compared)
        lines.append(
            f"Log densities of {len(compared)} rivals differ from ours by at most {largest:.1e} at "
            f"{compared[0]['points']} points.\n"
        )
    lines += [
        f"{TITLES[name]} is not in the table; its density could not be evaluated: {d['failed'] or 'no answer'}.\n"
        for name, d in sorted(densities.items())
        if "difference" not in d and name not in {s.sampler for s in summaries}
    ]
    lines += [f"{TITLES[s.sampler]}, seed {r['seed']}: {said}\n" for s in summaries for r, said in _again(s)]
    return lines


def _again(summary: Summary) -> list[tuple[dict[str, Any], str]]:
    """Fits of ours that were sampled a second time."""
    if summary.sampler not in OURS:
        return []
    return [
        (r, note) for r in summary.finished for note in r.get("notes", ()) if note.startswith("sampled again")
    ]


def _figures(s: Summary) -> tuple[str, ...]:
    title = TITLES[s.sampler]
    if s.finished:
        title += f" {s.finished[0]['version']}"
    if not s.finished:
        return (title, s.why, *[""] * 9)

    def told(value: float, form: str) -> str:
        if math.isnan(value):
            return ""
        return format(value, form) if s.passed else f"({value:{form}})"

    return (
        title,
        s.why,
        f"{s.median('bulk'):.0f}",
        f"{s.median('tail'):.0f}",
        f"{s.r_hat:.3f}",
        f"{s.divergences} of {sum(r['draws'] for r in s.finished)}",
        told(s.leapfrogs_per_ess, ".0f"),
        *("" if math.isnan(s.cpu_s(c)) else f"{s.cpu_s(c):.0f}" for c in ("cold", "warm")),
        *(told(s.speed(c), ".1f") for c in ("cold", "warm")),
    )


def _growth(points: Sequence[dict[str, Any]]) -> list[str]:
    lines = [
        "## Growth\n",
        "Hoffmann's law, pooled over architecture, task and cell, and beside it a gradient of the default model, which "
        "is pooled over architecture and task. A gradient is one of the log density in the coordinates that are "
        "sampled; a fit is one at default settings, without the refits.\n",
        "![Cost of a gradient and memory of a fit, by runs and cells](sampling.png)\n",
    ]
    measured = {(p["kind"], p["axis"], p["runs"], p["cells"]): p for p in points}
    rows = []
    for (kind, *size), p in measured.items():
        if kind != "gradient":
            continue
        fit, default = (measured.get((other, *size)) for other in ("fit", "default"))
        rows.append(
            (
                f"{p['runs']:,}",
                f"{p['cells']:,}",
                str(p.get("dimensions", "")),
                _cost(p),
                f"{p['peak_mib']:.0f}",
            )
            + (("", "", "") if fit is None else _fit(fit))
            + (("", "") if default is None else (str(default.get("dimensions", "")), _cost(default)))
        )
    header = (
        "runs",
        "cells",
        "dimensions",
        "ms a gradient",
        "MiB for it",
        "health of the fit",
        "CPU s",
        "peak MiB",
        "dimensions, default model",
        "ms a gradient",
    )
    return lines + _table(header, rows)


def _cost(p: dict[str, Any]) -> str:
    if "gradient_s" in p:
        return f"{1e3 * p['gradient_s']:.2f}"
    return "stopped" if p["stopped"] else str(p["failed"])


def _fit(p: dict[str, Any]) -> tuple[str, str, str]:
    said = p.get("verdict") or (f"stopped after {p['cpu_s']:.0f} CPU-s" if p["stopped"] else p["failed"])
    return said, f"{p['cpu_s']:.0f}", f"{p['peak_mib']:.0f}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]
