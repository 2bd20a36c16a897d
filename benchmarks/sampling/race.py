"""Every sampler on every posterior, a seed at a time, each result kept as JSON so that the command resumes."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bayescale.models.design import Design, make_design
from bayescale.models.layout import layout_of
from bayescale.revisions import revisions_of
from bayescale.runs.atomic import replace_files
from benchmarks.published.tables import ROOT
from benchmarks.sampling.designs import Problem
from benchmarks.sampling.export import largest_difference, our_log_density, points, target_of
from benchmarks.sampling.measures import quality
from benchmarks.sampling.process import run
from benchmarks.sampling.rivals import RIVALS

OURS = {"bayescale": ("--no-folds",), "bayescale-folds": ()}
"""Our fit of the posterior alone, and with the refits that learn how far forecasts drift, as the defaults have it."""
TITLES = {
    "bayescale": "**bayescale**",
    "bayescale-folds": "**bayescale**, with the refits of its drift",
} | {name: rival.title for name, rival in RIVALS.items()}
DENSITY = 1e-6
"""Largest difference between log densities that counts as none; they are sums of a thousand terms or so."""


@dataclass(frozen=True)
class Effort:
    """How much to sample.

    Attributes
    ----------
    name : str
        Of the folder that results are kept in.
    chains, warmup, draws : int
        Of rivals, a chain. Ours warms up as its defaults say.
    """

    name: str
    chains: int = 4
    warmup: int = 1000
    draws: int = 1000

    @property
    def folder(self) -> Path:
        return ROOT / ".bayescale" / "sampling" / self.name


FULL, QUICK = Effort("full"), Effort("quick", warmup=500, draws=500)


def default_samplers() -> list[str]:
    return [*OURS, *(name for name, rival in RIVALS.items() if not rival.trial)]


def race(
    problems: Sequence[Problem],
    samplers: Sequence[str],
    seeds: int,
    effort: Effort,
    cap: float,
    python: str = sys.executable,
) -> None:
    """Run what has not been run; every seed of a problem goes once through all samplers before the next.

    Parameters
    ----------
    cap : float
        CPU seconds after which a fit is stopped.
    python : str
        Interpreter that the libraries are installed in which do not come with ours.
    """
    for problem in problems:
        design = make_design(problem.model(), problem.runs())
        for seed in range(seeds):
            for sampler in samplers:
                path = effort.folder / problem.name / f"{sampler}-{seed}.json"
                # What could not be compared is not timed.
                if not path.is_file() and not _density(effort, problem, sampler).get("failed"):
                    keep(path, _one(problem, design, sampler, seed, effort, cap, python))


def _one(
    problem: Problem, design: Design, sampler: str, seed: int, effort: Effort, cap: float, python: str
) -> dict[str, Any]:
    # What a library keeps between processes, of this posterior: the first seed starts without it.
    cache = effort.folder / problem.name / "cache" / sampler
    if seed == 0:
        shutil.rmtree(cache, ignore_errors=True)
    found: dict[str, Any] = {
        "problem": problem.name,
        "sampler": sampler,
        "seed": seed,
        "cache": "warm" if cache.is_dir() else "cold",
        "dimensions": layout_of(design).size,
        "rows": len(design.loss),
        "cells": len(design.cells),
        "revisions": revisions_of("sampler"),
    }
    log = effort.folder / problem.name / "logs" / f"{sampler}-{seed}.log"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "draws.npz"
        if sampler in OURS:
            runs, model = folder / "runs.parquet", folder / "model.json"
            problem.runs().to_parquet(runs)
            model.write_text(problem.model().model_dump_json())
            draws = ("--draws", str(effort.draws), "--seed", str(seed))
            spent = run(
                "benchmarks.sampling.ours", [runs, model, out, *draws, *OURS[sampler]], cache, log, cap
            )
        else:
            rival = RIVALS[sampler]
            target = target_of(design, rival.form)
            target.write(folder / "target.json")
            # NumPyro comes with ours.
            interpreter = sys.executable if sampler.startswith("numpyro") else python
            wanted = {"seed": seed, "chains": effort.chains, "warmup": effort.warmup, "draws": effort.draws}
            options = [part for name, value in wanted.items() for part in (f"--{name}", str(value))]
            what = [sampler, folder / "target.json", out, *options]
            spent = run("benchmarks.sampling.rivals.child", what, cache, log, cap, interpreter)
        found |= asdict(spent)
        if not (spent.stopped or spent.failed):
            with np.load(out) as kept:
                stats = {name: kept[name] for name in ("diverging", "n_steps", "energy")}
                z = kept["z"] if sampler in OURS else target.to_ours(kept["x"])
                notes = json.loads(str(kept["notes"])) if sampler in OURS else []
                version = str(kept["version"])
            found |= {"notes": notes, "version": version} | asdict(quality(design, z, stats))
    said = "stopped" if spent.stopped else spent.failed or f"{found['verdict']} {found['missed']}"
    bulk = f", bulk ESS {found['bulk']:.0f}, {found['leapfrogs']} leapfrogs" if "bulk" in found else ""
    now = datetime.now(UTC).strftime("%H:%M:%S")
    print(
        f"{now} {problem.name}, {sampler}, seed {seed} ({found['cache']}): {spent.cpu_s:.0f} CPU-s{bulk}: {said}",
        flush=True,
    )
    return found


def compare_densities(
    problems: Sequence[Problem], samplers: Sequence[str], effort: Effort, python: str = sys.executable
) -> None:
    """Whether every rival's log density is ours at twenty points, kept as JSON; run before anything is timed."""
    for problem in problems:
        design = make_design(problem.model(), problem.runs())
        for sampler in samplers:
            if sampler in OURS or _density(effort, problem, sampler).get("difference", DENSITY) < DENSITY:
                continue
            target = target_of(design, RIVALS[sampler].form)
            x = points(target, design)
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                target.write(folder / "target.json")
                np.save(folder / "points.npy", x)
                interpreter = sys.executable if sampler.startswith("numpyro") else python
                what = [
                    sampler,
                    folder / "target.json",
                    folder / "out.npy",
                    "--points",
                    folder / "points.npy",
                ]
                cache = effort.folder / problem.name / "cache" / f"{sampler}-density"
                log = effort.folder / problem.name / "logs" / f"{sampler}-density.log"
                spent = run("benchmarks.sampling.rivals.child", what, cache, log, 600, interpreter)
                found: dict[str, Any] = {"points": len(x), "failed": spent.failed}
                if not spent.failed:
                    theirs = np.load(folder / "out.npy")
                    found["difference"] = largest_difference(our_log_density(x, target, design), theirs)
            said = spent.failed or f"differs by at most {found['difference']:.1e} at {len(x)} points"
            print(f"{problem.name}, {sampler}: log density {said}", flush=True)
            if not spent.failed and found["difference"] > DENSITY:
                raise SystemExit(f"{sampler} does not sample our posterior of {problem.name}: mend it first")
            keep(_density_path(effort, problem, sampler), found)


def _density_path(effort: Effort, problem: Problem, sampler: str) -> Path:
    return effort.folder / problem.name / "density" / f"{sampler}.json"


def _density(effort: Effort, problem: Problem, sampler: str) -> dict[str, Any]:
    """What the comparison of a rival's log density with ours came to; nothing where there was none."""
    path = _density_path(effort, problem, sampler)
    return json.loads(path.read_text()) if path.is_file() else {}


def keep(path: Path, found: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_files({path: json.dumps(found, indent=1).encode()})


def results(effort: Effort, problem: str, seeds: int = 99) -> list[dict[str, Any]]:
    """What has been kept of a problem."""
    found = [json.loads(path.read_text()) for path in sorted((effort.folder / problem).glob("*.json"))]
    return [one for one in found if one["seed"] < seeds]
