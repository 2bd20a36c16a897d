"""The command: every fit kept in .bayescale/sampling, the page in docs/sampling.md."""

from __future__ import annotations

import argparse
import json
import sys

from benchmarks.published.tables import FOLDER, ROOT
from benchmarks.sampling.designs import PROBLEMS
from benchmarks.sampling.figure import figure
from benchmarks.sampling.growth import grow, measured
from benchmarks.sampling.page import markdown
from benchmarks.sampling.race import (
    FULL,
    QUICK,
    TITLES,
    Effort,
    compare_densities,
    default_samplers,
    keep,
    race,
    results,
)
from benchmarks.sampling.startup import measure
from benchmarks.sampling.summary import summarise

PAGE, FIGURE = ROOT / "docs" / "sampling.md", ROOT / "docs" / "sampling.png"
CAP = 900.0
"""CPU seconds after which a fit is stopped."""
PARTS = ("race", "startup", "growth")


def main(arguments: list[str] | None = None) -> int:
    """Run what has not been run, then print the page and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks/sampling.py", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=[p.name for p in PROBLEMS],
        help="this posterior, and others so named",
    )
    parser.add_argument(
        "--samplers",
        help=f"names with commas between, of {', '.join(TITLES)}; all but trials where absent",
    )
    parser.add_argument("--parts", default=",".join(PARTS), help="which of race, startup, growth")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one seed and half of the draws, kept apart; printed and not written",
    )
    parser.add_argument("--cap", type=float, default=CAP, help="CPU seconds after which a fit is stopped")
    parser.add_argument(
        "--python", default=sys.executable, help="interpreter that has PyMC, nutpie, BlackJAX and PyStan"
    )
    parser.add_argument("--page", action="store_true", help="write the page from what is kept, run nothing")
    chosen = parser.parse_args(arguments)
    effort = QUICK if chosen.quick else FULL
    samplers = chosen.samplers.split(",") if chosen.samplers else default_samplers()
    unknown = [name for name in samplers if name not in TITLES]
    if unknown:
        parser.error(f"no sampler {', '.join(unknown)}: there are {', '.join(TITLES)}")
    if not chosen.page:
        _run(chosen, effort, samplers)
    page, drawn = made(effort)
    print(page)
    if not chosen.quick:
        PAGE.write_text(page, encoding="utf-8")
        if drawn is not None:
            FIGURE.write_bytes(drawn)
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0


def _run(chosen: argparse.Namespace, effort: Effort, samplers: list[str]) -> None:
    parts = chosen.parts.split(",")
    problems = [p for p in PROBLEMS if not chosen.only or p.name in chosen.only]
    for problem in problems:
        if not problem.there:
            print(f"{problem.name}: skipped, there is no {problem.needs}.csv in {FOLDER}")
    if "startup" in parts and not (effort.folder / "startup.json").is_file():
        keep(effort.folder / "startup.json", measure(effort.folder))
    if "race" in parts:
        seeds = 1 if chosen.quick else chosen.seeds
        for problem in filter(lambda p: p.there, problems):
            compare_densities([problem], samplers, effort, chosen.python)
            race([problem], samplers, seeds, effort, chosen.cap, chosen.python)
    if "growth" in parts:
        grow(effort, chosen.cap)


def made(effort: Effort) -> tuple[str, bytes | None]:
    """The page and its figure, from what is kept alone."""
    order = list(TITLES)
    found = {p.name: summarise(results(effort, p.name), order) for p in PROBLEMS}
    densities = {
        p.name: {
            path.stem: json.loads(path.read_text())
            for path in (effort.folder / p.name / "density").glob("*.json")
        }
        for p in PROBLEMS
    }
    path = effort.folder / "startup.json"
    startup = json.loads(path.read_text()) if path.is_file() else None
    points = measured(effort)
    return markdown(effort, found, densities, startup, points), figure(points) if points else None
