"""The command: every fit kept in .bayescale/extrapolation, the page in docs/extrapolation.md."""

from __future__ import annotations

import argparse
from pathlib import Path

import bayescale as bs
from bayescale.bundled import DEFAULT_MODEL
from benchmarks.extrapolation import rolling
from benchmarks.extrapolation.figure import figure
from benchmarks.extrapolation.page import markdown
from benchmarks.extrapolation.problems import PROBLEMS
from benchmarks.extrapolation.results import baselines, ours
from benchmarks.extrapolation.simulated import WORLDS, world
from benchmarks.published.tables import FOLDER, ROOT, available

PAGE, FIGURE = ROOT / "docs" / "extrapolation.md", ROOT / "docs" / "extrapolation.png"


def main(arguments: list[str] | None = None) -> int:
    """Print the page, and write it where the default model made it."""
    parser = argparse.ArgumentParser(prog="benchmarks/extrapolation.py", description=__doc__)
    parser.add_argument(
        "--table",
        action="append",
        choices=[p.name for p in PROBLEMS],
        help="this table, and others by the same option; the page names those that are left out",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="another model than the default, printed and not written"
    )
    parser.add_argument("--figure", help="also draw the tables there are as this PNG")
    parser.add_argument("--fresh", action="store_true", help="fit again what earlier revisions fitted")
    parser.add_argument(
        "--rolling",
        action="append",
        choices=("none", *rolling.TABLES),
        help="forecast this table's last budgets, and others by the same option; all of them where absent",
    )
    parser.add_argument(
        "--simulated",
        type=int,
        default=WORLDS,
        help="tables that follow the law, to see what its misfit costs",
    )
    chosen = parser.parse_args(arguments)
    model = bs.Model.load(chosen.model)
    found = {}
    for problem in PROBLEMS:
        if chosen.table and problem.name not in chosen.table:
            continue
        if not available(problem.file):
            print(f"{problem.name}: skipped, there is no {problem.file}.csv in {FOLDER}")
            continue
        found[problem.name] = (
            ours(problem, model, fresh=chosen.fresh),
            baselines(problem, fresh=chosen.fresh),
        )
    if not found:
        return 1
    tables = chosen.rolling or rolling.TABLES
    rolls = {
        name: rolling.rolled(name, model, chosen.fresh)
        for name in rolling.TABLES
        if name in tables and rolling.there(name)
    }
    simulated = [world(number, model, chosen.fresh) for number in range(chosen.simulated)]
    page = markdown(found, model.name, rolls, simulated)
    print(page)
    if chosen.figure:
        Path(chosen.figure).write_bytes(figure(found, model.name))
    if chosen.model == DEFAULT_MODEL:
        PAGE.write_text(page, encoding="utf-8")
        FIGURE.write_bytes(figure(found, model.name))
        print(f"wrote {PAGE.relative_to(ROOT)} and {FIGURE.relative_to(ROOT)}")
    return 0
