"""Simulations, a line each in a file a world, kept beside the code: hours of them, that any machine goes on with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bayescale.inference.calibration import QUICK, Calibration, Simulation, calibrate
from bayescale.revisions import outdated, revisions_of
from benchmarks import kept
from benchmarks.calibration.worlds import World
from benchmarks.published.tables import ROOT

FOLDER = ROOT / "benchmarks" / "calibration" / "simulations"
SEED = 0


def path_of(world: World) -> Path:
    """Where a world's simulations are: another model, table or settings, another file."""
    said = "\n".join((world.model.model_dump_json(), world.runs.to_csv(), str(QUICK), str(SEED)))
    return FOLDER / f"{world.name}-{hashlib.sha256(said.encode()).hexdigest()[:16]}.jsonl"


def known(world: World) -> tuple[Calibration, int]:
    """The simulations there are, in order, and how many of them an earlier revision made."""
    found: dict[int, Simulation] = {}
    stale = 0
    for line in _lines(path_of(world)):
        revisions = line.pop("revisions")
        if line["number"] not in found:
            found[line["number"]] = Simulation.from_dict(line)
            stale += bool(outdated(revisions))
    return Calibration(world.title, tuple(found[n] for n in sorted(found))), stale


def add(world: World, numbers: range) -> None:
    """Make those of the simulations that are not there yet, each kept as soon as it is made."""
    there = {s.number for s in known(world)[0].simulations}
    missing = [n for n in numbers if n not in there]
    path = path_of(world)
    revisions = revisions_of("sampler")
    for one in calibrate(world.model, world.runs, missing, SEED):
        kept.append_lines(path, [{**one.to_dict(), "revisions": revisions}])
        missed = f" ({', '.join(one.missed)})" if one.missed else ""
        print(
            f"  {world.name} {one.number + 1}: {one.verdict}{missed}, ESS {one.ess:.0f}, {one.cpu_s:.1f} s of CPU, "
            f"{one.compiled} programs compiled",
            flush=True,
        )


def _lines(path: Path) -> Iterator[dict]:
    # Not finite in lines that ranked draws which were not numbers: made again.
    return (found for found in kept.read_lines(path) if np.isfinite(found["ess"]))
