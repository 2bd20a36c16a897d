"""The command: every world kept in benchmarks/verdicts/results, the page in docs/verdicts.md."""

from __future__ import annotations

import argparse
import multiprocessing
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from benchmarks.verdicts.page import headline, write
from benchmarks.verdicts.results import FOLDER, Record, add, known, missing_tables
from benchmarks.verdicts.run import run_table
from benchmarks.verdicts.summary import frame
from benchmarks.verdicts.worlds import FAMILIES


def main(arguments: list[str] | None = None) -> int:
    """Ask the worlds that are missing, print the headline, and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks/verdicts.py", description=__doc__)
    parser.add_argument("--worlds", type=int, default=1008, help="number of worlds over all families (1008)")
    parser.add_argument(
        "--family", action="append", choices=list(FAMILIES), help="this family, and others likewise"
    )
    parser.add_argument("--jobs", type=int, default=2, help="number of processes (2)")
    parser.add_argument("--page", action="store_true", help="only write the page, of the worlds there are")
    parser.add_argument(
        "--fresh", action="store_true", help="ask again what earlier revisions of the package asked"
    )
    parser.add_argument("--folder", type=Path, help="folder of the results; with it no page is written")
    chosen = parser.parse_args(arguments)
    folder, families = chosen.folder or FOLDER, chosen.family or list(FAMILIES)
    worlds = -(-chosen.worlds // len(FAMILIES))
    failed = 0
    if not chosen.page:
        missing = missing_tables(known(folder, chosen.fresh), families, worlds)
        for done, records in enumerate(_asked(missing, chosen.jobs), start=1):
            add(folder, records)
            failed += not records
            if records:
                print(f"  {done} of {len(missing)}: {_said(records)}", flush=True)
    found = known(folder)
    if found:
        print("\n".join(headline(frame(found))))
    if chosen.folder is None:
        write(found)
    return 1 if failed else 0


def _asked(missing: list[tuple[str, int]], jobs: int) -> Iterator[list[Record]]:
    """Records of every table, as they are made; none of a table whose fit raised, which is printed."""
    if jobs == 1:
        for kind, table in missing:
            yield _safe(kind, table)
        return
    # A process of its own compiles its own programs, and keeps them for every table of one shape.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for made in as_completed([pool.submit(_safe, kind, table) for kind, table in missing]):
            yield made.result()


def _safe(kind: str, table: int) -> list[Record]:
    try:
        return run_table(kind, table)
    except Exception:
        print(f"  table {table}, {kind}:\n{traceback.format_exc()}", flush=True)
        return []


def _said(records: list[Record]) -> str:
    answers = [v["answer"] for r in records for v in r["verdicts"]]
    counts = ", ".join(f"{answers.count(a)} {a}" for a in dict.fromkeys(answers))
    cpu = sum(r["cpu_s"] for r in records)
    first = records[0]
    return (
        f"{' and '.join(dict.fromkeys(r['family'] for r in records))}, table {first['table']}: {first['health']}, "
        f"{counts}; {cpu:.1f} s of CPU, {first['compiled']} programs compiled"
    )
