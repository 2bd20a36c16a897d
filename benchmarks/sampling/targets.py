"""What was asked of sampling, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.sampling.growth import slope
from benchmarks.sampling.race import OURS, TITLES
from benchmarks.sampling.summary import Summary, best

PLAIN = "numpyro-plain"


@dataclass(frozen=True)
class Target:
    """One figure that was asked for; `met` is None where it was not measured."""

    what: str
    asked: str
    reached: str
    met: bool | None


def of_problem(name: str, summaries: Sequence[Summary]) -> list[Target]:
    """Of one posterior."""
    by = {s.sampler: s for s in summaries}
    ours = by.get("bayescale")
    if ours is None or not ours.finished:
        return []
    seeds = len(ours.results)
    found = [
        Target(
            "divergences, and largest R-hat, at default settings",
            "none, below 1.01",
            f"{ours.divergences} in {seeds} fits, {ours.r_hat:.4f}",
            ours.divergences == 0 and ours.r_hat < 1.01 and len(ours.finished) == seeds,
        ),
        Target("health gate", "PASS", ours.why, ours.passed),
    ]
    if name == "reference":
        steps = ours.leapfrogs_per_ess
        found.append(
            Target("leapfrog steps per effective sample", "at most 50; aim 20", f"{steps:.1f}", steps <= 50)
        )
    rivals = [s for s in summaries if s.sampler not in OURS]
    for against, factor in ((by.get(PLAIN), 8.0), (best(rivals, ours.cache), 5.0)):
        if against is not None:
            found.append(_ratio(ours, by.get("bayescale-folds"), against, factor))
    return found


def _ratio(ours: Summary, folds: Summary | None, rival: Summary, factor: float) -> Target:
    cache = ours.cache
    said, met = f"{rival.why} and has no figure", None
    ratio = ours.speed(cache) / rival.speed(cache)
    if np.isfinite(ratio):
        met = bool(ratio >= factor) and ours.passed
        said = f"{ratio:.1f} ({cache} cache)"
        if not rival.passed:
            said += ", were its draws believed"
        if folds is not None and np.isfinite(folds.speed(cache)):
            said += f"; {folds.speed(cache) / rival.speed(cache):.1f} with the refits of the drift"
    name = TITLES[rival.sampler]
    what = f"ESS per CPU-second over that of {'the best rival, ' * (factor == 5)}{name}"
    return Target(what, f"at least {factor:.0f}", said, met)


def of_startup(found: Mapping[str, Any]) -> list[Target]:
    """Of beginning."""
    cold, warm = (found[f"ours-{cache}"]["cpu_s"] for cache in ("cold", "warm"))
    plain, kept = (found[f"numpyro-{cache}"]["cpu_s"] for cache in ("cold", "warm"))
    again = found["refit"]["second_programs"]
    return [
        Target(
            "first draw, cold, over plain NumPyro's",
            "at most 0.5",
            f"{cold / plain:.2f} ({cold:.1f} of {plain:.1f} CPU-s)",
            cold <= plain / 2,
        ),
        Target(
            "first draw, warm, over plain NumPyro's",
            "at most 0.1",
            f"{warm / plain:.2f} ({warm:.1f} of {plain:.1f} CPU-s; {warm / kept:.2f} where NumPyro is given a cache on "
            f"disk, {kept:.1f})",
            warm <= plain / 10,
        ),
        Target("`import bayescale`", "under 0.3 CPU-s", f"{found['import']:.2f}", found["import"] < 0.3),
        Target(
            "programs that a refit on data of the same shape compiles",
            "none",
            f"{again} (the first fit: {found['refit']['first_programs']})",
            again == 0,
        ),
    ]


def of_growth(points: Sequence[Mapping[str, Any]]) -> list[Target]:
    """Of larger tables."""
    found = []
    for axis in ("runs", "cells"):
        exponent = slope(points, axis)
        if np.isfinite(exponent):
            largest = max(p[axis] for p in points if p["axis"] == axis and "gradient_s" in p)
            found.append(
                Target(
                    f"cost of a gradient grows as {axis} to the power of, up to {largest:,}",
                    "at most 1",
                    f"{exponent:.2f}",
                    exponent <= 1.0,
                )
            )
    default = slope(points, "cells", "default")
    if np.isfinite(default):
        found.append(
            Target(
                "the same of the default model, which has no effects of single cells",
                "at most 1",
                f"{default:.2f}",
                default <= 1.0,
            )
        )
    fits = [p for p in points if p["kind"] == "fit" and p["axis"] == "runs"]
    if fits:
        large = max(fits, key=lambda p: p["runs"])
        stopped = f", stopped after {large['cpu_s']:.0f} CPU-s" if large["stopped"] else ""
        enough = large["runs"] == 10_000 and not (large["stopped"] or large["failed"])
        memory = large["peak_mib"] / 1024
        found.append(
            Target(
                f"memory of a fit of {large['runs']:,} runs",
                "under 2 GiB",
                f"{memory:.2f} GiB{stopped}",
                memory < 2 and enough,
            )
        )
    return found
