"""The command: every fit kept in .bayescale/theory, the page in docs/theory-coverage.md."""

from __future__ import annotations

import argparse
import sys

from benchmarks.theory.page import markdown
from benchmarks.theory.replicates import LAWS, POINTS, ROOT, Found, replicate

PAGE = ROOT / "docs" / "theory-coverage.md"


def main(arguments: list[str] | None = None) -> int:
    """Fit what has not been fitted yet, and write the page of all that was asked for."""
    parser = argparse.ArgumentParser(prog="benchmarks/theory.py", description=__doc__)
    parser.add_argument("--replicates", type=int, default=20, help="tables a phase")
    parser.add_argument("--phases", default=",".join(POINTS), help="separated by commas")
    parser.add_argument("--laws", default=",".join(LAWS), help="separated by commas; names of models too")
    parser.add_argument("--page", action="store_true", help="only write the page, of what there is")
    parser.add_argument("--dry", action="store_true", help="print the page and do not write it")
    chosen = parser.parse_args(arguments)
    every: list[Found] = []
    # Replicate by replicate, so that a study that is stopped early is even over the phases.
    for number in range(chosen.replicates):
        for phase in chosen.phases.split(","):
            for one in replicate(phase, number, chosen.laws.split(","), fit=not chosen.page):
                every.append(one)
                print(
                    f"  {phase} {number} {one.law}: {one.verdict} ({one.cpu_s:.0f} s of CPU)",
                    file=sys.stderr,
                    flush=True,
                )
    page = markdown(every)
    print(page)
    if not chosen.dry:
        PAGE.write_text(page, encoding="utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}", file=sys.stderr)
    return 0
