"""The command: every fit kept in .bayescale/learning-curves, the page in docs/learning-curves.md."""

from __future__ import annotations

import argparse
import shutil
import time

from benchmarks.learning_curves.curves import TABLE, Curve, curves
from benchmarks.learning_curves.figure import figure
from benchmarks.learning_curves.fits import CACHE, LAWS, Forecast, forecast
from benchmarks.learning_curves.halves import (
    STARTED,
    TABLES,
    TARGET,
    Halves,
    halves,
    measured,
    second_halves,
    simulated,
    started,
)
from benchmarks.learning_curves.page import markdown
from benchmarks.published.tables import FOLDER, ROOT, available, table

PAGE, FIGURE = ROOT / "docs" / "learning-curves.md", ROOT / "docs" / "learning-curves.png"
PARTS = ("published", "pooled")


def main(arguments: list[str] | None = None) -> int:
    """Print the page, and write it where every part was made; 1 where the published curves are absent."""
    parser = argparse.ArgumentParser(prog="benchmarks/learning_curves.py", description=__doc__)
    parser.add_argument("--only", choices=PARTS, help="one part, printed and not written")
    parser.add_argument("--fresh", action="store_true", help="fit again what was fitted before")
    chosen = parser.parse_args(arguments)
    if chosen.fresh:
        shutil.rmtree(CACHE, ignore_errors=True)
    parts = [chosen.only] if chosen.only else list(PARTS)
    if "published" in parts and not available(TABLE):
        print(f"the published curves are not here: put {TABLE}.csv in {FOLDER}, or ask for --only pooled")
        return 1
    began = time.process_time()
    found = curves(table(TABLE)) if "published" in parts else []
    forecasts = published(found)
    tables, ours = pooled() if "pooled" in parts else ([], None)
    page = markdown(found, forecasts, tables, ours)
    print(page)
    spent = sum(x.cpu_s for x in (*forecasts.values(), *tables, *([ours] if ours else [])))
    print(f"{time.process_time() - began:.0f} s of CPU now, {spent:.0f} s in all the fits")
    if not chosen.only:
        PAGE.write_text(page, encoding="utf-8")
        FIGURE.write_bytes(figure(found, forecasts))
        print(f"wrote {PAGE.relative_to(ROOT)} and {FIGURE.relative_to(ROOT)}")
    return 0


def published(chosen: list[Curve]) -> dict[tuple[str, str], Forecast]:
    """Every law on every curve."""
    out = {}
    # Law by law, so that a table of the same shape finds its compiled kernel.
    for law in LAWS:
        for curve in chosen:
            one = out[curve.name, law] = forecast(curve, law)
            print(
                f"  {law} on {curve.name}: {one.verdict} {one.failures} ({one.cpu_s:.0f} s of CPU)",
                flush=True,
            )
    return out


def pooled() -> tuple[list[Halves], Halves | None]:
    """The simulated tables, and ours where there are runs of ours."""
    tables = []
    for seed in range(TABLES):
        simulation = simulated(seed)
        late = second_halves(simulation, [f"run-{i}" for i in STARTED])
        tables.append(halves(simulation, late, TARGET))
        print(
            f"  simulated table {seed}: {tables[-1].verdicts} ({tables[-1].cpu_s:.0f} s of CPU)", flush=True
        )
    own = measured()
    if own is None:
        return tables, None
    ours = halves(own, second_halves(own, started(own)))
    print(f"  our runs: {ours.verdicts} ({ours.cpu_s:.0f} s of CPU)", flush=True)
    return tables, ours
