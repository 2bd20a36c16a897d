"""From kept results to figures: over the seeds of each sampler on each posterior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

NONE = float("nan")


@dataclass(frozen=True)
class Summary:
    """One sampler on one posterior.

    Attributes
    ----------
    sampler : str
    results : tuple of dict
        A seed each, as `race` kept them.
    """

    sampler: str
    results: tuple[dict[str, Any], ...]

    @property
    def finished(self) -> list[dict[str, Any]]:
        return [r for r in self.results if "bulk" in r]

    @property
    def passed(self) -> bool:
        """Whether every seed passes the health gate."""
        return bool(self.results) and all(r.get("verdict") == "PASS" for r in self.results)

    @property
    def why(self) -> str:
        """What the gate says of the seeds, or why there are no draws."""
        count = sum(r.get("verdict") == "PASS" for r in self.results)
        if self.passed:
            return f"PASS, {count} of {count}"
        if not self.finished:
            stopped = next((r for r in self.results if r["stopped"]), None)
            if stopped:
                return f"stopped after {stopped['cpu_s']:.0f} CPU-s"
            said = self.results[0]["failed"]
            return "not installed" if said.startswith("ModuleNotFoundError") else f"does not run: {said}"
        worst = max(
            (r for r in self.finished if r["verdict"] != "PASS"),
            key=lambda r: (r["verdict"] == "FAIL", r["divergences"] + r["cut"]),
            default=None,
        )
        said = f"{worst['verdict']}: {worst['missed']}" if worst else "stopped on other seeds"
        return f"{said}; {count} of {len(self.results)} pass"

    def median(self, name: str) -> float:
        return float(np.median([r[name] for r in self.finished])) if self.finished else NONE

    @property
    def r_hat(self) -> float:
        """The largest over seeds."""
        return max((r["r_hat"] for r in self.finished), default=NONE)

    @property
    def divergences(self) -> int:
        """Over all seeds."""
        return sum(r["divergences"] for r in self.finished)

    @property
    def leapfrogs_per_ess(self) -> float:
        """Median over seeds, of the kept draws and the least bulk ESS."""
        found = [r["leapfrogs"] / r["bulk"] for r in self.finished]
        return float(np.median(found)) if found else NONE

    def cpu_s(self, cache: str) -> float:
        """Median of whole processes that began with such a cache."""
        found = [r["cpu_s"] for r in self.finished if r["cache"] == cache]
        return float(np.median(found)) if found else NONE

    def speed(self, cache: str) -> float:
        """The least of bulk and tail ESS per CPU-second of the whole process, median over seeds."""
        found = [min(r["bulk"], r["tail"]) / r["cpu_s"] for r in self.finished if r["cache"] == cache]
        return float(np.median(found)) if found else NONE

    @property
    def cache(self) -> str:
        """``warm`` where some seed began so, ``cold`` otherwise."""
        return "warm" if any(r["cache"] == "warm" for r in self.finished) else "cold"


def summarise(results: Sequence[dict[str, Any]], order: Sequence[str]) -> list[Summary]:
    """A summary a sampler that has results, in the given order."""
    found = [Summary(name, tuple(r for r in results if r["sampler"] == name)) for name in order]
    return [one for one in found if one.results]


def best(rivals: Sequence[Summary], cache: str) -> Summary | None:
    """The fastest rival: of those that pass, or where none does of those that end."""
    there = [r for r in rivals if np.isfinite(r.speed(cache))]
    passing = [r for r in there if r.passed]
    return max(passing or there, key=lambda r: r.speed(cache), default=None)
