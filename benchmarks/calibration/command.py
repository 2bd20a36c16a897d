"""The command: every simulation kept in benchmarks/calibration/simulations, the page in docs/calibration.md."""

from __future__ import annotations

import argparse

from benchmarks.calibration.page import write
from benchmarks.calibration.results import add, known, path_of
from benchmarks.calibration.worlds import worlds

CHUNK = 20
"""Simulations of one world before it is the next one's turn: what is there at any time is of all of them."""


def main(arguments: list[str] | None = None) -> int:
    """Simulate what is missing, print what the ranks say, and write the page."""
    parser = argparse.ArgumentParser(prog="benchmarks/calibration.py", description=__doc__)
    names = [w.name for w in worlds()]
    parser.add_argument(
        "--world", action="append", choices=names, help="this one, and others by the same option"
    )
    parser.add_argument("--simulations", type=int, default=200, help="of each world (200)")
    parser.add_argument("--quick", action="store_true", help="ten simulations of each world, and no page")
    parser.add_argument("--page", action="store_true", help="only write the page, of what there is")
    parser.add_argument("--fresh", action="store_true", help="simulate again what there is")
    chosen = parser.parse_args(arguments)
    mine = [w for w in worlds() if not chosen.world or w.name in chosen.world]
    count = 10 if chosen.quick else chosen.simulations
    if chosen.fresh and not chosen.page:
        for world in mine:
            path_of(world).unlink(missing_ok=True)
    if not chosen.page:
        for start in range(0, count, CHUNK):
            for world in mine:
                add(world, range(start, min(start + CHUNK, count)))
    for world in mine:
        found, _ = known(world)
        print(found if found.ranked else f"{world.name}: no ranks yet")
    if not chosen.quick:
        write()
    return 0
