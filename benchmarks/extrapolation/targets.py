"""What issue D asks of a forecast, and whether one meets it."""

from __future__ import annotations

from dataclasses import dataclass

from bayescale.forecast.baselines import COMPLETE, USUAL
from benchmarks.extrapolation.problems import Problem
from benchmarks.extrapolation.results import Result

MOST90, INSIDE50 = 0.97, (0.40, 0.65)


@dataclass(frozen=True)
class Target:
    """One target: what is asked, what was reached, whether that meets it."""

    what: str
    asked: str
    reached: str
    met: bool


def targets(problem: Problem, model: str, ours: Result, usual: Result) -> list[Target]:
    """Every target of one table."""
    mine = ours.scores[model]
    ratio = mine["crps"] / problem.crps
    least = min(usual.scores[name]["error"] for name in (USUAL, COMPLETE))
    low, high = INSIDE50
    found = [
        Target(
            "CRPS over the issue's", f"at most {problem.ratio:.2f}", f"{ratio:.2f}", ratio <= problem.ratio
        ),
        Target(
            "in the 90 % band",
            f"{problem.least90:.2f} to {MOST90:.2f}",
            f"{mine['inside90']:.3f}",
            problem.least90 <= mine["inside90"] <= MOST90,
        ),
        Target(
            "in the 50 % band",
            f"{low:.2f} to {high:.2f}",
            f"{mine['inside50']:.3f}",
            low <= mine["inside50"] <= high,
        ),
        Target(
            "mean absolute relative error",
            f"at most {100 * least:.2f} %",
            f"{100 * mine['error']:.2f} %",
            mine["error"] <= least,
        ),
    ]
    if problem.width < 1:
        found.append(
            Target(
                "median width of the 90 % band",
                f"at most {100 * problem.width:.0f} %",
                f"{100 * mine['width90']:.1f} %",
                mine["width90"] <= problem.width,
            )
        )
    return [*found, Target("health gate", "PASS", ours.health, ours.health == "PASS")]
