"""The command: every section, its fits kept in .bayescale/published, the page in docs/published.md."""

from __future__ import annotations

import argparse
import os
import shutil
import time

# The fits run chains in threads of their own; more threads inside each only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.published import clark, derived, hoffmann, muennighoff, porian
from benchmarks.published.fits import CACHE
from benchmarks.published.page import markdown
from benchmarks.published.tables import FOLDER, ROOT, available

SECTIONS = {
    "hoffmann": hoffmann,
    "clark": clark,
    "muennighoff": muennighoff,
    "porian": porian,
    "derived": derived,
}
PAGE = ROOT / "docs" / "published.md"


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and write the page where every section was made; 1 where a published table is absent."""
    parser = argparse.ArgumentParser(prog="benchmarks/published.py", description=__doc__)
    parser.add_argument("--only", choices=sorted(SECTIONS), help="one section, printed and not written")
    parser.add_argument("--fresh", action="store_true", help="fit again what was fitted before")
    chosen = parser.parse_args(arguments)
    if chosen.fresh:
        shutil.rmtree(CACHE, ignore_errors=True)
    names = [chosen.only] if chosen.only else list(SECTIONS)
    absent = [f"{t}.csv" for name in names for t in SECTIONS[name].NEEDS if not available(t)]
    if absent:
        print(f"published tables are not here: {', '.join(absent)} in {FOLDER}; put them there and run again")
        return 1
    sections = []
    began = time.process_time()
    for name in names:
        print(f"{name} ...", flush=True)
        sections.append(SECTIONS[name].section())
    page = markdown(sections)
    print(page)
    print(f"{time.process_time() - began:.0f} s of CPU")
    if not chosen.only:
        PAGE.write_text(page, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    return 0
