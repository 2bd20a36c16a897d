"""The page: coverage by phase and law."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bayescale.theory import exponents
from benchmarks.theory.replicates import AHEAD, AVERAGE, BUDGETS, LAWS, POINTS, SIZES, Found

NAMES = {
    "xi": "ξ, in the window",
    "eta": "η, in the window",
    "xi_far": "ξ, the decade beyond",
    "eta_far": "η, the decade beyond",
    "loss_far": "best loss, a decade beyond",
}


SAID = {
    "no floor with misfit": ", with the misfit of the default model: the law is taken to be a little wrong inside the "
    "runs, the more the cheaper and smaller they are. Where three terms compete and a law has two, this is what that "
    "does."
}

TABLES = 20
"""A phase: what the study is for."""


def _fewest(every: Sequence[Found], law: str) -> int:
    return min(sum(f.law == law and f.phase == phase for f in every) for phase in POINTS)


def covers(found: Found, name: str) -> bool:
    """Whether the 90 % interval holds the truth."""
    low, *_, high = found.quantiles[name]
    return low <= found.truth[name] <= high


def markdown(every: Sequence[Found]) -> str:
    """The whole page."""
    there = {f.law for f in every}
    laws = [*(law for law in LAWS if law in there), *sorted(there - set(LAWS))]
    missing = [
        *(f"{law} on any table" for law in LAWS if law not in there),
        *(
            f"{law} on {TABLES - n} of {TABLES} tables of some phase"
            for law in laws
            if (n := _fewest(every, law)) < TABLES
        ),
    ]
    lines = [
        "# Does a posterior cover the exact exponents? A study by phase",
        "",
        "<!-- Made by `python benchmarks/theory.py`; edit benchmarks/theory. -->",
        "",
        f"Runs of one-pass SGD on power-law random features, {SIZES[0]} to {SIZES[-1]} features at budgets of "
        f"{BUDGETS[0]:g} to {BUDGETS[-1]:g} FLOPs (r d B), features of its own for every run, each loss a mean over "
        f"{AVERAGE} paths of SGD. Every table is fitted with each law at default priors by NUTS, and asked for the "
        f"exponents of the compute-optimal size (ξ) and loss (η) in the window of its budgets and in the "
        f"{'decade' if AHEAD == 10 else f'factor {AHEAD:g}'} beyond. The truth is exact: the deterministic equivalent, "
        "minimised over the size, between the same budgets. It is not the asymptotic exponent. What is counted is how "
        "many 90 % intervals hold it.",
        "",
        *(
            [f"**Unfinished.** Still to be fitted: {'; '.join(missing)}. Few tables say little.", ""]
            if missing
            else []
        ),
        "| phase | α, β | ξ true, asymptotic | η true, asymptotic | ξ, η beyond |",
        "|---|---|---|---|---|",
    ]
    for phase, (alpha, beta) in POINTS.items():
        some = next((f for f in every if f.phase == phase), None)
        if some is not None:
            t, a = some.truth, exponents(alpha, beta)
            lines.append(
                f"| {phase} | {alpha:g}, {beta:g} | {t['xi']:.3f}, {a.xi:.3f} | {t['eta']:.3f}, {a.eta:.3f} | "
                f"{t['xi_far']:.3f}, {t['eta_far']:.3f} |"
            )
    for law in laws:
        lines += ["", f"## {law}", "", f"`{LAWS.get(law, law)}`{SAID.get(law, '')}", ""]
        head = ["phase", "tables", "passed", *NAMES.values()]
        lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for phase in POINTS:
            rows = [f for f in every if f.phase == phase and f.law == law]
            if rows:
                lines.append(f"| {phase} | {' | '.join(_row(rows))} |")
        rows = [f for f in every if f.law == law]
        if rows:
            lines.append(f"| all | {' | '.join(_row(rows))} |")
    lines += [
        "",
        "A cell: intervals that hold the truth, of those of fits that passed the health gate; in brackets the ",
    ]
    lines[-1] += "median of middle over truth less one, and of the interval's width over the truth."
    known = [f for f in every if f.law == "plrf" and f.passed]
    if known:
        lines += ["", "The law that knows the phases gives the true one a mean probability of:", ""]
        for phase in POINTS:
            shares = [f.phases.get(phase, 0.0) for f in known if f.phase == phase]
            if shares:
                lines.append(f"- {phase}: {np.mean(shares):.2f} (least {min(shares):.2f})")
    return "\n".join(lines) + "\n"


def _row(rows: Sequence[Found]) -> list[str]:
    passed = [f for f in rows if f.passed]
    cells = [str(len(rows)), str(len(passed))]
    for name in NAMES:
        some = [f for f in passed if name in f.quantiles]
        if not some:
            cells.append("–")
            continue
        true = np.array([f.truth[name] for f in some])
        q = np.array([f.quantiles[name] for f in some])
        off, width = np.median((q[:, 1] + q[:, 2]) / 2 / true - 1), np.median((q[:, 3] - q[:, 0]) / true)
        text = f"{sum(covers(f, name) for f in some)}/{len(some)} ({100 * off:+.1f} %, {100 * width:.1f} %)"
        cells.append(text.replace("-", "−"))
    return cells
