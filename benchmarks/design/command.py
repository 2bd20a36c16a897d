"""The command: every race and every chunk of worlds kept in .bayescale/design, the page in docs/design.md."""

from __future__ import annotations

import argparse
import json

import jax

from benchmarks.design.calibration import CHUNK, worlds
from benchmarks.design.figure import figure
from benchmarks.design.page import markdown
from benchmarks.design.policies import POLICIES, RANDOM
from benchmarks.design.race import ALL, CACHE, race
from benchmarks.design.summary import table_of
from benchmarks.design.worlds import WORLDS, there
from benchmarks.published.tables import ROOT

PAGE, FIGURE, FIGURES = (
    ROOT / "docs" / "design.md",
    ROOT / "docs" / "design.png",
    ROOT / "docs" / "design.json",
)


def main(arguments: list[str] | None = None) -> int:
    """Race what has not been raced, print the page, and write it."""
    parser = argparse.ArgumentParser(prog="benchmarks/design.py", description=__doc__)
    parser.add_argument(
        "--problem", action="append", choices=list(WORLDS), help="race in this one, and others so named"
    )
    parser.add_argument("--worlds", type=int, default=500, help="worlds of known truth; a multiple of 25")
    parser.add_argument(
        "--made", action="store_true", help="write the page from what has been run, run nothing"
    )
    parser.add_argument("--fresh", action="store_true", help="race again what was raced before")
    chosen = parser.parse_args(arguments)
    if chosen.fresh:
        for path in CACHE.glob("*.json"):
            path.unlink()
    rows, missing = [], []
    for key in WORLDS:
        wanted = not chosen.problem or key in chosen.problem
        if not there(key) or not wanted or (chosen.made and not _done(key)):
            missing.append(key)
            continue
        world = WORLDS[key][1]()
        for policy, seed in _entries():
            rows += race(key, world, policy, seed)
        jax.clear_caches()
    count = chosen.worlds
    if chosen.made:
        count = CHUNK * len(list(CACHE.glob("calibration-*.json")))
    truths = worlds(count)
    found = table_of(rows) if rows else None
    page = markdown(found, truths, missing)
    print(page)
    PAGE.write_text(page, encoding="utf-8")
    FIGURE.write_bytes(figure(found, truths))
    FIGURES.write_text(json.dumps({"races": rows, "worlds": truths}, indent=None) + "\n")
    print(f"wrote {', '.join(str(p.relative_to(ROOT)) for p in (PAGE, FIGURE, FIGURES))}")
    return 0


def _entries() -> list[tuple[str, int]]:
    every = [(policy, seed) for policy in POLICIES for seed in range(RANDOM if policy == "random" else 1)]
    return [*every, (ALL, 0)]


def _done(key: str) -> bool:
    return all(
        (CACHE / f"{key}-{policy.replace(' ', '-')}-{seed}.json").is_file() for policy, seed in _entries()
    )
